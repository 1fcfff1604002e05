#pragma once

#include <atomic>

namespace culvert::dataplane {

/// Wakes a thread that sleeps on descriptors. The sleeper raises a flag before it looks at its queues a last time;
/// producers write the eventfd only while the flag is up, so a busy consumer costs them one load.
///
///     sleeper:  waker.prepare(); if (nothing to do) poll({waker.fd(), …}); waker.finish();
///     producer: enqueue; waker.notify();
class Waker {
  public:
    Waker(); ///< throws std::system_error without descriptors
    ~Waker();
    Waker(const Waker&) = delete;
    Waker& operator=(const Waker&) = delete;

    int fd() const noexcept { return fd_; } ///< readable when somebody called notify() on a sleeper

    void prepare() noexcept {
        asleep_.store(true, std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_seq_cst);
    }
    void finish() noexcept; ///< lowers the flag and empties the descriptor

    void notify() noexcept {
        std::atomic_thread_fence(std::memory_order_seq_cst);
        if (asleep_.load(std::memory_order_relaxed)) [[unlikely]]
            write_once();
    }

  private:
    void write_once() noexcept;

    alignas(64) std::atomic<bool> asleep_{false};
    int fd_ = -1;
};

} // namespace culvert::dataplane
