#pragma once

#include "dataplane/ids.h"

#include <cstdint>
#include <rte_mbuf.h>

/// What a packet carries with it and within one worker's burst.
namespace culvert::dataplane {

struct Session;
struct Peer;

inline constexpr std::uint16_t burst_size = 64;
/// In front of an inner packet there is always room for the longest outer headers: RTE_PKTMBUF_HEADROOM is 128.
inline constexpr std::uint16_t max_outer_bytes = 14 + 4 + 40 + 8 + 32;
static_assert(max_outer_bytes <= RTE_PKTMBUF_HEADROOM);

/// Travels in the private area of each mbuf, for packets that wait in a ring.
struct PacketMeta {
    enum class Kind : std::uint8_t {
        inbound,   ///< outer packet for a session of the ring's worker
        outbound,  ///< inner packet for a session of the ring's worker
        frame,     ///< control frame to seal on `session`
        readdress, ///< no packet: 16 bytes, the address that `session` shall send from
        datagram,  ///< whole frame to send through a port
    };
    Kind kind;
    std::uint8_t format;
    std::uint8_t outer_ecn;
    bool outer_v6;
    std::uint16_t l3_offset;  ///< outer IP header, from buf_addr
    std::uint16_t padded_to;  ///< frame: outer length to reach; 0: none
    std::uint32_t session;    ///< SessionIndex; datagram: position of the port
    std::uint32_t from;       ///< outbound: PeerId that it came from, or no_peer
    std::uint64_t remote_tag; ///< inbound
};

inline PacketMeta& meta(rte_mbuf* packet) noexcept {
    return *static_cast<PacketMeta*>(rte_mbuf_to_priv(packet));
}
inline constexpr std::uint32_t no_peer = ~std::uint32_t{0};
inline constexpr std::uint16_t packet_meta_bytes = 64;
static_assert(sizeof(PacketMeta) <= packet_meta_bytes);

inline std::uint8_t* data(rte_mbuf* packet) noexcept {
    return rte_pktmbuf_mtod(packet, std::uint8_t*);
}
inline const std::uint8_t* data(const rte_mbuf* packet) noexcept {
    return rte_pktmbuf_mtod(packet, const std::uint8_t*);
}

/// An outer packet on its way in, stages 1 to 4. The mbuf's data is the UDP payload.
struct Arrival {
    rte_mbuf* packet;
    Session* session;
    std::uint64_t sequence;
    std::uint64_t remote_tag; ///< of the outer source, see remote_tag.h
    const std::uint8_t* l3;   ///< outer IP header
    std::uint8_t format;
    std::uint8_t outer_ecn;
    bool outer_v6;
    bool from_new_endpoint;
    bool index_fits;           ///< the record carries its session's own index
    std::uint8_t content_type; ///< of the wire format: 23 data, 21 alert …
    std::uint8_t verdict;      ///< Verdict of stage 2
    std::uint8_t reason;       ///< DropReason when dropped
};

/// Stage 2's answer for one packet.
enum class Verdict : std::uint8_t { open, drop, handshake };

/// An inner packet on its way out, from the route to the wire. The mbuf's data is the inner packet.
struct Departure {
    rte_mbuf* packet;
    Session* session;
    std::uint64_t sequence; ///< drawn when the packet may be sealed
    std::uint32_t inner_bytes;
    std::uint8_t content_type;
    std::uint8_t outer_tos;
};

} // namespace culvert::dataplane
