#pragma once

#include <atomic>
#include <cstdint>

namespace culvert::dataplane {

/// A number that one thread counts and others read: no locked instruction, no torn value.
class Counter {
  public:
    void add(std::uint64_t n) noexcept {
        value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    void set(std::uint64_t n) noexcept { value_.store(n, std::memory_order_relaxed); }
    std::uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }
    Counter& operator++() noexcept {
        add(1);
        return *this;
    }

  private:
    std::atomic<std::uint64_t> value_{0};
};
static_assert(sizeof(Counter) == 8);

} // namespace culvert::dataplane
