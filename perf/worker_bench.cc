#include "perf/worker_bench.h"

#include "dataplane/dataplane.h"
#include "dataplane/ethdev.h"
#include "dataplane/worker.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <random>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <stdexcept>
#include <unistd.h>

namespace culvert::perf {
namespace {

using namespace dataplane;

constexpr std::uint32_t packets_a_lap = burst_size * 12; // whole bursts, whole IMIXes, inside the replay window
constexpr std::uint16_t udp_port = 4433;
constexpr std::uint32_t inner_base = 10U << 24, own_inner = 172U << 24 | 16U << 16 | 1U; // 10/8, 172.16.0.1

unsigned serial() {
    static unsigned count = 0;
    return count++;
}

/// Of a few dozen laps of a tenth of a millisecond: those that another process interrupted don't count.
double median(std::vector<std::uint64_t>& cycles) {
    std::ranges::nth_element(cycles, cycles.begin() + static_cast<std::ptrdiff_t>(cycles.size() / 2));
    return static_cast<double>(cycles[cycles.size() / 2]);
}

IpAddress outer_address(std::uint32_t host) {
    return IpAddress::v4(198U << 24 | 18U << 16 | host);
}

} // namespace

struct WorkerBench::Parts {
    explicit Parts(const WorkerCase& given) : what(given), id(serial()), lap(packets_a_lap) {
        while (lap < what.sessions * 4)
            lap *= 2;
    }
    ~Parts() {
        worker.reset();
        queues.clear();
        port.reset();
        if (source != 0xffff)
            remove_ethdev(source);
        if (sink != 0xffff)
            remove_ethdev(sink);
        tables.reset();
        rte_free(readers);
        rte_mempool_free(packets);
        std::filesystem::remove(capture);
    }

    SessionState state(std::uint32_t number, bool far_end) const;
    void make_tables();
    void make_capture();
    void make_worker();
    std::uint32_t round();
    void rewind();

