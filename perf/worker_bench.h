#pragma once

#include "crypto/aead.h"
#include "perf/raw_aead.h"
#include "perf/traffic.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

/// The real worker, on vdevs, on one core: frames come from a net_pcap device that plays a capture in a loop, and
/// go to net_null, or, opened, to the bridge's ring, which the measuring thread empties.
namespace culvert::perf {

struct WorkerCase {
    std::string engine = "ipsec-mb";
    Direction direction = Direction::open; ///< open: inbound, seal: outbound
    Mix mix = fixed_size(64);
    std::uint32_t sessions = 1; ///< each packet's is drawn at random
};

class WorkerBench {
  public:
    explicit WorkerBench(const WorkerCase& what); ///< throws std::runtime_error
    ~WorkerBench();
    WorkerBench(const WorkerBench&) = delete;
    WorkerBench& operator=(const WorkerBench&) = delete;

    /// TSC cycles a packet through the worker, the median of `laps` laps. Throws if a packet got lost.
    double worker_cycles(unsigned laps);
    /// The same packets from the same source straight into net_null: what the vdevs alone cost.
    double forward_cycles(unsigned laps);

  private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

} // namespace culvert::perf
