#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <rte_rcu_qsbr.h>

namespace culvert::dataplane {

/// Frees what workers might still look at once each of them has passed a quiescent state (RCU). Control thread
/// only.
class Reclaimer {
  public:
    explicit Reclaimer(rte_rcu_qsbr* readers) : readers_(readers) {}
    ~Reclaimer() { wait(); }
    Reclaimer(const Reclaimer&) = delete;
    Reclaimer& operator=(const Reclaimer&) = delete;

    void defer(std::function<void()> free);
    void poll(); ///< runs what is due; never blocks
    void wait(); ///< blocks until all workers have moved on, then runs everything
    std::size_t pending() const { return waiting_.size(); }

  private:
    struct Waiting {
        std::uint64_t token;
        std::function<void()> free;
    };
    rte_rcu_qsbr* readers_;
    std::deque<Waiting> waiting_;
};

} // namespace culvert::dataplane
