#include "tests/unit/worker/gateway_rig.h"

#include "dataplane/eal.h"

#include <chrono>
#include <cstring>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <stdexcept>
#include <thread>

namespace culvert::testing {
namespace {

using namespace dataplane;

Settings settings_of(const std::string& name, const RigOptions& options) {
    Settings settings;
    settings.cores.assign(options.workers, 0);
    settings.engine = options.engine;
    settings.idle = Idle::sleep;
    settings.sleep_microseconds = 20;
    settings.packet_buffers = 4095;
    settings.memory_mib = 512;
    settings.max_sessions = 1024;
    settings.hugepages = Settings::Hugepages::no;
    PortSettings port;
    port.name = name;
    port.device = "ethdev:net_ring_" + name;
    port.mtu = options.mtu;
    port.vlan = options.vlan;
    settings.ports.push_back(port);
    settings.instances.push_back({});
    return settings;
}

std::string unique(const std::string& name) {
    static unsigned serial = 0;
    return name + std::to_string(serial++);
}

rte_ring* make_ring(const std::string& name) {
    rte_ring* ring = rte_ring_create(name.c_str(), 1024, SOCKET_ID_ANY, 0);
    if (ring == nullptr)
        throw std::runtime_error("no ring " + name);
    return ring;
}

rte_mbuf* packet_of(rte_mempool* pool, const Bytes& bytes) {
    rte_mbuf* packet = rte_pktmbuf_alloc(pool);
    if (packet == nullptr)
        throw std::runtime_error("out of mbufs");
    std::memcpy(rte_pktmbuf_append(packet, static_cast<std::uint16_t>(bytes.size())), bytes.data(), bytes.size());
    return packet;
}

} // namespace

bool eventually(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline)
            return false;
        std::this_thread::yield();
    }
    return true;
}

GatewayRig::GatewayRig(const std::string& given, const RigOptions& options)
    : address_(*IpAddress::parse(options.address)) {
    const std::string name = unique(given);
    const Settings settings = settings_of(name, options);
    if (const auto eal = start_eal(settings); !eal)
        throw std::runtime_error(eal.error());
    for (unsigned i = 0; i < options.workers; ++i) {
        rx_rings_.push_back(make_ring(name + "rx" + std::to_string(i)));
        tx_rings_.push_back(make_ring(name + "tx" + std::to_string(i)));
    }
    const int port =
        rte_eth_from_rings(name.c_str(), rx_rings_.data(), options.workers, tx_rings_.data(), options.workers, 0);
    if (port < 0)
        throw std::runtime_error("no ring port");
    port_ = static_cast<std::uint16_t>(port);
    auto started = Dataplane::start(settings);
    if (!started)
        throw std::runtime_error(started.error());
    dataplane_ = std::move(*started);
    dataplane_->set_port_addresses(PortId{0}, {&address_, 1});
    dataplane_->listen(4433, *Dataplane::format_by_name("dtls"));
    dataplane_->set_instance_address(InstanceId{0}, *IpAddress::parse("10.255.0.1"));
    dataplane_->set_instance_address(InstanceId{0}, *IpAddress::parse("fd00:ff::1"));
}

GatewayRig::~GatewayRig() {
    for (rte_ring* ring : rx_rings_)
        while (rte_ring_count(ring) > 0) {
            void* packet = nullptr;
            rte_ring_dequeue(ring, &packet);
            rte_pktmbuf_free(static_cast<rte_mbuf*>(packet));
        }
    to_wire(0);
    dataplane_.reset();
    rte_eth_dev_close(port_);
    for (rte_ring* ring : rx_rings_)
        rte_ring_free(ring);
    for (rte_ring* ring : tx_rings_)
        rte_ring_free(ring);
}

void GatewayRig::from_wire(const Bytes& frame, unsigned queue) {
    if (rte_ring_enqueue(rx_rings_[queue], packet_of(dataplane_->packets(), frame)) != 0)
        throw std::runtime_error("the port's ring is full");
}

