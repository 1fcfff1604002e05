#pragma once

#include "dataplane/settings.h"

#include <expected>
#include <string>

namespace culvert::dataplane {

/// Initialises DPDK's environment once per process; later calls find it done. The error is one sentence with the
/// command that mends it.
std::expected<void, std::string> start_eal(const Settings& settings);

/// Registers the calling thread with EAL (for the mempools' per-thread caches) for as long as the object lives.
class EalThread {
  public:
    EalThread();
    ~EalThread();
    EalThread(const EalThread&) = delete;
    EalThread& operator=(const EalThread&) = delete;
};

} // namespace culvert::dataplane
