#pragma once

#include "dataplane/settings.h"

#include <cstdint>

namespace culvert::dataplane {

/// What the dataplane asks DPDK for, in MiB: `memory_mib`, or else what buffers and tables take.
std::uint64_t memory_need_mib(const Settings& settings);

} // namespace culvert::dataplane
