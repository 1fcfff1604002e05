#pragma once

#include "dataplane/headers.h"

#include <cstdint>
#include <optional>

namespace culvert::dataplane {

/// What lies behind an IPv6 packet's extension headers.
struct UpperLayer {
    std::uint8_t protocol; ///< of the header at `at`
    std::uint32_t at;      ///< offset from the IPv6 header; may lie at or beyond the packet's end
    bool fragment;         ///< a fragment header was among them
    bool later_fragment;   ///< and says that this is not the packet's beginning: no header lies at `at`
};

enum class AtFragment : bool { stop, go_on };

/// Steps over extension headers (RFC 8200 §4), six at most, which is more than its order of headers has; what
/// nests deeper is told as a packet of the seventh's protocol. A later fragment ends the walk, and with
/// AtFragment::stop every fragment does: then `protocol` is what all fragments of a packet agree on. Nothing: the
/// packet ends within a header. At least 40 bytes must be there.
inline std::optional<UpperLayer> upper_layer(const std::uint8_t* packet, std::uint32_t length,
                                             AtFragment at_fragment) noexcept {
    UpperLayer found{packet[6], sizeof(Ipv6Header), false, false};
    for (int steps = 0; steps < 6; ++steps) {
        const bool fragment = found.protocol == ip_protocol::fragment;
        if (!fragment && found.protocol != ip_protocol::hop_by_hop && found.protocol != ip_protocol::routing &&
            found.protocol != ip_protocol::destination_options) [[likely]]
            return found;
        if (length < found.at + 8) [[unlikely]]
            return std::nullopt;
        const std::uint8_t* header = packet + found.at;
        found.protocol = header[0];
        found.at += 8U + (fragment ? 0U : header[1] * 8U);
        if (fragment) {
            found.fragment = true;
            found.later_fragment = (header[2] << 8 | (header[3] & 0xf8)) != 0;
            if (found.later_fragment || at_fragment == AtFragment::stop)
                return found;
        }
    }
    return found;
}

} // namespace culvert::dataplane