void GatewayRig::from_kernel(const Bytes& packet, unsigned worker) {
    rte_mbuf* mbuf = packet_of(dataplane_->packets(), packet);
    if (dataplane_->bridge_queues()[0]->to_worker[worker]->enqueue({&mbuf, 1}) != 1)
        throw std::runtime_error("the bridge's ring is full");
}

std::vector<Bytes> GatewayRig::collect(const std::function<std::uint32_t(std::span<rte_mbuf*>)>& dequeue,
                                       std::size_t count) {
    std::vector<Bytes> all;
    const auto take = [&] {
        rte_mbuf* burst[64];
        for (std::uint32_t n = 0; (n = dequeue(burst)) > 0;)
            for (std::uint32_t i = 0; i < n; ++i) {
                const auto* at = rte_pktmbuf_mtod(burst[i], const std::uint8_t*);
                all.emplace_back(at, at + rte_pktmbuf_data_len(burst[i]));
                rte_pktmbuf_free(burst[i]);
            }
        return all.size() >= count;
    };
    eventually(take);
    return all;
}

std::vector<Bytes> GatewayRig::to_wire(std::size_t count) {
    return collect(
        [this](std::span<rte_mbuf*> burst) {
            std::uint32_t n = 0;
            for (rte_ring* ring : tx_rings_)
                n += rte_ring_dequeue_burst(ring, reinterpret_cast<void**>(burst.data()) + n,
                                            static_cast<unsigned>(burst.size()) - n, nullptr);
            return n;
        },
        count);
}

std::vector<Bytes> GatewayRig::to_kernel(std::size_t count) {
    return collect(
        [this](std::span<rte_mbuf*> burst) {
            return dataplane_->bridge_queues()[0]->from_workers->dequeue(burst);
        },
        count);
}

void GatewayRig::settle() {
    eventually([this] {
        for (rte_ring* ring : rx_rings_)
            if (rte_ring_count(ring) > 0)
                return false;
        for (const auto& ring : dataplane_->bridge_queues()[0]->to_worker)
            if (!ring->empty())
                return false;
        const PacketAccount sum = account();
        return sum.handed_over == sum.taken_over && balanced();
    });
}

std::vector<GatewayRig::Told> GatewayRig::notices(std::size_t count) {
    std::vector<Told> all;
    eventually([&] {
        dataplane_->poll_notices([&](const Notice& notice) {
            all.push_back({notice, {notice.bytes.begin(), notice.bytes.end()}});
            all.back().notice.bytes = {};
        });
        return all.size() >= count;
    });
    return all;
}

std::vector<GatewayRig::Stranger> GatewayRig::strangers(std::size_t count) {
    std::vector<Stranger> all;
    eventually([&] {
        dataplane_->poll_strangers([&](const Datagram& datagram) {
            all.push_back({datagram.local, datagram.remote, {datagram.payload.begin(), datagram.payload.end()}});
        });
        return all.size() >= count;
    });
    return all;
}

PacketAccount GatewayRig::account() const {
    PacketAccount sum;
    for (const WorkerFigures& worker : dataplane_->workers()) {
        const PacketAccount& one = worker.account;
        sum.rx_port += one.rx_port;
        sum.rx_bridge += one.rx_bridge;
        sum.rx_kernel += one.rx_kernel;
        sum.generated += one.generated;
        sum.tx_port += one.tx_port;
        sum.tx_bridge += one.tx_bridge;
        sum.tx_kernel += one.tx_kernel;
        sum.consumed += one.consumed;
        sum.handed_over += one.handed_over;
        sum.taken_over += one.taken_over;
        for (std::size_t i = 0; i < drop_reasons; ++i)
            sum.drops[i] += one.drops[i];
    }
    return sum;
}

std::uint64_t GatewayRig::drops(DropReason reason) const {
    return account().drops[static_cast<std::size_t>(reason)];
}

