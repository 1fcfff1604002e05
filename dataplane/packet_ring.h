#pragma once

#include "dataplane/waker.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <span>
#include <string>

namespace culvert::dataplane {

/// A lock-free ring of packets towards one consumer thread. Whoever dequeues owns the packets.
class PacketRing {
  public:
    enum class Producers { one, many };

    /// `size` is a power of two; it holds size − 1 packets. `consumer` (may be null) outlives the ring. Throws
    /// std::runtime_error when DPDK has no memory for it.
    PacketRing(const std::string& name, unsigned size, Producers producers, Waker* consumer);
    /// Frees what is still inside.
    ~PacketRing();
    PacketRing(const PacketRing&) = delete;
    PacketRing& operator=(const PacketRing&) = delete;

    /// Takes as many as fit, in order, and wakes the consumer. Those from the returned count on stay the caller's.
    std::uint32_t enqueue(std::span<rte_mbuf* const> packets) noexcept {
        const unsigned taken = rte_ring_enqueue_burst(ring_, reinterpret_cast<void* const*>(packets.data()),
                                                      static_cast<unsigned>(packets.size()), nullptr);
        if (consumer_ != nullptr)
            consumer_->notify();
        return taken;
    }

    std::uint32_t dequeue(std::span<rte_mbuf*> packets) noexcept {
        return rte_ring_dequeue_burst(ring_, reinterpret_cast<void**>(packets.data()),
                                      static_cast<unsigned>(packets.size()), nullptr);
    }

    /// Any thread; from outside the two ends it is a snapshot.
    std::uint32_t count() const noexcept { return (tail(ring_->prod) - tail(ring_->cons)) & ring_->mask; }
    bool empty() const noexcept { return count() == 0; }
    std::uint32_t room() const noexcept { return ring_->capacity - std::min(count(), ring_->capacity); }

  private:
    /// rte_ring_count() reads these without atomics, which other threads' writes make a data race.
    static std::uint32_t tail(const rte_ring_headtail& end) noexcept {
        return __atomic_load_n(&end.tail, __ATOMIC_ACQUIRE);
    }

    rte_ring* ring_;
    Waker* consumer_;
};

} // namespace culvert::dataplane
