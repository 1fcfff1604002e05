#pragma once

#include "control/handshake/udp_tuple.h"

#include <cstddef>
#include <deque>
#include <optional>
#include <unordered_map>

namespace culvert::control {

/// Bounds the half-open handshakes, in all and per source: an IPv4 address or an IPv6 /64, which is what one host
/// can have. When a bound is reached the oldest one of the source that has the most gives way, so that whoever
/// fills the table pushes out his own. One thread.
class HalfOpenLimits {
  public:
    HalfOpenLimits(std::size_t in_all, std::size_t per_source) : in_all_(in_all), per_source_(per_source) {}

    /// Who has to go before there is room for one more from `remote`.
    std::optional<UdpTuple> in_the_way(const dataplane::IpAddress& remote) const;
    void add(const UdpTuple& tuple);
    void remove(const UdpTuple& tuple);
    std::size_t size() const { return size_; }

  private:
    std::size_t in_all_, per_source_, size_ = 0;
    std::unordered_map<dataplane::IpAddress, std::deque<UdpTuple>> by_source_; ///< oldest first
};

} // namespace culvert::control
