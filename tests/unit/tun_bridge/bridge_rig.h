#pragma once

#include "dataplane/bridge_ends.h"
#include "tests/unit/eal_environment.h"
#include "tun_bridge/bridge.h"

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

/// What stands on the dataplane's side of a bridge in tests.
namespace culvert::testing {

/// A pool with a cache for each thread, as the dataplane's is. At its end every packet must be back.
class PacketPool {
  public:
    explicit PacketPool(unsigned packets = 8191);
    ~PacketPool();
    PacketPool(const PacketPool&) = delete;
    PacketPool& operator=(const PacketPool&) = delete;

    rte_mempool* get() { return pool_; }
    Mbuf packet(const Bytes& bytes);

  private:
    unsigned size_;
    rte_mempool* pool_;
};

/// A thread in a worker's place: takes packets out of its rings and gives each burst to a function, which owns
/// them. It sleeps while there are none, and can be held up.
class TestWorker {
  public:
    using Handle = std::function<void(dataplane::BridgeQueue& from, std::span<rte_mbuf*> packets)>;
    ~TestWorker();

    dataplane::Waker& waker() { return waker_; }
    /// Serves ring `index` of each queue from now on.
    void start(std::vector<dataplane::BridgeQueue*> queues, std::size_t index, Handle handle);
    void stop();

  private:
    void loop();
    bool round();

    dataplane::Waker waker_;
    std::vector<dataplane::BridgeQueue*> queues_;
    std::size_t index_ = 0;
    Handle handle_;
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

/// Keeps what comes out of the bridge; a TestWorker's Handle.
class Collector {
  public:
    void operator()(dataplane::BridgeQueue&, std::span<rte_mbuf*> packets) {
        const std::lock_guard lock(mutex_);
        for (rte_mbuf* packet : packets) {
            packets_.push_back(bytes_of(packet));
            rte_pktmbuf_free(packet);
        }
    }
    std::size_t count() {
        const std::lock_guard lock(mutex_);
        return packets_.size();
    }
    std::vector<Bytes> packets() {
        const std::lock_guard lock(mutex_);
        return packets_;
    }

  private:
    std::mutex mutex_;
    std::vector<Bytes> packets_;
};

/// The dataplane's ends of one queue, towards these workers.
std::unique_ptr<dataplane::BridgeQueue> make_queue(std::uint16_t instance, std::uint16_t queue,
                                                   std::span<TestWorker> workers, unsigned ring_size = 1024);

/// Enqueues all of them, however long the ring stays full.
void enqueue_all(dataplane::PacketRing& ring, std::span<rte_mbuf*> packets);

/// Waits for a condition; false when it doesn't come true within 20 seconds.
bool eventually(const std::function<bool()>& condition);

/// What the figures don't account for; 0 at rest.
std::int64_t imbalance(const tun_bridge::QueueFigures& figures);
std::uint64_t drops(const tun_bridge::QueueFigures& figures, tun_bridge::BridgeDrop reason);

/// Two TUN devices, 10.8.0.1/24 and 10.8.0.2/24 (fd00:8::1/64 and ::2), in two namespaces, whose bridges are
/// joined by workers that pass every packet on to the other.
class BackToBack {
  public:
    BackToBack(const std::array<std::string, 2>& namespaces, std::uint16_t queues, std::uint16_t workers,
               const tun_bridge::BridgeSettings& settings, bool offloads = true);
    ~BackToBack();

    std::vector<tun_bridge::QueueFigures> figures(std::size_t side) const { return bridges_[side]->figures(); }
    const tun_bridge::TunDevice& device(std::size_t side) const { return *devices_[side]; }

  private:
    PacketPool pool_{16383};
    std::vector<TestWorker> workers_;
    std::array<std::unique_ptr<tun_bridge::TunDevice>, 2> devices_;
    std::array<std::vector<std::unique_ptr<dataplane::BridgeQueue>>, 2> queues_;
    std::array<std::unique_ptr<tun_bridge::Bridge>, 2> bridges_;
};

} // namespace culvert::testing
