#include "control/handshake/half_open_limits.h"

#include <algorithm>

namespace culvert::control {
namespace {

constexpr std::ptrdiff_t site_bytes = 8; ///< of an IPv6 address: the /64

dataplane::IpAddress source_of(dataplane::IpAddress address) {
    if (!address.is_v4())
        std::fill(address.bytes.begin() + site_bytes, address.bytes.end(), std::uint8_t{0});
    return address;
}

} // namespace

std::optional<UdpTuple> HalfOpenLimits::in_the_way(const dataplane::IpAddress& remote) const {
    const auto own = by_source_.find(source_of(remote));
    if (own != by_source_.end() && own->second.size() >= per_source_)
        return own->second.front();
    if (size_ < in_all_ || size_ == 0)
        return std::nullopt;
    const auto most =
        std::ranges::max_element(by_source_, {}, [](const auto& entry) { return entry.second.size(); });
    return most->second.front();
}

void HalfOpenLimits::add(const UdpTuple& tuple) {
    by_source_[source_of(tuple.remote.address)].push_back(tuple);
    ++size_;
}

void HalfOpenLimits::remove(const UdpTuple& tuple) {
    const auto own = by_source_.find(source_of(tuple.remote.address));
    if (own == by_source_.end())
        return;
    const std::size_t removed = std::erase(own->second, tuple);
    size_ -= removed;
    if (own->second.empty())
        by_source_.erase(own);
}

} // namespace culvert::control
