#include "dataplane/flow_hash.h"
#include "dataplane/headers.h"
#include "dataplane/inner_packet.h"
#include "dataplane/worker.h"

/// A packet's life, stage 6: the inner packet's way to the kernel, to another peer, or to an end with a reason.
namespace culvert::dataplane {

/// Longest matches of a whole burst, by inner source or destination; one bulk lookup a family.
void Worker::look_up(const PrefixTable& table, Burst<Inner>& inner, bool by_source,
                     std::span<std::uint32_t> values) noexcept {
    std::array<std::uint32_t, burst_size> v4, v4_values, v6_values;
    std::array<const std::uint8_t*, burst_size> v6;
    std::size_t v4_count = 0, v6_count = 0;
    for (const Inner& packet : inner.span()) {
        const std::uint8_t* at = data(packet.packet);
        if (at[0] >> 4 == 4) {
            const auto& ip = *reinterpret_cast<const Ipv4Header*>(at);
            v4[v4_count++] = by_source ? ip.source : ip.destination;
        } else {
            const auto& ip = *reinterpret_cast<const Ipv6Header*>(at);
            v6[v6_count++] = by_source ? ip.source.data() : ip.destination.data();
        }
    }
    table.lookup_v4(std::span(v4).first(v4_count), std::span(v4_values).first(v4_count));
    table.lookup_v6(std::span(v6).first(v6_count), std::span(v6_values).first(v6_count));
    v4_count = v6_count = 0;
    for (std::uint16_t i = 0; i < inner.count; ++i)
        values[i] = data(inner.at[i].packet)[0] >> 4 == 4 ? v4_values[v4_count++] : v6_values[v6_count++];
}

void Worker::route(Burst<Inner>& inner) noexcept {
    std::array<std::uint32_t, burst_size> destinations;
    look_up(tables_.routes, inner, false, destinations);
    for (std::uint16_t i = 0; i < inner.count; ++i) {
        inner.at[i].destination = Destination::from_raw(destinations[i]);
        route_one(inner.at[i]);
    }
}

/// From the kernel: to a peer of the instance, or refused. From a peer: to another peer of the same instance,
/// which the kernel never sees, else to the kernel.
void Worker::route_one(Inner& inner) noexcept {
    if (!is_routable_destination(data(inner.packet))) [[unlikely]]
        return drop(inner.packet, DropReason::inner_not_routable);
    Peer* peer = inner.destination.is_peer() ? tables_.peer(inner.destination.peer()) : nullptr;
    if (peer != nullptr && InstanceId{peer->instance.load(std::memory_order_relaxed)} != inner.instance)
        peer = nullptr;
    if (inner.from == nullptr) {
        if (peer == nullptr) [[unlikely]]
            return refuse(inner, DropReason::no_route, IcmpAnswer::net_unreachable);
        return depart(inner, *peer);
    }
    if (peer == nullptr) [[likely]]
        return to_bridge(inner.instance, inner.packet);
    if (!decrement_ttl(data(inner.packet)))
        return refuse(inner, DropReason::inner_ttl, IcmpAnswer::time_exceeded);
    depart(inner, *peer);
}

void Worker::to_bridge(InstanceId instance, rte_mbuf* packet) noexcept {
    if (raw(instance) >= around_.queue_count.size()) [[unlikely]]
        return drop(packet, DropReason::no_route);
    const std::uint16_t queues = around_.queue_count[raw(instance)];
    const std::uint16_t queue =
        queues == 1 ? std::uint16_t{0}
                    : static_cast<std::uint16_t>(flow_hash(data(packet), rte_pktmbuf_data_len(packet)) % queues);
    auto& burst = bridge_tx_[around_.first_queue[raw(instance)] + queue];
    if (burst.full())
        flush_bridge();
    burst.add(packet);
}

void Worker::flush_bridge() noexcept {
    for (std::size_t i = 0; i < bridge_tx_.size(); ++i) {
        auto& burst = bridge_tx_[i];
        if (burst.count == 0)
            continue;
        const std::uint32_t taken = around_.bridge_queues[i]->from_workers->enqueue(burst.span());
        account_.tx_bridge.add(taken);
        for (std::uint32_t n = taken; n < burst.count; ++n)
            drop(burst.at[n], DropReason::bridge_ring_full);
        burst.count = 0;
    }
}

/// Drops a packet and says so to its sender where the RFCs want that, as often as the limit allows.
void Worker::refuse(const Inner& inner, DropReason reason, IcmpAnswer answer_with, std::uint16_t mtu) noexcept {
    answer(inner, answer_with, mtu);
    drop(inner.packet, reason);
}

/// An ICMP answer goes back to where its cause came from.
void Worker::answer(const Inner& offender, IcmpAnswer kind, std::uint16_t mtu) noexcept {
    const InstanceAddresses* own = tables_.instance_addresses[raw(offender.instance)].get();
    if (own == nullptr)
        return;
    const IpAddress& source = data(offender.packet)[0] >> 4 == 4 ? own->v4 : own->v6;
    RateLimit& limit =
        kind == IcmpAnswer::packet_too_big ? too_big_ : answers_; // a scan must not stop path MTU discovery
    if (source.is_unspecified() || !limit.allow(now_))
        return;
    rte_mbuf* packet = make_icmp_answer(offender.packet, kind, source, mtu, around_.packets);
    if (packet == nullptr)
        return;
    ++account_.generated;
    if (offender.from == nullptr)
        return to_bridge(offender.instance, packet);
    const Inner inner{packet, nullptr, nullptr, offender.instance, rte_pktmbuf_data_len(packet), {}};
    depart(inner, *offender.from);
}

} // namespace culvert::dataplane
