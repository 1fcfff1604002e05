#pragma once

#include "control/tunnels/timing.h"

#include <algorithm>
#include <cstdint>

namespace culvert::control {

/// Waiting time between attempts: doubles from one to the next, ±25% so that gateways which lost each other
/// together don't come back in step.
class Backoff {
  public:
    Backoff(Timing::Duration first, Timing::Duration longest) : first_(first), longest_(longest), step_(first) {}

    /// Time to wait after one more failure. `random` is uniform over all its values.
    Timing::Duration after_failure(std::uint32_t random) {
        const auto wait = step_;
        step_ = std::min(step_ * 2, longest_);
        const auto half_width = wait.count() / 4;
        return wait - Timing::Duration(half_width) + Timing::Duration(random % (2 * half_width + 1));
    }
    void reset() { step_ = first_; }

  private:
    Timing::Duration first_, longest_, step_;
};

} // namespace culvert::control
