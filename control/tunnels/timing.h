#pragma once

#include <chrono>
#include <cstdint>

namespace culvert::control {

/// The tunnels' clock. State machines are handed the time and never ask for it.
using TimePoint = std::chrono::steady_clock::time_point;

/// All timers and limits of the tunnels between gateways on one page. The defaults are what
/// docs/wire-format-dtls.md and the manual promise; tests shorten them.
struct Timing {
    using Duration = std::chrono::milliseconds;

    Duration scan{250}; ///< how often due sessions are looked at

    // HELLO
    Duration hello_first{200}, hello_longest{2'000}; ///< repetition, doubling in between
    Duration hello_patience{5'000};                  ///< none by then: a stranger's DTLS end

    // Dead peers
    Duration unanswered{3'000};         ///< sent data without any record in return
    Duration probe_interval{1'000};     ///< between DPD-REQs
    std::uint8_t probes = 3;            ///< that many unanswered: dead
    Duration stranger_silence{300'000}; ///< a stranger that answers no DPD-REQ is dead after this long

    // Connecting
    Duration backoff_first{500}, backoff_longest{30'000}; ///< between attempts, doubling, ±25%
    Duration attempt{5'000};                              ///< a handshake that takes longer has failed
    Duration lane_patience{5'000}; ///< the end that did not begin lane 0 begins a missing lane after this long

    // Replacing
    Duration drain{5'000};        ///< a replaced session goes on receiving
    Duration farewell{250};       ///< from the last DISCONNECT until a session's keys are gone
    Duration unproven{30'000};    ///< a session that nobody was ever heard on goes
    Duration rekey_grace{10'000}; ///< the responder rekeys itself if the initiator has not by then
    std::uint8_t rekey_jitter_percent = 10;

    // Path MTU, RFC 8899
    Duration path_probe{1'000};      ///< PROBE_TIMER
    std::uint8_t path_probes = 3;    ///< MAX_PROBES
    Duration path_raise{600'000};    ///< PMTU_RAISE_TIMER
    Duration path_suspicion{60'000}; ///< least time between checks because data went unanswered
};

} // namespace culvert::control
