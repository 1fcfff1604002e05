#pragma once

#include "dataplane/headers.h"

#include <cstdint>

namespace culvert::dataplane {

namespace mss_clamp_detail {
inline constexpr std::uint8_t syn = 0x02;
/// `tcp_at` is the offset of a TCP header of which 20 bytes are there.
void lower_mss(std::uint8_t* packet, std::uint32_t length, std::uint32_t tcp_at, std::uint16_t most) noexcept;
void clamp_behind_extensions(std::uint8_t* packet, std::uint32_t length, std::uint16_t inner_mtu) noexcept;
} // namespace mss_clamp_detail

/// Lowers the maximum segment size that a TCP SYN announces to what fits into `inner_mtu` bytes with its IP header
/// (IPv4 with its options, IPv6 without extension headers) and a TCP header of 20; never raises it. All else stays
/// as it is. `packet` has passed parse_inner() and has `length` bytes.
inline void clamp_mss(std::uint8_t* packet, std::uint32_t length, std::uint16_t inner_mtu) noexcept {
    using namespace mss_clamp_detail;
    std::uint32_t tcp_at = sizeof(Ipv6Header);
    if (packet[0] >> 4 == 4) {
        const auto& ip = *reinterpret_cast<const Ipv4Header*>(packet);
        if (ip.protocol != ip_protocol::tcp || ip.is_later_fragment())
            return;
        tcp_at = ip.header_bytes();
    } else if (packet[6] != ip_protocol::tcp) {
        if (packet[6] != ip_protocol::udp) [[unlikely]]
            clamp_behind_extensions(packet, length, inner_mtu);
        return;
    }
    if (length < tcp_at + sizeof(TcpHeader) || (packet[tcp_at + 13] & syn) == 0) [[likely]]
        return;
    const std::uint32_t headers = tcp_at + sizeof(TcpHeader);
    if (inner_mtu > headers)
        lower_mss(packet, length, tcp_at, static_cast<std::uint16_t>(inner_mtu - headers));
}

} // namespace culvert::dataplane
