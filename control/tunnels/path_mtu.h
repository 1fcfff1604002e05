#pragma once

#include "control/tunnels/timing.h"

#include <array>
#include <cstdint>
#include <optional>
#include <span>

namespace culvert::control {

/// Path MTU of one session by padded probes that the other end echoes (RFC 8899). All sizes are outer IP packets
/// in bytes.
///
/// Starts optimistic and verifies; when probes of the size are lost while the session lives, it falls to the base
/// size and climbs again by ladders of probes that narrow. Only an echo raises it, and only lost probes lower it.
class PathMtu {
  public:
    static constexpr std::uint16_t floor_v4 = 576, floor_v6 = 1280; ///< RFC 8899 §5.1.2: MIN_PLPMTU
    static constexpr std::uint16_t base = 1280;                     ///< BASE_PLPMTU
    static constexpr std::size_t rungs = 8;                         ///< probes of one round

    /// What to do now: probes to send, the size to set if it has changed.
    struct Step {
        std::array<std::uint16_t, rungs + 1> probes{};
        std::size_t count = 0;
        std::optional<std::uint16_t> set;
        bool ask_alive = false; ///< send an unpadded DPD-REQ as well: does the session live at all?
        TimePoint next = TimePoint::max();

        std::span<const std::uint16_t> sizes() const { return {probes.data(), count}; }
        void probe(std::uint16_t size) { probes[count++] = size; }
    };

    /// `start`: what a former session to the same place had confirmed, at most `ceiling`.
    PathMtu(const Timing& timing, bool v6, std::uint16_t ceiling, std::optional<std::uint16_t> start,
            TimePoint now);

    /// The path has changed: what is known stays in use, but is verified, and more is tried.
    void path_changed(TimePoint now);
    void set_ceiling(std::uint16_t ceiling, TimePoint now);

    Step check(TimePoint now, TimePoint last_rx);
    /// The echo of a probe. True: look again at once.
    bool echoed(std::uint16_t size, std::uint8_t round);
    /// An unauthenticated ICMP message: verify now, and try its size beside. True: look again at once.
    bool hint(std::uint16_t size, TimePoint now);
    /// Data goes unanswered though the session lives. True: look again at once.
    bool suspect(TimePoint now);

    std::uint16_t current() const { return current_; }
    bool verified() const { return verified_; }
    std::uint8_t round() const { return round_; } ///< to be written into the probes: tells old paths' echoes apart

  private:
    enum class State : std::uint8_t { rest, verify, search };

    void verify(TimePoint now, bool climb);
    void search(std::uint16_t low, bool low_confirmed, std::uint16_t high);
    void settle(TimePoint now);
    Step wait() const;
    Step check_verify(TimePoint now, TimePoint last_rx);
    Step check_search(TimePoint now);
    void climb_or_rest(TimePoint now);
    void lower_to(std::uint16_t size, Step& step);
    bool narrow();
    void build_ladder();

    const Timing& timing_;
    std::uint16_t floor_, ceiling_, current_;
    bool verified_ = false;
    State state_ = State::rest;
    std::uint8_t round_ = 0;
    std::uint8_t tries_ = 0;
    bool climb_ = false; ///< after verifying, try more
    TimePoint first_try_, next_, last_suspicion_ = TimePoint::min();
    std::uint16_t hinted_ = 0; ///< 0: none
    bool hint_echoed_ = false, current_echoed_ = false;

    std::uint16_t low_ = 0, high_ = 0; ///< search: low_ is good if low_confirmed_, above high_ is too much
    bool low_confirmed_ = false;
    std::array<std::uint16_t, rungs> ladder_{};
    std::size_t ladder_size_ = 0;
    std::uint16_t best_echo_ = 0; ///< of this ladder
};

} // namespace culvert::control
