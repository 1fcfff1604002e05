#pragma once

#include <algorithm>
#include <cstdint>

namespace culvert::dataplane {

/// Token bucket, kept as the time at which it would be full again. Times are of any steady clock, in ticks; when
/// it steps back, the bucket stays empty until it has caught up. One thread's own.
class RateLimit {
  public:
    RateLimit(std::uint64_t ticks_per_second, std::uint32_t per_second, std::uint32_t burst)
        : interval_(std::max<std::uint64_t>(ticks_per_second / per_second, 1)), slack_(interval_ * (burst - 1)) {}

    /// Takes a token, if there is one.
    bool allow(std::uint64_t now) noexcept {
        const std::uint64_t full = std::max(full_at_, now);
        if (full - now > slack_)
            return false;
        full_at_ = full + interval_;
        return true;
    }

  private:
    std::uint64_t interval_, slack_, full_at_ = 0;
};

} // namespace culvert::dataplane
