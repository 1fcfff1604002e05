#pragma once

#include "dataplane/checksum.h"
#include "dataplane/headers.h"

#include <cstdint>
#include <optional>

/// Congestion marks and priorities across the tunnel: RFC 6040 in normal mode, RFC 2983 uniform or with one fixed
/// DSCP.
namespace culvert::dataplane {

/// The ECN field's values (RFC 3168 §5).
namespace ecn {
inline constexpr std::uint8_t not_ect = 0, ect1 = 1, ect0 = 2, ce = 3, mask = 3;
}

/// The DSCP and ECN byte of an IPv4 or IPv6 packet.
inline std::uint8_t traffic_class(const std::uint8_t* packet) noexcept {
    if (packet[0] >> 4 == 4)
        return packet[1];
    return static_cast<std::uint8_t>((packet[0] << 4) | (packet[1] >> 4)); // bits 4–11 of the header
}

inline void set_ecn(std::uint8_t* packet, std::uint8_t value) noexcept {
    if (packet[0] >> 4 == 6) {
        packet[1] = static_cast<std::uint8_t>((packet[1] & ~(ecn::mask << 4)) | (value << 4));
        return;
    }
    auto& ip = *reinterpret_cast<Ipv4Header*>(packet);
    const auto word = [&] { return be16(static_cast<std::uint16_t>(ip.version_ihl << 8 | ip.tos)); };
    const be16 before = word();
    ip.tos = static_cast<std::uint8_t>((ip.tos & ~ecn::mask) | value);
    ip.checksum = updated_checksum(ip.checksum, before, word());
}

/// Brings the outer header's congestion mark into the opened packet, as figure 4 of RFC 6040 has it. False: the
/// packet must be dropped, for it was marked on the way though its ends don't speak ECN. `inner` has passed
/// parse_inner().
inline bool decapsulate_ecn(std::uint8_t* inner, std::uint8_t outer_ecn) noexcept {
    if (outer_ecn == ecn::not_ect) [[likely]]
        return true;
    const std::uint8_t inner_ecn = traffic_class(inner) & ecn::mask;
    if (inner_ecn == outer_ecn) [[likely]]
        return true;
    if (outer_ecn == ecn::ce) {
        if (inner_ecn == ecn::not_ect)
            return false;
        set_ecn(inner, ecn::ce);
    } else if (outer_ecn == ecn::ect1 && inner_ecn == ecn::ect0) {
        set_ecn(inner, ecn::ect1);
    }
    return true; // all else: the inner field stays as it is
}

/// Traffic class byte of the outer packet: the inner ECN field as it is (RFC 6040 §4.1, normal mode) below the
/// inner DSCP or the fixed one (0–63). `inner` has passed parse_inner().
inline std::uint8_t outer_traffic_class(const std::uint8_t* inner,
                                        std::optional<std::uint8_t> fixed_dscp) noexcept {
    const std::uint8_t copied = traffic_class(inner);
    if (!fixed_dscp)
        return copied;
    return static_cast<std::uint8_t>((*fixed_dscp << 2) | (copied & ecn::mask));
}

} // namespace culvert::dataplane
