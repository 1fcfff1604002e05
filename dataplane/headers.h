#pragma once

#include "dataplane/big_endian.h"

#include <array>
#include <cstdint>

/// Protocol headers as they lie on the wire, with their sizes asserted. All of them have alignment 1.
namespace culvert::dataplane {

struct EthernetHeader {
    std::array<std::uint8_t, 6> destination;
    std::array<std::uint8_t, 6> source;
    be16 type;
};
static_assert(sizeof(EthernetHeader) == 14);

struct VlanHeader { ///< IEEE 802.1Q, follows the addresses' type 0x8100
    be16 tag;
    be16 type;
};
static_assert(sizeof(VlanHeader) == 4);

namespace ether_type {
inline constexpr std::uint16_t ipv4 = 0x0800, ipv6 = 0x86dd, arp = 0x0806, vlan = 0x8100;
}

struct Ipv4Header { ///< RFC 791 §3.1
    std::uint8_t version_ihl;
    std::uint8_t tos; ///< DSCP (6 bits) and ECN (2)
    be16 total_length;
    be16 id;
    be16 fragment; ///< flags (3 bits) and offset in units of 8 bytes
    std::uint8_t ttl;
    std::uint8_t protocol;
    be16 checksum;
    be32 source;
    be32 destination;

    std::uint8_t version() const { return version_ihl >> 4; }
    std::uint8_t header_bytes() const { return static_cast<std::uint8_t>((version_ihl & 0x0f) * 4); }
    bool dont_fragment() const { return (fragment & 0x4000) != 0; }
    bool is_fragment() const { return (fragment & 0x3fff) != 0; }       ///< any piece of a fragmented packet
    bool is_later_fragment() const { return (fragment & 0x1fff) != 0; } ///< a piece without the L4 header
};
static_assert(sizeof(Ipv4Header) == 20);

struct Ipv6Header { ///< RFC 8200 §3
    be32 version_class_flow;
    be16 payload_length;
    std::uint8_t next_header;
    std::uint8_t hop_limit;
    std::array<std::uint8_t, 16> source;
    std::array<std::uint8_t, 16> destination;

    std::uint8_t version() const { return static_cast<std::uint8_t>(version_class_flow >> 28); }
    std::uint8_t traffic_class() const { return static_cast<std::uint8_t>(version_class_flow >> 20); }
};
static_assert(sizeof(Ipv6Header) == 40);

struct UdpHeader { ///< RFC 768
    be16 source;
    be16 destination;
    be16 length;
    be16 checksum;
};
static_assert(sizeof(UdpHeader) == 8);

struct TcpHeader { ///< RFC 9293 §3.1
    be16 source;
    be16 destination;
    be32 sequence;
    be32 acknowledgment;
    std::uint8_t data_offset; ///< upper nibble, in units of 4 bytes
    std::uint8_t flags;
    be16 window;
    be16 checksum;
    be16 urgent;

    std::uint8_t header_bytes() const { return static_cast<std::uint8_t>((data_offset >> 4) * 4); }
};
static_assert(sizeof(TcpHeader) == 20);

struct IcmpHeader { ///< RFC 792, RFC 4443 §2.1
    std::uint8_t type;
    std::uint8_t code;
    be16 checksum;
    be32 rest; ///< IPv4 too-big: next-hop MTU in the low 16 bits; IPv6 too-big: MTU
};
static_assert(sizeof(IcmpHeader) == 8);

namespace ip_protocol {
inline constexpr std::uint8_t icmp = 1, tcp = 6, udp = 17, icmp6 = 58, hop_by_hop = 0, routing = 43, fragment = 44,
                              destination_options = 60;
}

} // namespace culvert::dataplane