::testing::AssertionResult GatewayRig::balanced() const {
    const PacketAccount sum = account();
    std::uint64_t dropped = 0;
    for (const std::uint64_t count : sum.drops)
        dropped += count;
    const std::uint64_t in = sum.rx_port + sum.rx_bridge + sum.rx_kernel + sum.generated;
    const std::uint64_t out =
        sum.tx_port + sum.tx_bridge + sum.tx_kernel + sum.consumed + dropped + (sum.handed_over - sum.taken_over);
    if (in == out)
        return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << in << " packets in, " << out << " accounted for";
}

Pair introduce(GatewayRig& left, GatewayRig& right, const std::string& left_prefix,
               const std::string& right_prefix, std::uint16_t lanes) {
    Pair pair{left, right};
    const auto add = [lanes](GatewayRig& gateway, const std::string& prefixes) {
        const PeerId peer = gateway.dataplane().add_peer({.lanes = lanes, .instance = {}, .fixed_dscp = {}});
        for (std::size_t first = 0; first < prefixes.size();) {
            const std::size_t end = std::min(prefixes.find(' ', first), prefixes.size());
            const Prefix prefix = *Prefix::parse(prefixes.substr(first, end - first));
            gateway.dataplane().add_route(prefix, Destination(peer));
            gateway.dataplane().add_source(prefix, peer);
            first = end + 1;
        }
        return peer;
    };
    pair.left_peer = add(left, right_prefix);
    pair.right_peer = add(right, left_prefix);
    return pair;
}

void connect(Pair& pair, const SessionOptions& options) {
    pair.left_session = *pair.left.dataplane().reserve_session();
    pair.right_session = *pair.right.dataplane().reserve_session();
    std::array<std::uint8_t, 32> first{}, second{};
    first.fill(options.seed);
    second.fill(static_cast<std::uint8_t>(options.seed + 100));
    const auto install = [&](GatewayRig& own, GatewayRig& other, PeerId peer, SessionIndex index,
                             SessionIndex remote, bool is_left) {
        SessionState state;
        state.index = index;
        state.format = *Dataplane::format_by_name("dtls");
        state.peer = peer;
        state.owner = WorkerId{static_cast<std::uint8_t>(is_left ? options.left_owner : options.right_owner)};
        state.local = {own.address(), is_left ? options.left_port : options.right_port};
        state.remote = {other.address(), is_left ? options.right_port : options.left_port};
        state.next_hop = own.dataplane().add_next_hop(PortId{0}, std::array<std::uint8_t, 6>{2, 0, 0, 0, 0, 9});
        state.algorithm = crypto::Algorithm::aes_256_gcm;
        state.tx_key = crypto::Secret<32>(is_left ? first : second);
        state.rx_key = crypto::Secret<32>(is_left ? second : first);
        state.tx_salt.fill(is_left ? 1 : 2);
        state.rx_salt.fill(is_left ? 2 : 1);
        state.tx_next = options.tx_next;
        state.used_nonces = options.used_nonces;
        state.remote_index = options.tell_indexes ? raw(remote) : 0;
        state.rekey_after_packets = options.rekey_after;
        own.dataplane().install(state);
        own.dataplane().activate(index, options.lane);
    };
    pair.left.dataplane().listen(options.left_port, *Dataplane::format_by_name("dtls"));
    pair.right.dataplane().listen(options.right_port, *Dataplane::format_by_name("dtls"));
    install(pair.left, pair.right, pair.left_peer, pair.left_session, pair.right_session, true);
    install(pair.right, pair.left, pair.right_peer, pair.right_session, pair.left_session, false);
}

void carry(Pair& pair, std::size_t from_left, std::size_t from_right, const std::function<Bytes(Bytes)>& change) {
    const auto one_way = [&](GatewayRig& from, GatewayRig& to, std::size_t count) {
        if (count == 0)
            return;
        for (const Bytes& frame : from.to_wire(count)) {
            const Bytes changed = change ? change(frame) : frame;
            if (!changed.empty())
                to.from_wire(changed);
        }
    };
    one_way(pair.left, pair.right, from_left);
    one_way(pair.right, pair.left, from_right);
}

} // namespace culvert::testing
