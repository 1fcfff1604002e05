#pragma once

#include "dataplane/address.h"

#include <cstdint>
#include <rte_mbuf.h>

namespace culvert::dataplane {

/// What to tell the sender of a packet that goes no further.
enum class IcmpAnswer : std::uint8_t {
    net_unreachable,  ///< no route (IPv4 3/0; IPv6 1/0)
    host_unreachable, ///< a route, but nobody there now (IPv4 3/1; IPv6 1/3)
    time_exceeded,    ///< TTL or hop limit used up (IPv4 11/0; IPv6 3/0)
    packet_too_big,   ///< `mtu` is what would fit (IPv4 3/4; IPv6 2/0)
    admin_prohibited, ///< a rule forbids it (IPv4 3/13; IPv6 1/1). Not for forged inner sources: they get no
                      ///< answer.
};

/// The whole answer as an inner packet, one segment with full headroom, from `own` to the offender's source: RFC
/// 792, RFC 1812 §4.3.2, RFC 1191 §4; RFC 4443 §2.4, §3. It quotes as much of the offender as 576 (IPv4) or 1280
/// (IPv6) bytes leave room for. `mtu` matters to packet_too_big alone; IPv6 is never told less than 1280 (RFC 8201
/// §4).
///
/// Null where none is due: the offender is an ICMP error or redirect, a later fragment, or to or from an address
/// that isn't one host's; its extension headers don't end; `own` is of the other family or unspecified; `pool` is
/// empty. `offender` starts with its IP header, has passed parse_inner(), lies in one segment, and stays the
/// caller's.
rte_mbuf* make_icmp_answer(const rte_mbuf* offender, IcmpAnswer kind, const IpAddress& own, std::uint16_t mtu,
                           rte_mempool* pool) noexcept;

} // namespace culvert::dataplane
