#pragma once

#include "dataplane/checksum.h"
#include "dataplane/headers.h"

#include <cstdint>
#include <optional>

namespace culvert::dataplane {

/// What the first header of an inner IP packet says, once its lengths have been checked against the bytes there.
struct InnerPacket {
    std::uint8_t version;       ///< 4 or 6
    std::uint16_t header_bytes; ///< IPv4 with options; IPv6 without extension headers
    std::uint32_t total_bytes;  ///< by the header; what lies behind is padding, for the caller to trim
    std::uint8_t protocol;      ///< IPv4 protocol, IPv6 next header
};

/// Nothing: neither IPv4 nor IPv6, or lengths that contradict each other or `length`, the bytes at `data`. The
/// IPv4 header's checksum isn't looked at: the packet was authenticated on its way here, and its receiver checks
/// it.
inline std::optional<InnerPacket> parse_inner(const std::uint8_t* data, std::uint32_t length) noexcept {
    if (length < sizeof(Ipv4Header)) [[unlikely]]
        return std::nullopt;
    if (data[0] >> 4 == 4) {
        const auto& ip = *reinterpret_cast<const Ipv4Header*>(data);
        const std::uint16_t header_bytes = ip.header_bytes(), total = ip.total_length;
        if (header_bytes < sizeof ip || total < header_bytes || total > length) [[unlikely]]
            return std::nullopt;
        return InnerPacket{4, header_bytes, total, ip.protocol};
    }
    if (data[0] >> 4 != 6 || length < sizeof(Ipv6Header)) [[unlikely]]
        return std::nullopt;
    const auto& ip = *reinterpret_cast<const Ipv6Header*>(data);
    const std::uint32_t total = sizeof ip + ip.payload_length;
    if (total > length) [[unlikely]]
        return std::nullopt;
    return InnerPacket{6, sizeof ip, total, ip.next_header};
}

/// Whether a router may forward to the destination (RFC 1812 §5.3.7, RFC 4291 §2.5): no multicast, broadcast,
/// link-local, loopback or unspecified address. `packet` has passed parse_inner().
bool is_routable_destination(const std::uint8_t* packet) noexcept;
/// The same of the source: whether an answer could be sent there.
bool is_routable_source(const std::uint8_t* packet) noexcept;

/// Takes one from TTL or hop limit and mends the IPv4 checksum. False, and no change, when it would reach 0: the
/// packet has to be dropped (RFC 1812 §5.3.1, RFC 8200 §3). `packet` has passed parse_inner().
inline bool decrement_ttl(std::uint8_t* packet) noexcept {
    if (packet[0] >> 4 == 6) {
        auto& ip = *reinterpret_cast<Ipv6Header*>(packet);
        if (ip.hop_limit <= 1) [[unlikely]]
            return false;
        --ip.hop_limit;
        return true;
    }
    auto& ip = *reinterpret_cast<Ipv4Header*>(packet);
    if (ip.ttl <= 1) [[unlikely]]
        return false;
    --ip.ttl;
    // RFC 1624 §3 for a word that shrinks by 0100: the checksum grows by as much, with the carry around the end.
    const std::uint32_t sum = std::uint32_t{ip.checksum} + 0x0100;
    ip.checksum = static_cast<std::uint16_t>(sum + (sum >= 0xffff ? 1 : 0));
    return true;
}

} // namespace culvert::dataplane
