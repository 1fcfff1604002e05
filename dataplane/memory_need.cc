#include "dataplane/memory_need.h"

#include <algorithm>

namespace culvert::dataplane {

std::uint64_t memory_need_mib(const Settings& settings) {
    if (settings.memory_mib != 0)
        return settings.memory_mib;
    const std::uint64_t largest_mtu =
        settings.ports.empty() ? 1500 : std::ranges::max(settings.ports, {}, &PortSettings::mtu).mtu;
    const std::uint64_t buffers = settings.packet_buffers * std::max<std::uint64_t>(largest_mtu + 900, 2500) >> 20;
    const std::uint64_t sessions = settings.max_sessions * std::uint64_t{160} >> 20;
    return 64 + buffers * 5 / 4 + sessions;
}

} // namespace culvert::dataplane
