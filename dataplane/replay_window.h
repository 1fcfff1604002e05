#pragma once

#include <array>
#include <cstdint>

namespace culvert::dataplane {

/// Tells fresh sequence numbers from replayed ones (RFC 6347 §4.1.2.6, RFC 4303 §3.4.3). A ring of bits indexed by
/// the sequence number, as in RFC 6479, so that the window moves without shifting. Unlike there, exactly the bits
/// that come into the window are cleared, so no word is lost as a gap. Call only after authentication. The owner's
/// thread alone.
class ReplayWindow {
  public:
    /// Numbers from top() − window + 1 on are told apart; older ones are refused.
    static constexpr std::uint64_t window = 1024;

    /// Marks the number as received. False, and no change: received before, or too old to know.
    bool accept(std::uint64_t sequence) noexcept {
        if (sequence > top_) [[likely]] {
            if (sequence != top_ + 1) [[unlikely]]
                clear(top_ + 1, sequence - top_ - 1);
            top_ = sequence;
            word(sequence) |= bit(sequence);
            return true;
        }
        if (!would_accept(sequence))
            return false;
        word(sequence) |= bit(sequence);
        return true;
    }

    bool would_accept(std::uint64_t sequence) const noexcept {
        if (sequence > top_)
            return true;
        return top_ - sequence < window && (words_[index(sequence)] & bit(sequence)) == 0;
    }

    /// Highest number accepted; 0 also when none was.
    std::uint64_t top() const noexcept { return top_; }

    /// Starts anew behind `top`: it and all before it count as received. (A window that was never reset takes 0,
    /// too.)
    void reset(std::uint64_t top) noexcept {
        top_ = top;
        words_.fill(~std::uint64_t{0});
    }

  private:
    static constexpr std::size_t index(std::uint64_t sequence) { return (sequence % window) / 64; }
    static constexpr std::uint64_t bit(std::uint64_t sequence) { return std::uint64_t{1} << (sequence % 64); }
    std::uint64_t& word(std::uint64_t sequence) { return words_[index(sequence)]; }

    /// Forgets what `count` bits from `first` on said about numbers one window earlier.
    void clear(std::uint64_t first, std::uint64_t count) noexcept {
        if (count >= window) {
            words_.fill(0);
            return;
        }
        while (count > 0) {
            const std::uint64_t offset = first % 64;
            const std::uint64_t here = count < 64 - offset ? count : 64 - offset;
            const std::uint64_t mask = here == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << here) - 1;
            word(first) &= ~(mask << offset);
            first += here;
            count -= here;
        }
    }

    std::uint64_t top_ = 0;
    std::array<std::uint64_t, window / 64> words_{};
};
static_assert(sizeof(ReplayWindow) <= 144 + sizeof(std::uint64_t));

} // namespace culvert::dataplane
