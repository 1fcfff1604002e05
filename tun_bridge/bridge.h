#pragma once

#include "dataplane/bridge_ends.h"
#include "tun_bridge/bridge_figures.h"
#include "tun_bridge/tun_device.h"

#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <vector>

struct rte_mempool;

namespace culvert::tun_bridge {

struct BridgeSettings {
    unsigned threads = 1; ///< queues are dealt out to them in turn; more threads than queues are not made
    /// Cores to run on, all threads on any of them; empty: on any that EAL's main thread could run on. Best kept
    /// off the cores of workers that poll without rest.
    std::vector<unsigned> cores{};
    unsigned empty_rounds = 16; ///< before a thread sleeps until there is something to do
};

/// One queue of a TUN device and its ends in the dataplane.
struct BridgeLink {
    int tun = -1; ///< non-blocking, with virtio-net headers
    TunOffloads offloads;
    dataplane::BridgeQueue* queue = nullptr;
};

/// Joins each queue with the device of its instance: `devices` in the order of the instances' ids.
std::vector<BridgeLink> bridge_links(std::span<const std::unique_ptr<TunDevice>> devices,
                                     std::span<const std::unique_ptr<dataplane::BridgeQueue>> queues);

/// The threads that move packets between the kernel's TUN devices and the workers. They sleep when there is
/// nothing to do. EAL must be initialised; devices, queues and pool outlive the bridge.
class Bridge {
  public:
    /// Control thread. The error is a sentence.
    static std::expected<std::unique_ptr<Bridge>, std::string>
    start(const BridgeSettings& settings, std::span<const BridgeLink> links, rte_mempool* pool);
    ~Bridge(); ///< stops the threads and returns every packet they hold
    Bridge(const Bridge&) = delete;
    Bridge& operator=(const Bridge&) = delete;

    /// In the order of the links. Any thread.
    std::vector<QueueFigures> figures() const;

  private:
    class Thread;
    Bridge();
    std::vector<std::unique_ptr<Thread>> threads_;
    std::size_t links_ = 0;
};

} // namespace culvert::tun_bridge
