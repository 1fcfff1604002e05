#pragma once

#include "control/tunnels/timing.h"

#include <cstdint>

namespace culvert::control {

/// Dead-peer detection of one session. Asks by DPD-REQ when sent data goes unanswered, or when nothing came for
/// the keepalive time; any authenticated record is an answer.
class Liveness {
  public:
    /// What the worker has seen of the session so far.
    struct Seen {
        std::chrono::nanoseconds since_rx;   ///< since the last authenticated record, or since the session began
        std::chrono::nanoseconds unanswered; ///< how long data has been sent without a record in return
    };
    struct Verdict {
        bool probe = false;     ///< send a DPD-REQ now
        bool dead = false;      ///< the other end is gone
        bool recovered = false; ///< probes were answered, though data had not been
        TimePoint next;         ///< look again then
    };

    /// `keepalive` zero: never asks an idle peer. `timing` outlives this.
    Liveness(const Timing& timing, Timing::Duration keepalive) : timing_(timing), keepalive_(keepalive) {}

    void set_keepalive(Timing::Duration keepalive) { keepalive_ = keepalive; }
    /// The other end speaks no HELLO, so perhaps no DPD either: only long silence is death, until it answers one.
    void set_stranger(bool stranger) { stranger_ = stranger; }
    void answered() { answers_ = true; } ///< a DPD-RESP has come

    Verdict check(TimePoint now, const Seen& seen);

  private:
    Verdict begin(TimePoint now, const Seen& seen);
    Verdict idle(TimePoint now, const Seen& seen) const;

    const Timing& timing_;
    Timing::Duration keepalive_;
    bool stranger_ = false, answers_ = false;
    bool data_waits_ = false; ///< probing because of data, not because of silence
    std::uint8_t sent_ = 0;   ///< DPD-REQs since first_sent_; 0: not probing
    TimePoint first_sent_, last_sent_;
};

} // namespace culvert::control
