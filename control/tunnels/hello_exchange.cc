#include "control/tunnels/hello_exchange.h"

#include <algorithm>

namespace culvert::control {

HelloExchange::HelloExchange(const Timing& timing, bool initiator, TimePoint now)
    : timing_(timing), initiator_(initiator), interval_(timing.hello_first) {
    if (initiator) {
        next_send_ = now;
        give_up_ = now + timing.hello_patience;
    }
}

void HelloExchange::first_record(TimePoint now) {
    if (!heard_ && give_up_ == TimePoint::max())
        give_up_ = now + timing_.hello_patience;
}

bool HelloExchange::received(TimePoint now, bool seen) {
    if (!heard_ && next_send_ == TimePoint::max())
        next_send_ = now; // the responder's repetition begins
    heard_ = true;
    stranger_ = false;
    give_up_ = TimePoint::max();
    if (seen) {
        acknowledged_ = true;
        next_send_ = TimePoint::max();
    }
    const bool answer = !seen || initiator_;
    if (answer && !acknowledged_)
        sent(now);
    return answer;
}

void HelloExchange::restart(TimePoint now) {
    if (!heard_)
        return;                     // still at it
    heard_ = acknowledged_ = false; // without `seen`, so that it is answered
    interval_ = timing_.hello_first;
    next_send_ = now;
}

HelloExchange::Step HelloExchange::check(TimePoint now) {
    Step step;
    if (now >= give_up_) {
        give_up_ = next_send_ = TimePoint::max();
        stranger_ = step.stranger = true;
    }
    if (now >= next_send_) {
        step.send = true;
        sent(now);
    }
    step.next = std::min(next_send_, give_up_);
    return step;
}

void HelloExchange::sent(TimePoint now) {
    next_send_ = now + interval_;
    interval_ = std::min(interval_ * 2, timing_.hello_longest);
}

} // namespace culvert::control
