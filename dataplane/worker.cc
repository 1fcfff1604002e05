#include "dataplane/worker.h"

#include "dataplane/inner_packet.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <pthread.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <string>

namespace culvert::dataplane {
namespace {

constexpr unsigned handover_ring_size = 2048, control_ring_size = 2048;
/// ICMP answers that one worker gives (RFC 1812 §4.3.2.8, RFC 4443 §2.4 f), handshake datagrams that it lets
/// through to control, and hints of path MTUs.
struct Limit {
    std::uint32_t per_second, burst;
};
constexpr Limit answers{100, 50}, strangers{10000, 512}, live_handshakes{200, 50}, hints{50, 10};

RateLimit limit(const Limit& of) {
    return {rte_get_tsc_hz(), of.per_second, of.burst};
}

std::string ring_name(const char* purpose, WorkerId id) {
    static std::atomic<unsigned> serial{0};
    return fmt::format("{}{}.{}", purpose, raw(id), serial++);
}

} // namespace

Worker::Worker(WorkerId id, unsigned core, const WorkerSurroundings& surroundings,
               std::unique_ptr<crypto::Engine> engine, std::unique_ptr<Idler> idler)
    : id_(id), core_(core), around_(surroundings), tables_(surroundings.tables), engine_(std::move(engine)),
      idler_(std::move(idler)),
      handover_(ring_name("handover", id), handover_ring_size, PacketRing::Producers::many, &idler_->waker()),
      from_control_(ring_name("control", id), control_ring_size, PacketRing::Producers::many, &idler_->waker()),
      answers_(limit(answers)), too_big_(limit(answers)), strangers_(limit(strangers)),
      live_handshakes_(limit(live_handshakes)), hints_(limit(hints)),
      bridge_tx_(surroundings.bridge_queues.size()) {}

void Worker::run(const std::atomic<bool>& stop) noexcept {
    const unsigned reader = raw(id_);
    rte_rcu_qsbr_thread_register(around_.readers, reader);
    rte_rcu_qsbr_thread_online(around_.readers, reader);
    while (!stop.load(std::memory_order_relaxed)) {
        const bool worked = round();
        rte_rcu_qsbr_quiescent(around_.readers, reader);
        if (!idler_->tired(worked)) [[likely]]
            continue;
        rte_rcu_qsbr_thread_offline(around_.readers, reader); // control must not wait for a sleeper
        idler_->rest([&] { return nothing_waits() && !stop.load(std::memory_order_relaxed); });
        rte_rcu_qsbr_thread_online(around_.readers, reader);
    }
    rte_rcu_qsbr_thread_offline(around_.readers, reader);
    rte_rcu_qsbr_thread_unregister(around_.readers, reader);
}

bool Worker::round() noexcept {
    now_ = rte_rdtsc();
    std::uint32_t packets = poll_ports();
    packets += poll_handover();
    packets += poll_bridge();
    packets += poll_control();
    packets += poll_kernel_ports();
    if (packets > 0)
        flush();
    ++account_.rounds;
    if (packets == 0)
        ++account_.empty_rounds;
    return packets > 0;
}

std::uint32_t Worker::poll_ports() noexcept {
    std::uint32_t total = 0;
    for (const Port* port : around_.ports) {
        std::array<rte_mbuf*, burst_size> frames;
        const std::uint16_t count = rte_eth_rx_burst(port->id(), raw(id_), frames.data(), burst_size);
        if (count == 0)
            continue;
        account_.rx_port.add(count);
        receive(*port, {frames.data(), count});
        total += count;
    }
    return total;
}

/// What the kernel sends through a port's tap leaves by that port.
std::uint32_t Worker::poll_kernel_ports() noexcept {
    std::uint32_t total = 0;
    for (std::size_t i = 0; i < around_.ports.size(); ++i) {
        const std::optional<std::uint16_t> kernel_port = around_.ports[i]->kernel_port();
        if (!kernel_port)
            continue;
        std::array<rte_mbuf*, burst_size> frames;
        const std::uint16_t count = rte_eth_rx_burst(*kernel_port, raw(id_), frames.data(), burst_size);
        account_.rx_kernel.add(count);
        for (std::uint16_t n = 0; n < count; ++n)
            if (tag(frames[n], around_.ports[i]->settings().vlan))
                transmit(i, frames[n]);
            else
                drop(frames[n], DropReason::other_vlan);
        total += count;
    }
    return total;
}

/// Packets that another worker found to be ours: opened or sealed here, as if they had come here.
std::uint32_t Worker::poll_handover() noexcept {
    std::array<rte_mbuf*, burst_size> packets;
    const std::uint32_t count = handover_.dequeue(packets);
    account_.taken_over.add(count);
    Burst<Arrival> arrivals;
    for (std::uint32_t i = 0; i < count; ++i) {
        const PacketMeta& carried = meta(packets[i]);
        Session* session = tables_.sessions.find(SessionIndex{carried.session});
        if (session == nullptr || session->owner != id_) {
            drop(packets[i], DropReason::session_gone);
            continue;
        }
        if (carried.kind == PacketMeta::Kind::outbound) {
            const Inner inner{packets[i],
                              nullptr,
                              carried.from == no_peer ? nullptr : tables_.peer(PeerId{carried.from}),
                              InstanceId{session->peer->instance.load(std::memory_order_relaxed)},
                              rte_pktmbuf_data_len(packets[i]),
                              Destination(session->peer_id)};
            fit(inner, *session);
            continue;
        }
        Arrival arrival{};
        arrival.packet = packets[i];
        arrival.l3 = static_cast<const std::uint8_t*>(packets[i]->buf_addr) + carried.l3_offset;
        arrival.format = carried.format;
        arrival.outer_ecn = carried.outer_ecn;
        arrival.outer_v6 = carried.outer_v6;
        arrival.remote_tag = carried.remote_tag;
        arrivals.add(arrival);
    }
    if (arrivals.count > 0)
        find_sessions(arrivals.span());
    return count;
}

std::uint32_t Worker::poll_bridge() noexcept {
    std::uint32_t total = 0;
    for (const auto& queue : around_.bridge_queues) {
        PacketRing& ring = *queue->to_worker[raw(id_)];
        std::array<rte_mbuf*, burst_size> packets;
        const std::uint32_t count = ring.dequeue(std::span(packets).first(room_at_colleagues()));
        if (count == 0)
            continue;
        if (queue->waiting_for_room.load(std::memory_order_relaxed)) [[unlikely]] {
            queue->waiting_for_room.store(false, std::memory_order_relaxed);
            queue->bridge_waker.notify();
        }
        account_.rx_bridge.add(count);
        Burst<Inner> inner;
        for (std::uint32_t i = 0; i < count; ++i) {
            const auto parsed = parse_inner(data(packets[i]), rte_pktmbuf_data_len(packets[i]));
            if (parsed)
                inner.add({packets[i], nullptr, nullptr, queue->instance, parsed->total_bytes, {}});
            else
                drop(packets[i], DropReason::inner_malformed);
        }
        route(inner);
        total += count;
    }
    return total;
}

/// Any packet from the bridge may turn out to be another worker's: none is taken that couldn't be handed over, so
/// that a full ring pushes back to the kernel's queue.
std::uint32_t Worker::room_at_colleagues() const noexcept {
    std::uint32_t room = burst_size;
    for (const Worker* colleague : colleagues_)
        if (colleague != this)
            room = std::min(room, colleague->handover_.room());
    return room;
}

std::uint32_t Worker::poll_control() noexcept {
    std::array<rte_mbuf*, burst_size> packets;
    const std::uint32_t count = from_control_.dequeue(packets);
    for (std::uint32_t i = 0; i < count; ++i) {
        const PacketMeta::Kind kind = meta(packets[i]).kind;
        if (kind == PacketMeta::Kind::readdress) {
            readdress(packets[i]);
            continue;
        }
        ++account_.generated;
        if (kind == PacketMeta::Kind::datagram)
            transmit(meta(packets[i]).session, packets[i]);
        else
            seal_frame(packets[i]);
    }
    return count;
}

void Worker::readdress(rte_mbuf* command) noexcept {
    Session* session = tables_.sessions.find(SessionIndex{meta(command).session});
    if (session != nullptr && session->owner == id_) {
        std::memcpy(session->local.address.bytes.data(), data(command), session->local.address.bytes.size());
        session->tx.outer.build(session->local, session->remote);
    }
    rte_pktmbuf_free(command);
}

void Worker::seal_frame(rte_mbuf* frame) noexcept {
    Session* session = tables_.sessions.find(SessionIndex{meta(frame).session});
    if (session == nullptr || session->owner != id_)
        return drop(frame, DropReason::session_gone);
    const WireFormat& format = wire_format(session->format);
    const int padding = meta(frame).padded_to - session->tx.outer.length - format.header_bytes -
                        format.trailer_bytes - rte_pktmbuf_data_len(frame);
    if (padding > 0) {
        if (rte_pktmbuf_tailroom(frame) < padding + format.trailer_bytes)
            return drop(frame, DropReason::too_big);
        std::memset(rte_pktmbuf_append(frame, static_cast<std::uint16_t>(padding)), 0,
                    static_cast<std::size_t>(padding));
    }
    add_departure(frame, *session, 0);
}

/// Looked at a last time before sleeping; the drivers' queues are watched through their descriptors.
bool Worker::nothing_waits() const noexcept {
    if (!handover_.empty() || !from_control_.empty())
        return false;
    for (const auto& queue : around_.bridge_queues)
        if (!queue->to_worker[raw(id_)]->empty())
            return false;
    return true;
}

void Worker::flush() noexcept {
    if (departures_.count > 0)
        seal();
    for (std::size_t i = 0; i < around_.ports.size(); ++i)
        flush_port(i);
    flush_bridge();
}

void Worker::transmit(std::size_t port, rte_mbuf* frame) noexcept {
    if (tx_[port].full())
        flush_port(port);
    tx_[port].add(frame);
}

void Worker::flush_port(std::size_t port) noexcept {
    const auto send = [this](std::uint16_t id, Burst<rte_mbuf*>& burst, Counter& sent, DropReason full) {
        if (burst.count == 0)
            return;
        const std::uint16_t taken = rte_eth_tx_burst(id, raw(id_), burst.at.data(), burst.count);
        sent.add(taken);
        for (std::uint16_t i = taken; i < burst.count; ++i)
            drop(burst.at[i], full);
        burst.count = 0;
    };
    send(around_.ports[port]->id(), tx_[port], account_.tx_port, DropReason::tx_full);
    if (const auto kernel_port = around_.ports[port]->kernel_port())
        send(*kernel_port, kernel_tx_[port], account_.tx_kernel, DropReason::kernel_port_full);
}

void Worker::drop(rte_mbuf* packet, DropReason reason) noexcept {
    ++account_.drops[static_cast<std::size_t>(reason)];
    rte_pktmbuf_free(packet);
}

WorkerFigures Worker::figures() const {
    WorkerFigures figures;
    figures.worker = id_;
    figures.core = core_;
    figures.account = account_.read();
    figures.opened = account_.opened.get();
    figures.sealed = account_.sealed.get();
    figures.rounds = account_.rounds.get();
    figures.empty_rounds = account_.empty_rounds.get();
    figures.sleeps = idler_->sleeps.get();
    return figures;
}

} // namespace culvert::dataplane
