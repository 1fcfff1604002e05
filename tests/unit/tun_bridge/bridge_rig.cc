#include "tests/unit/tun_bridge/bridge_rig.h"

#include "dataplane/flow_hash.h"

#include <chrono>
#include <cstring>
#include <gtest/gtest.h>
#include <poll.h>
#include <rte_mempool.h>
#include <stdexcept>

namespace culvert::testing {

using dataplane::BridgeQueue;
using dataplane::PacketRing;
using dataplane::Prefix;
using namespace tun_bridge;

namespace {

std::string unique(const std::string& word) {
    static int count = 0;
    return word + std::to_string(count++);
}

} // namespace

PacketPool::PacketPool(unsigned packets)
    : size_(packets), pool_(rte_pktmbuf_pool_create(unique("bridge_pool").c_str(), packets, 256, 0,
                                                    RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY)) {
    if (pool_ == nullptr)
        throw std::runtime_error("no memory for a packet pool");
}

PacketPool::~PacketPool() {
    EXPECT_EQ(rte_mempool_avail_count(pool_), size_) << "a test has kept packets";
    rte_mempool_free(pool_);
}

Mbuf PacketPool::packet(const Bytes& bytes) {
    Mbuf packet(rte_pktmbuf_alloc(pool_));
    char* to = packet ? rte_pktmbuf_append(packet.get(), static_cast<std::uint16_t>(bytes.size())) : nullptr;
    if (to == nullptr)
        throw std::length_error("no mbuf for " + std::to_string(bytes.size()) + " bytes");
    std::memcpy(to, bytes.data(), bytes.size());
    return packet;
}

TestWorker::~TestWorker() {
    stop();
}

void TestWorker::start(std::vector<BridgeQueue*> queues, std::size_t index, Handle handle) {
    queues_ = std::move(queues);
    index_ = index;
    handle_ = std::move(handle);
    stop_ = false;
    thread_ = std::thread([this] { loop(); });
}

void TestWorker::stop() {
    stop_ = true;
    waker_.notify();
    if (thread_.joinable())
        thread_.join();
}

bool TestWorker::round() {
    bool any = false;
    for (BridgeQueue* queue : queues_) {
        std::array<rte_mbuf*, 64> packets;
        const std::uint32_t count = queue->to_worker[index_]->dequeue(packets);
        if (count == 0)
            continue;
        any = true;
        if (queue->waiting_for_room.load(std::memory_order_relaxed)) {
            queue->waiting_for_room.store(false, std::memory_order_relaxed);
            queue->bridge_waker.notify();
        }
        handle_(*queue, {packets.data(), count});
    }
    return any;
}

void TestWorker::loop() {
    const auto nothing_waits = [this] {
        for (BridgeQueue* queue : queues_)
            if (!queue->to_worker[index_]->empty())
                return false;
        return !stop_;
    };
    while (!stop_) {
        if (round())
            continue;
        waker_.prepare();
        pollfd readable{waker_.fd(), POLLIN, 0};
        if (nothing_waits())
            ::poll(&readable, 1, -1);
        waker_.finish();
    }
}

std::unique_ptr<BridgeQueue> make_queue(std::uint16_t instance, std::uint16_t queue, std::span<TestWorker> workers,
                                        unsigned ring_size) {
    auto ends = std::make_unique<BridgeQueue>();
    ends->instance = dataplane::InstanceId{instance};
    ends->queue = queue;
    for (TestWorker& worker : workers)
        ends->to_worker.push_back(std::make_unique<PacketRing>(unique("from_tun"), ring_size,
                                                               PacketRing::Producers::one, &worker.waker()));
    ends->from_workers =
        std::make_unique<PacketRing>(unique("to_tun"), 1024, PacketRing::Producers::many, &ends->bridge_waker);
    return ends;
}

void enqueue_all(PacketRing& ring, std::span<rte_mbuf*> packets) {
    while (!packets.empty()) {
        packets = packets.subspan(ring.enqueue(packets));
        if (!packets.empty())
            std::this_thread::yield();
    }
}

bool eventually(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline)
            return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
}

std::int64_t imbalance(const QueueFigures& figures) {
    std::uint64_t gone = figures.to_workers + figures.to_tun + figures.in_flight;
    for (const std::uint64_t dropped : figures.drops)
        gone += dropped;
    return static_cast<std::int64_t>(figures.from_tun + figures.from_workers - gone);
}

std::uint64_t drops(const QueueFigures& figures, BridgeDrop reason) {
    return figures.drops[static_cast<std::size_t>(reason)];
}

BackToBack::BackToBack(const std::array<std::string, 2>& namespaces, std::uint16_t queues, std::uint16_t workers,
                       const BridgeSettings& settings, bool offloads)
    : workers_(workers) {
    for (std::size_t side = 0; side < 2; ++side) {
        const std::string number = std::to_string(side + 1);
        auto device = TunDevice::open({.name = "cvt" + number,
                                       .addresses = {Prefix::parse_interface("10.8.0." + number + "/24").value(),
                                                     Prefix::parse_interface("fd00:8::" + number + "/64").value()},
                                       .queues = queues,
                                       .network_namespace = namespaces[side],
                                       .offloads = offloads});
        if (!device)
            throw std::runtime_error(device.error());
        devices_[side] = std::move(*device);
        for (std::uint16_t i = 0; i < queues; ++i)
            queues_[side].push_back(make_queue(0, i, workers_));
        auto bridge = Bridge::start(settings, bridge_links({&devices_[side], 1}, queues_[side]), pool_.get());
        if (!bridge)
            throw std::runtime_error(bridge.error());
        bridges_[side] = std::move(*bridge);
    }
    std::vector<BridgeQueue*> all;
    for (const auto& side : queues_)
        for (const auto& queue : side)
            all.push_back(queue.get());
    for (std::size_t i = 0; i < workers_.size(); ++i)
        workers_[i].start(all, i, [this](BridgeQueue& from, std::span<rte_mbuf*> packets) {
            const std::size_t other = &from == queues_[0][from.queue].get() ? 1 : 0;
            std::vector<std::vector<rte_mbuf*>> bursts(queues_[other].size());
            for (rte_mbuf* packet : packets)
                bursts[dataplane::flow_hash(rte_pktmbuf_mtod(packet, std::uint8_t*), packet->pkt_len) %
                       bursts.size()]
                    .push_back(packet);
            for (std::size_t queue = 0; queue < bursts.size(); ++queue)
                enqueue_all(*queues_[other][queue]->from_workers, bursts[queue]);
        });
}

BackToBack::~BackToBack() {
    for (TestWorker& worker : workers_) // they may wait for room in a ring, so before the bridges
        worker.stop();
    for (auto& bridge : bridges_)
        bridge.reset();
}

} // namespace culvert::testing