    WorkerCase what;
    unsigned id;
    std::uint32_t lap;
    std::string capture;
    rte_mempool* packets = nullptr;
    rte_rcu_qsbr* readers = nullptr;
    std::unique_ptr<Tables> tables;
    std::unique_ptr<NoticeRing> notices, strangers;
    std::unique_ptr<crypto::Engine> far_engine;
    std::vector<std::unique_ptr<BridgeQueue>> queues;
    std::unique_ptr<Port> port;
    std::unique_ptr<Worker> worker;
    std::vector<SessionIndex> sessions;
    std::vector<std::uint32_t> order; ///< session of each packet of a lap
    std::uint16_t source = 0xffff, sink = 0xffff;
};

/// Both ends of session `number`: the far end seals what this one opens.
SessionState WorkerBench::Parts::state(std::uint32_t number, bool far_end) const {
    std::array<std::uint8_t, 32> to_us{}, from_us{};
    std::memcpy(to_us.data(), &number, sizeof number);
    std::memcpy(from_us.data(), &number, sizeof number);
    from_us[31] = 1;
    SessionState state;
    state.index = sessions[number];
    state.peer = PeerId{number};
    state.local = {outer_address(1), udp_port};
    state.remote = {outer_address(2 + number), udp_port};
    if (far_end)
        std::swap(state.local, state.remote);
    state.algorithm = crypto::Algorithm::aes_256_gcm;
    state.rx_key = crypto::Secret<crypto::max_key_bytes>(far_end ? from_us : to_us);
    state.tx_key = crypto::Secret<crypto::max_key_bytes>(far_end ? to_us : from_us);
    state.tx_next = 1;
    state.remote_index = raw(sessions[number]);
    return state;
}

void WorkerBench::Parts::make_tables() {
    const std::string suffix = std::to_string(id);
    packets = rte_pktmbuf_pool_create(("bench" + suffix).c_str(), lap + 4095, 256, packet_meta_bytes,
                                      RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    readers = static_cast<rte_rcu_qsbr*>(rte_zmalloc(nullptr, rte_rcu_qsbr_get_memsize(1), 64));
    if (packets == nullptr || readers == nullptr)
        throw std::runtime_error("out of memory; give EAL more with --memory");
    rte_rcu_qsbr_init(readers, 1);
    tables = std::make_unique<Tables>(std::max(what.sessions, 64U), readers);
    notices = std::make_unique<NoticeRing>("notices-b" + suffix, 4096);
    strangers = std::make_unique<NoticeRing>("strangers-b" + suffix, 64);
    const IpAddress own = outer_address(1);
    tables->port_addresses[0].replace(std::make_unique<const std::vector<IpAddress>>(1, own), tables->reclaimer);
    tables->listeners.set(udp_port, 0);
    NextHop hop;
    hop.known = true;
    hop.bytes.fill(2);
    tables->next_hops[0].replace(std::make_unique<const NextHop>(hop), tables->reclaimer);
    for (std::uint32_t number = 0; number < what.sessions; ++number) {
        sessions.push_back(*tables->sessions.reserve());
        const Prefix prefix{IpAddress::v4(inner_base + (number << 6)), 26};
        tables->peers[number].store(new Peer(PeerId{number}, 1));
        tables->routes.insert(prefix, Destination(PeerId{number}).raw_value());
        tables->sources.insert(prefix, Destination(PeerId{number}).raw_value());
    }
    std::mt19937 random(1);
    for (std::uint32_t i = 0; i < lap; ++i)
        order.push_back(static_cast<std::uint32_t>(random() % what.sessions));
}

void WorkerBench::Parts::make_capture() {
    far_engine = *crypto::make_engine("libcrypto");
    std::vector<std::unique_ptr<Session>> far;
    for (std::uint32_t number = 0; number < what.sessions && what.direction == Direction::open; ++number)
        far.push_back(std::make_unique<Session>(state(number, true), tables->peers[number].load(), *far_engine));
    std::vector<Frame> frames;
    for (std::uint32_t i = 0; i < lap; ++i) {
        const std::uint32_t peer_host = inner_base + (order[i] << 6) + 5;
        const std::uint16_t bytes = what.mix.sizes[i % what.mix.sizes.size()];
        frames.push_back(
            what.direction == Direction::open
                ? sealed_frame(*far[order[i]], *far_engine, inner_packet(peer_host, own_inner, bytes), packets)
                : inner_packet(own_inner, peer_host, bytes));
    }
    capture = std::filesystem::temp_directory_path() / fmt::format("culvert-bench-{}-{}.pcap", getpid(), id);
    write_capture(capture, frames);
}

void WorkerBench::Parts::make_worker() {
    const std::string player = fmt::format("net_pcap{},rx_pcap={},infinite_rx=1", id, capture);
    PortSettings settings;
    settings.name = "bench";
    settings.device = what.direction == Direction::open ? player : fmt::format("net_null{}0,no-rx=1", id);
    auto opened = Port::open(settings, 0, 1, packets);
    if (!opened)
        throw std::runtime_error(opened.error());
    port = std::move(*opened);
    const auto start = [&](const std::string& device) {
        const auto probed = probe_ethdev(device);
        if (!probed)
            throw std::runtime_error(probed.error());
        if (const auto started = start_ethdev(*probed, {.queues = 1, .mtu = 1500, .packets = packets}); !started)
            throw std::runtime_error(started.error());
        return *probed;
    };
    sink = start(fmt::format("net_null{}1,no-rx=1", id));
    if (what.direction == Direction::seal)
        source = start(player);
    auto queue = std::make_unique<BridgeQueue>();
    queue->from_workers =
        std::make_unique<PacketRing>(fmt::format("bench-to{}", id), 1024, PacketRing::Producers::many, nullptr);
    queue->to_worker.push_back(
        std::make_unique<PacketRing>(fmt::format("bench-from{}", id), 1024, PacketRing::Producers::one, nullptr));
    queues.push_back(std::move(queue));
    auto engine = crypto::make_engine(what.engine);
    if (!engine)
        throw std::runtime_error(engine.error());
    worker = std::make_unique<Worker>(
        WorkerId{0}, 0,
        WorkerSurroundings{*tables, readers, packets, {port.get()}, queues, {0}, {1}, *notices, *strangers},
        std::move(*engine), std::make_unique<Idler>(Idle::busy, 0, std::span<const int>{}));
    worker->set_colleagues({worker.get()});
    for (std::uint32_t number = 0; number < what.sessions; ++number) {
        Peer* peer = tables->peers[number].load();
        auto session = std::make_unique<Session>(state(number, false), peer, worker->engine());
        session->path_mtu.store(1500);
        peer->lane[0].store(session.get());
        tables->sessions.insert(std::move(session), state(number, false).remote);
    }
}

/// One burst through the worker; how many packets have come out at the other end.
std::uint32_t WorkerBench::Parts::round() {
    std::array<rte_mbuf*, burst_size> burst;
    if (what.direction == Direction::open) {
        worker->round();
        const std::uint32_t count = queues[0]->from_workers->dequeue(burst);
        rte_pktmbuf_free_bulk(burst.data(), count);
        return count;
    }
    const std::uint16_t count = rte_eth_rx_burst(source, 0, burst.data(), burst_size);
    queues[0]->to_worker[0]->enqueue({burst.data(), count});
    worker->round();
    return count;
}

/// The capture starts anew, and with it the sequence numbers.
void WorkerBench::Parts::rewind() {
    for (const SessionIndex index : sessions)
        tables->sessions.find(index)->rx.window.reset(0);
}

WorkerBench::WorkerBench(const WorkerCase& what) : parts_(std::make_unique<Parts>(what)) {
    parts_->make_tables();
    parts_->make_capture();
    parts_->make_worker();
}

WorkerBench::~WorkerBench() = default;

double WorkerBench::worker_cycles(unsigned laps) {
    std::vector<std::uint64_t> cycles;
    for (unsigned n = 0; n < laps; ++n) {
        parts_->rewind();
        const std::uint64_t start = rte_rdtsc_precise();
        for (std::uint32_t packets = 0; packets < parts_->lap;) {
            const std::uint32_t count = parts_->round();
            if (count == 0)
                throw std::runtime_error("packets got lost in the worker");
            packets += count;
        }
        cycles.push_back(rte_rdtsc_precise() - start);
    }
    const PacketAccount account = parts_->worker->figures().account;
    for (std::size_t i = 0; i < drop_reasons; ++i)
        if (account.drops[i] != 0)
            throw std::runtime_error(
                fmt::format("{} packets dropped: {}", account.drops[i], drop_reason_texts[i].text));
    return median(cycles) / parts_->lap;
}

double WorkerBench::forward_cycles(unsigned laps) {
    const std::uint16_t from = parts_->what.direction == Direction::open ? parts_->port->id() : parts_->source;
    std::array<rte_mbuf*, burst_size> burst;
    std::vector<std::uint64_t> cycles;
    for (unsigned n = 0; n < laps; ++n) {
        const std::uint64_t start = rte_rdtsc_precise();
        for (std::uint32_t packets = 0; packets < parts_->lap;) {
            const std::uint16_t count = rte_eth_rx_burst(from, 0, burst.data(), burst_size);
            rte_eth_tx_burst(parts_->sink, 0, burst.data(), count);
            packets += count;
        }
        cycles.push_back(rte_rdtsc_precise() - start);
    }
    return median(cycles) / parts_->lap;
}

} // namespace culvert::perf
