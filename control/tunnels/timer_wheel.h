#pragma once

#include "control/tunnels/timing.h"

#include <boost/intrusive/list.hpp>
#include <cstddef>
#include <vector>

namespace culvert::control {

/// Something that is to be looked at when its time has come. Leaves the wheel when destroyed.
class Timed : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
  public:
    virtual ~Timed() = default;
    /// May schedule itself again, schedule or destroy others, destroy itself.
    virtual void due(TimePoint now) = 0;

  private:
    friend class TimerWheel;
    TimePoint at_;
};

/// Hashed timer wheel: scheduling and cancelling cost the same for one timer and for 100,000. Times are kept to
/// the slot, never early; what lies beyond the wheel's turn waits in its slot for another turn.
class TimerWheel {
  public:
    TimerWheel(Timing::Duration slot, std::size_t slots, TimePoint now);

    void schedule(Timed& timed, TimePoint at); ///< replaces its former time; TimePoint::max(): never
    static void cancel(Timed& timed);
    /// Calls due() of all whose time has come, up to `now`.
    void advance(TimePoint now);

  private:
    using Slot = boost::intrusive::list<Timed, boost::intrusive::constant_time_size<false>>;

    std::size_t tick_of(TimePoint at) const;
    void run(Slot& slot, TimePoint now);

    Timing::Duration slot_;
    TimePoint origin_;
    std::size_t done_ = 0; ///< ticks that have been run
    std::vector<Slot> slots_;
};

} // namespace culvert::control
