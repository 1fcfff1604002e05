#pragma once

#include "dataplane/counter.h"
#include "dataplane/settings.h"
#include "dataplane/waker.h"

#include <cstdint>
#include <functional>
#include <poll.h>
#include <span>
#include <vector>

namespace culvert::dataplane {

/// What a worker does when there is nothing to do. `busy`: goes on polling. `event`: after some empty rounds
/// sleeps on the drivers' descriptors and its waker. `sleep`: after some empty rounds sleeps a fixed time.
class Idler {
  public:
    Idler(Idle policy, std::uint32_t sleep_microseconds, std::span<const int> descriptors);

    Waker& waker() noexcept { return waker_; }

    /// True when the worker has been idle long enough to lie down.
    bool tired(bool worked) noexcept {
        empty_rounds_ = worked ? 0 : empty_rounds_ + 1;
        return policy_ != Idle::busy && empty_rounds_ >= patience;
    }
    /// Sleeps; with `event` only if `nothing_waits()` still holds once the waker's flag is up.
    template <typename NothingWaits>
    void rest(NothingWaits&& nothing_waits) noexcept {
        empty_rounds_ = 0;
        ++sleeps;
        if (policy_ == Idle::sleep)
            return nap();
        waker_.prepare();
        if (nothing_waits())
            wait();
        waker_.finish();
    }

    Counter sleeps;

  private:
    static constexpr std::uint32_t patience = 32;
    void nap() const noexcept;
    void wait() noexcept;
    static void clear_error(pollfd& polled) noexcept;

    Idle policy_;
    std::uint32_t sleep_microseconds_;
    std::uint32_t empty_rounds_ = 0;
    std::vector<pollfd> polled_;
    Waker waker_;
};

} // namespace culvert::dataplane
