#pragma once

#include "dataplane/drop_reason.h"
#include "dataplane/packet.h"
#include "dataplane/tables.h"

#include <cstdint>
#include <span>
#include <vector>

namespace culvert::dataplane {

/// Stage 1's answer for one frame.
enum class OuterKind : std::uint8_t {
    tunnel, ///< for one of our listeners; the arrival is filled and the mbuf's data is the UDP payload
    kernel, ///< somebody else's: unchanged
    drop,   ///< for one of our listeners, but broken
};

struct OuterContext {
    const ListenerTable& listeners;
    const std::vector<IpAddress>* local; ///< addresses of the port; null: none yet
    std::uint16_t vlan;                  ///< tag that tunnel traffic carries; 0: none
};

/// Checks Ethernet, IP (RFC 791, RFC 8200) and UDP (RFC 768) of one received frame; lengths before contents. On
/// `drop`, `arrival.reason` says why. Never trusts a length that it hasn't compared with the bytes that are there.
OuterKind parse_outer(const OuterContext& context, rte_mbuf* frame, Arrival& arrival) noexcept;

/// Takes the port's VLAN tag off a frame for the kernel, whose interface knows none, and puts it onto one from
/// there. False: the frame has another tag or none, or there is no room.
bool untag(rte_mbuf* frame, std::uint16_t vlan) noexcept;
bool tag(rte_mbuf* frame, std::uint16_t vlan) noexcept;

/// An ICMP message that says that a packet of ours was too big for the path (RFC 1191, RFC 8201). Only a hint:
/// anybody could have sent it.
struct PathMtuHint {
    Endpoint remote;       ///< whom our packet was for
    std::uint32_t mtu = 0; ///< 0: none found
};
PathMtuHint parse_path_mtu_hint(const OuterContext& context, const rte_mbuf* frame) noexcept;

/// Ends of a datagram whose UDP payload is at the mbuf's data, for control.
Endpoint source_of(const rte_mbuf* payload, const std::uint8_t* l3, bool v6) noexcept;
Endpoint destination_of(const rte_mbuf* payload, const std::uint8_t* l3, bool v6) noexcept;

} // namespace culvert::dataplane
