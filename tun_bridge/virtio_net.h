#pragma once

#include <cstddef>
#include <cstdint>

/// The header before each packet that is read from or written to a TUN device with IFF_VNET_HDR: virtio 1.2 §5.1.6
/// in its legacy form, in the byte order of the host. <linux/virtio_net.h> does not compile as C++.
namespace culvert::tun_bridge {

struct VirtioNetHeader {
    std::uint8_t flags;
    std::uint8_t gso_type;
    std::uint16_t
        header_bytes;       ///< a hint only: the kernel gives the length of its linear part, not of the headers
    std::uint16_t gso_size; ///< payload bytes of each segment
    std::uint16_t checksum_start;  ///< from the start of the packet
    std::uint16_t checksum_offset; ///< of the checksum field, from checksum_start
};
static_assert(sizeof(VirtioNetHeader) == 10 && offsetof(VirtioNetHeader, gso_size) == 4);

namespace virtio_net {
/// Flag: the checksum field holds the pseudo-header's sum; the sum over the rest is to be completed.
inline constexpr std::uint8_t needs_checksum = 1;

enum GsoType : std::uint8_t { gso_none = 0, gso_tcp4 = 1, gso_udp_fragments = 3, gso_tcp6 = 4, gso_udp = 5 };
/// Bit beside the GSO type: the first segment of a TCP super-packet carries CWR (RFC 3168).
inline constexpr std::uint8_t gso_ecn = 0x80;

/// Longest packet that can follow: an IPv6 header and its longest payload.
inline constexpr std::size_t max_packet_bytes = 40 + 65535;
} // namespace virtio_net

} // namespace culvert::tun_bridge
