#include "dataplane/dpdk_dataplane.h"
#include "dataplane/eal.h"

#include <algorithm>
#include <fmt/format.h>
#include <numeric>
#include <pthread.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

namespace culvert::dataplane {
namespace {

constexpr unsigned bridge_ring_size = 1024, notice_ring_size = 4096, strangers_ring_size = 1024;
constexpr unsigned mempool_cache = 256;
constexpr std::uint32_t smallest_table = 64; ///< rte_hash takes no fewer than 8 entries
/// Link header and what af_xdp's kernel side keeps of each buffer (XDP_PACKET_HEADROOM).
constexpr std::uint16_t link_overhead = 64 + 256;
/// Threads may share cores, and one that is preempted in the middle of a ring operation must not hold up the
/// others: relaxed tail synchronisation (DPDK's programmer's guide, "Ring library").
constexpr const char* pool_driver = "ring_mt_rts";

std::string unique(const char* purpose) {
    static std::atomic<unsigned> serial{0};
    return fmt::format("{}{}", purpose, serial++);
}

void pin_to(unsigned core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

} // namespace

std::expected<std::unique_ptr<Dataplane>, std::string> Dataplane::start(const Settings& settings) {
    if (const auto eal = start_eal(settings); !eal)
        return std::unexpected(eal.error());
    auto dataplane = std::make_unique<DpdkDataplane>(settings);
    try {
        if (const auto opened = dataplane->open(); !opened)
            return std::unexpected(opened.error());
    } catch (const std::exception& error) { // rings and tables report missing memory so
        return std::unexpected(std::string(error.what()));
    }
    return dataplane;
}

/// What the tables have room for.
std::expected<void, std::string> DpdkDataplane::check_counts() const {
    constexpr std::size_t most_workers = 255;
    if (settings_.ports.size() > max_ports)
        return std::unexpected(
            fmt::format("{} ports; at most {} are possible", settings_.ports.size(), max_ports));
    if (settings_.instances.size() > max_instances)
        return std::unexpected(fmt::format("{} network instances; at most {} are possible",
                                           settings_.instances.size(), max_instances));
    if (settings_.cores.empty() || settings_.cores.size() > most_workers)
        return std::unexpected(
            fmt::format("{} workers; 1 to {} are possible", settings_.cores.size(), most_workers));
    return {};
}

std::expected<void, std::string> DpdkDataplane::open() {
    if (const auto checked = check_counts(); !checked)
        return checked;
    if (const auto made = make_memory(); !made)
        return made;
    if (const auto opened = open_ports(); !opened)
        return opened;
    make_bridge_queues();
    if (const auto made = make_workers(); !made)
        return made;
    start_threads();
    return {};
}

std::expected<void, std::string> DpdkDataplane::make_memory() {
    // A frame lies in one buffer: one-shot AEAD takes no chains.
    std::uint16_t largest = RTE_MBUF_DEFAULT_DATAROOM;
    for (const PortSettings& port : settings_.ports)
        largest = std::max(largest, static_cast<std::uint16_t>(port.mtu + link_overhead));
    packets_ = rte_pktmbuf_pool_create_by_ops(
        unique("packets").c_str(), settings_.packet_buffers, mempool_cache, packet_meta_bytes,
        static_cast<std::uint16_t>(largest + RTE_PKTMBUF_HEADROOM), SOCKET_ID_ANY, pool_driver);
    if (packets_ == nullptr)
        return std::unexpected(
            fmt::format("no memory for {} packet buffers ({}); lower dataplane.packet_buffers or "
                        "raise dataplane.memory_mib",
                        settings_.packet_buffers, rte_strerror(rte_errno)));
    const auto worker_count = static_cast<std::uint32_t>(settings_.cores.size());
    readers_ = static_cast<rte_rcu_qsbr*>(
        rte_zmalloc("readers", rte_rcu_qsbr_get_memsize(worker_count), RTE_CACHE_LINE_SIZE));
    if (readers_ == nullptr || rte_rcu_qsbr_init(readers_, worker_count) != 0)
        return std::unexpected("no memory for RCU; raise dataplane.memory_mib");
    tables_ = std::make_unique<Tables>(std::max(settings_.max_sessions, smallest_table), readers_);
    notices_ = std::make_unique<NoticeRing>(unique("notices"), notice_ring_size);
    strangers_ = std::make_unique<NoticeRing>(unique("strangers"), strangers_ring_size);
    return {};
}

std::expected<void, std::string> DpdkDataplane::open_ports() {
    for (std::size_t i = 0; i < settings_.ports.size(); ++i) {
        auto port = Port::open(settings_.ports[i], static_cast<std::uint8_t>(i),
                               static_cast<std::uint16_t>(settings_.cores.size()), packets_);
        if (!port)
            return std::unexpected(port.error());
        ports_.push_back(std::move(*port));
    }
    return {};
}

void DpdkDataplane::make_bridge_queues() {
    const auto instances = static_cast<std::uint16_t>(settings_.instances.size());
    for (std::uint16_t instance = 0; instance < instances; ++instance)
        for (std::uint16_t queue = 0; queue < settings_.instances[instance].queues; ++queue) {
            auto ends = std::make_unique<BridgeQueue>();
            ends->instance = InstanceId{instance};
            ends->queue = queue;
            ends->from_workers = std::make_unique<PacketRing>(unique("to-tun"), bridge_ring_size,
                                                              PacketRing::Producers::many, &ends->bridge_waker);
            bridge_queues_.push_back(std::move(ends));
        }
}

/// Sleeping needs descriptors to wake up by; without, polling has to go on at least now and then.
Idle DpdkDataplane::idle_policy() const {
    const bool descriptors = std::ranges::all_of(ports_, [](const auto& port) { return port->has_descriptors(); });
    if (settings_.idle == Idle::event)
        return descriptors ? Idle::event : Idle::sleep;
    if (settings_.idle != Idle::automatic)
        return settings_.idle;
    if (descriptors)
        return Idle::event;
    return settings_.cores.size() > std::thread::hardware_concurrency() ? Idle::sleep : Idle::busy;
}

std::expected<void, std::string> DpdkDataplane::make_workers() {
    engine_name_ = engine_text_ = settings_.engine;
    if (settings_.engine == "auto") {
        const crypto::EngineChoice choice = crypto::choose_engine();
        engine_name_ = choice.name;
        engine_text_ = choice.name + " (measured:";
        for (const auto& figure : choice.figures)
            engine_text_ += fmt::format(" {} {:.0f} ns", figure.engine, figure.nanoseconds);
        engine_text_ += " a packet of 512 bytes)";
    }
    const Idle idle = idle_policy();
    idle_text_ = idle == Idle::busy    ? "busy"
                 : idle == Idle::event ? "event"
                                       : fmt::format("sleep:{}", settings_.sleep_microseconds);
    WorkerSurroundings around{*tables_, readers_, packets_, {}, bridge_queues_, {}, {}, *notices_, *strangers_};
    for (const auto& port : ports_)
        around.ports.push_back(port.get());
    for (const InstanceSettings& instance : settings_.instances) {
        around.first_queue.push_back(
            static_cast<std::uint16_t>(std::accumulate(around.queue_count.begin(), around.queue_count.end(), 0)));
        around.queue_count.push_back(instance.queues);
    }
    const auto worker_count = static_cast<std::uint16_t>(settings_.cores.size());
    for (std::uint16_t i = 0; i < worker_count; ++i) {
        auto engine = crypto::make_engine(engine_name_);
        if (!engine)
            return std::unexpected(fmt::format("engine \"{}\": {}", engine_name_, engine.error()));
        std::vector<int> descriptors;
        for (const auto& port : ports_)
            descriptors.insert(descriptors.end(), port->descriptors(i).begin(), port->descriptors(i).end());
        workers_.push_back(std::make_unique<Worker>(
            WorkerId{static_cast<std::uint8_t>(i)}, settings_.cores[i], around, std::move(*engine),
            std::make_unique<Idler>(idle, settings_.sleep_microseconds, descriptors)));
        for (const auto& queue : bridge_queues_)
            queue->to_worker.push_back(std::make_unique<PacketRing>(
                unique("from-tun"), bridge_ring_size, PacketRing::Producers::one, &workers_.back()->waker()));
    }
    return {};
}

void DpdkDataplane::start_threads() {
    std::vector<Worker*> all;
    for (const auto& worker : workers_)
        all.push_back(worker.get());
    for (std::size_t i = 0; i < workers_.size(); ++i) {
        workers_[i]->set_colleagues(all);
        threads_.emplace_back([this, i] {
            pthread_setname_np(pthread_self(), fmt::format("worker-{}", i).c_str());
            pin_to(settings_.cores[i]);
            const EalThread registered;
            workers_[i]->run(stop_);
        });
    }
}

DpdkDataplane::~DpdkDataplane() {
    stop_.store(true);
    for (const auto& worker : workers_)
        worker->waker().notify();
    for (std::thread& thread : threads_)
        thread.join();
    workers_.clear();
    bridge_queues_.clear();
    ports_.clear();
    strangers_.reset();
    notices_.reset();
    tables_.reset();
    rte_free(readers_);
    rte_mempool_free(packets_);
}

} // namespace culvert::dataplane
