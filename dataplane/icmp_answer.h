#pragma once

#include "dataplane/address.h"

#include <algorithm>
#include <cstdint>

struct rte_mbuf;
struct rte_mempool;

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

/// Token bucket for answers (RFC 1812 §4.3.2.8, RFC 4443 §2.4 f), one a worker, kept as the time at which the
/// bucket would be full again. Times are of any steady clock, in ticks; when it steps back, answers wait until it
/// has caught up.
class AnswerLimiter {
  public:
    explicit AnswerLimiter(std::uint64_t ticks_per_second, std::uint32_t per_second = 100,
                           std::uint32_t burst = 50)
        : interval_(std::max<std::uint64_t>(ticks_per_second / per_second, 1)), slack_(interval_ * (burst - 1)) {}

    /// Takes a token, if there is one.
    bool allow(std::uint64_t now) noexcept {
        const std::uint64_t full = std::max(full_at_, now);
        if (full - now > slack_)
            return false;
        full_at_ = full + interval_;
        return true;
    }

  private:
    std::uint64_t interval_, slack_, full_at_ = 0;
};

} // namespace culvert::dataplane
