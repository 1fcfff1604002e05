#include "control/tunnels/liveness.h"

#include <algorithm>

namespace culvert::control {

Liveness::Verdict Liveness::check(TimePoint now, const Seen& seen) {
    const bool lenient = stranger_ && !answers_;
    if (lenient && seen.since_rx >= timing_.stranger_silence)
        return {.dead = true, .next = now};

    if (sent_ == 0) {
        const bool silent = keepalive_.count() > 0 && seen.since_rx >= keepalive_;
        // A stranger that answers nothing is asked at the keepalive's pace only: that keeps a NAT's mapping alive.
        const bool waits = !lenient && seen.unanswered >= timing_.unanswered;
        return silent || waits ? begin(now, seen) : idle(now, seen);
    }

    if (seen.since_rx <= now - first_sent_) {
        sent_ = 0;
        Verdict alive = idle(now, seen);
        alive.recovered = data_waits_;
        return alive;
    }
    if (now < last_sent_ + timing_.probe_interval)
        return {.next = last_sent_ + timing_.probe_interval};
    if (lenient) {
        if (now < last_sent_ + keepalive_)
            return {.next = last_sent_ + keepalive_};
        return begin(now, seen);
    }
    if (sent_ >= timing_.probes)
        return {.dead = true, .next = now};
    ++sent_;
    last_sent_ = now;
    return {.probe = true, .next = now + timing_.probe_interval};
}

Liveness::Verdict Liveness::begin(TimePoint now, const Seen& seen) {
    sent_ = 1;
    first_sent_ = last_sent_ = now;
    data_waits_ = seen.unanswered >= timing_.unanswered;
    return {.probe = true, .next = now + timing_.probe_interval};
}

/// Data sent right after this look becomes overdue no sooner than `unanswered` from now.
Liveness::Verdict Liveness::idle(TimePoint now, const Seen& seen) const {
    auto wait = std::chrono::nanoseconds(timing_.unanswered) - seen.unanswered;
    if (keepalive_.count() > 0)
        wait = std::min(wait, keepalive_ - seen.since_rx);
    wait = std::max<std::chrono::nanoseconds>(wait, timing_.scan);
    return {.next = now + std::chrono::duration_cast<TimePoint::duration>(wait)};
}

} // namespace culvert::control
