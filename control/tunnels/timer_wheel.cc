#include "control/tunnels/timer_wheel.h"

#include <algorithm>

namespace culvert::control {

TimerWheel::TimerWheel(Timing::Duration slot, std::size_t slots, TimePoint now)
    : slot_(slot), origin_(now), slots_(slots) {}

/// The first tick that is not before `at`.
std::size_t TimerWheel::tick_of(TimePoint at) const {
    if (at <= origin_)
        return 0;
    const auto slot = std::chrono::duration_cast<TimePoint::duration>(slot_).count();
    return static_cast<std::size_t>(((at - origin_).count() + slot - 1) / slot);
}

void TimerWheel::schedule(Timed& timed, TimePoint at) {
    timed.unlink();
    timed.at_ = at;
    if (at == TimePoint::max())
        return;
    const std::size_t tick = std::max(tick_of(at), done_ + 1);
    slots_[tick % slots_.size()].push_back(timed);
}

void TimerWheel::cancel(Timed& timed) {
    timed.unlink();
}

void TimerWheel::advance(TimePoint now) {
    const std::size_t until = now <= origin_ ? 0 : static_cast<std::size_t>((now - origin_) / slot_);
    if (until <= done_)
        return;
    // After a long pause one whole turn reaches every slot.
    const std::size_t first = std::max(done_ + 1, until >= slots_.size() ? until - slots_.size() + 1 : 0);
    for (std::size_t tick = first; tick <= until; ++tick) {
        done_ = tick; // so that what is scheduled from within never lands in the slot that is being run
        run(slots_[tick % slots_.size()], now);
    }
}

void TimerWheel::run(Slot& slot, TimePoint now) {
    Slot taken;
    taken.swap(slot);
    while (!taken.empty()) {
        Timed& timed = taken.front();
        timed.unlink();
        if (timed.at_ <= now)
            timed.due(now);
        else
            slot.push_back(timed); // its turn is a later one
    }
}

} // namespace culvert::control
