#include "control/tunnels/path_mtu.h"

#include <algorithm>

namespace culvert::control {

namespace {
constexpr std::uint16_t close_enough = 4; ///< a search ends when this few bytes are left
}

PathMtu::PathMtu(const Timing& timing, bool v6, std::uint16_t ceiling, std::optional<std::uint16_t> start,
                 TimePoint now)
    : timing_(timing), floor_(v6 ? floor_v6 : floor_v4), ceiling_(std::max(ceiling, floor_)),
      current_(std::clamp(start.value_or(ceiling_), floor_, ceiling_)) {
    verify(now, false);
}

void PathMtu::path_changed(TimePoint now) {
    ++round_;
    verify(now, true);
}

void PathMtu::set_ceiling(std::uint16_t ceiling, TimePoint now) {
    ceiling = std::max(ceiling, floor_);
    if (ceiling == ceiling_)
        return;
    const bool untried = !verified_ && current_ == ceiling_; // still optimistic: go with the ceiling
    ceiling_ = ceiling;
    current_ = untried ? ceiling : std::min(current_, ceiling);
    verify(now, true);
}

void PathMtu::verify(TimePoint now, bool climb) {
    state_ = State::verify;
    climb_ = climb;
    tries_ = 0;
    next_ = now;
    hinted_ = 0;
    hint_echoed_ = current_echoed_ = false;
}

bool PathMtu::hint(std::uint16_t size, TimePoint now) {
    if (size >= current_ || size < floor_)
        return false;
    if (state_ == State::verify && tries_ > 0 && hinted_ == size)
        return false; // being looked into
    if (state_ == State::search)
        return false; // the search will find out
    verify(now, false);
    hinted_ = size;
    return true;
}

bool PathMtu::suspect(TimePoint now) {
    if (state_ != State::rest || now < last_suspicion_ + timing_.path_suspicion)
        return false;
    last_suspicion_ = now;
    verify(now, false);
    return true;
}

bool PathMtu::echoed(std::uint16_t size, std::uint8_t round) {
    if (round != round_)
        return false;
    if (state_ == State::verify) {
        current_echoed_ = current_echoed_ || size == current_;
        hint_echoed_ = hint_echoed_ || (hinted_ != 0 && size == hinted_);
        return size == current_;
    }
    if (state_ == State::search && size > best_echo_ && size <= high_) {
        best_echo_ = size;
        return size > current_ || size == high_;
    }
    return false;
}

PathMtu::Step PathMtu::wait() const {
    Step step;
    step.next = next_;
    return step;
}

PathMtu::Step PathMtu::check(TimePoint now, TimePoint last_rx) {
    switch (state_) {
    case State::rest:
        if (now < next_)
            return wait();
        verify(now, true);
        [[fallthrough]];
    case State::verify:
        return check_verify(now, last_rx);
    case State::search:
        return check_search(now);
    }
    return {};
}

PathMtu::Step PathMtu::check_verify(TimePoint now, TimePoint last_rx) {
    if (current_echoed_) {
        verified_ = true;
        climb_or_rest(now);
        return check(now, last_rx);
    }
    if (now < next_)
        return wait();

    Step step;
    if (tries_ > 0 && hint_echoed_) { // the hinted size passes and the present one doesn't
        lower_to(hinted_, step);
        settle(now);
        step.next = next_;
        return step;
    }
    if (tries_ >= timing_.path_probes) {
        if (last_rx > first_try_) { // the session lives: it is the size
            const std::uint16_t too_much = current_;
            verified_ = false;
            if (too_much <= floor_) { // nothing smaller to try
                settle(now);
                return wait();
            }
            search(floor_, false, static_cast<std::uint16_t>(too_much - 1));
            Step first = check_search(now);
            lower_to(std::min(base, high_), first);
            verified_ = false;
            return first;
        }
        tries_ = 0; // nothing at all comes through: that is for dead-peer detection to judge
    }
    if (tries_ == 0)
        first_try_ = now;
    step.probe(current_);
    if (hinted_ != 0)
        step.probe(hinted_);
    step.ask_alive = tries_ > 0;
    ++tries_;
    step.next = next_ = now + timing_.path_probe;
    return step;
}

void PathMtu::climb_or_rest(TimePoint now) {
    if (climb_ && current_ < ceiling_) {
        search(current_, true, ceiling_);
        next_ = now;
    } else {
        settle(now);
    }
}

void PathMtu::search(std::uint16_t low, bool low_confirmed, std::uint16_t high) {
    state_ = State::search;
    low_ = low;
    low_confirmed_ = low_confirmed;
    high_ = high;
    next_ = TimePoint{};
    build_ladder();
}

/// Sizes from the smallest that is in doubt up to high_, evenly; the base among them when it is in doubt.
void PathMtu::build_ladder() {
    tries_ = 0;
    best_echo_ = 0;
    ladder_size_ = 0;
    std::uint16_t from = low_;
    if (!low_confirmed_) {
        ladder_[ladder_size_++] = low_;
        if (low_ < base && base < high_)
            ladder_[ladder_size_++] = from = base;
    }
    const std::size_t steps = rungs - ladder_size_;
    const unsigned width = static_cast<unsigned>(high_ - from);
    for (std::size_t i = 1; i <= steps; ++i) {
        const auto size = static_cast<std::uint16_t>(from + width * i / steps);
        if (ladder_size_ == 0 ? size > low_ : size > ladder_[ladder_size_ - 1])
            ladder_[ladder_size_++] = size;
    }
}

PathMtu::Step PathMtu::check_search(TimePoint now) {
    Step step;
    if (best_echo_ > current_ || (best_echo_ != 0 && !verified_ && best_echo_ >= current_)) {
        step.set = current_ = best_echo_;
        verified_ = true;
    }
    const bool complete = best_echo_ == high_;
    if (!complete && now < next_) {
        step.next = next_;
        return step;
    }
    if (complete || tries_ >= timing_.path_probes) {
        if (!narrow()) {
            if (low_ != current_)
                lower_to(low_, step);
            verified_ = low_confirmed_;
            settle(now);
            step.next = next_;
            return step;
        }
        if (low_confirmed_ && low_ < current_)
            lower_to(low_, step); // the base size was too much as well
        build_ladder();
    }
    for (const std::uint16_t size : std::span(ladder_.data(), ladder_size_))
        if (size > best_echo_)
            step.probe(size);
    ++tries_;
    step.next = next_ = now + timing_.path_probe;
    return step;
}

/// Takes the ladder's result into low_ and high_. False: close enough.
bool PathMtu::narrow() {
    if (best_echo_ != 0) {
        low_ = best_echo_;
        low_confirmed_ = true;
    } else if (!low_confirmed_) {
        return false; // not even the floor
    }
    for (const std::uint16_t size : std::span(ladder_.data(), ladder_size_)) {
        if (size > low_) {
            high_ = static_cast<std::uint16_t>(size - 1);
            break;
        }
    }
    return high_ >= low_ + close_enough;
}

void PathMtu::settle(TimePoint now) {
    state_ = State::rest;
    next_ = now + timing_.path_raise;
}

void PathMtu::lower_to(std::uint16_t size, Step& step) {
    if (size == current_)
        return;
    current_ = size;
    verified_ = true;
    step.set = size;
}

} // namespace culvert::control
