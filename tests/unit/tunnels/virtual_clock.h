#pragma once

#include "control/tunnels/timing.h"

namespace culvert::control::tests {

using namespace std::chrono_literals;

/// A clock that stands until it is told to go on.
class VirtualClock {
  public:
    TimePoint now() const { return now_; }
    TimePoint after(Timing::Duration by) { return now_ += by; }
    Timing::Duration since_start() const { return std::chrono::duration_cast<Timing::Duration>(now_ - start_); }

  private:
    static constexpr TimePoint start_{std::chrono::hours(100)};
    TimePoint now_ = start_;
};

} // namespace culvert::control::tests
