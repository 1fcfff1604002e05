#pragma once

#include "control/tunnels/timing.h"

namespace culvert::control {

/// When to say HELLO on one session. The initiator begins; both repeat until a HELLO with `seen` has come back.
///
/// So that the exchange ends: a HELLO without `seen` is always answered, one with `seen` by the initiator alone.
class HelloExchange {
  public:
    struct Step {
        bool send = false;
        bool stranger = false; ///< told once: no HELLO came in time
        TimePoint next;        ///< TimePoint::max(): nothing more to do
    };

    HelloExchange(const Timing& timing, bool initiator, TimePoint now);

    /// The first authenticated record has come: a responder's patience begins.
    void first_record(TimePoint now);
    /// A HELLO has come. True: answer at once.
    bool received(TimePoint now, bool seen);
    /// Tell the other end anew: something in our HELLO has changed.
    void restart(TimePoint now);

    Step check(TimePoint now);

    bool heard() const { return heard_; } ///< a HELLO has come since we began: the `seen` flag of ours
    bool stranger() const { return stranger_; }

  private:
    void sent(TimePoint now);

    const Timing& timing_;
    bool initiator_;
    bool heard_ = false, acknowledged_ = false, stranger_ = false;
    TimePoint next_send_ = TimePoint::max(), give_up_ = TimePoint::max();
    Timing::Duration interval_;
};

} // namespace culvert::control
