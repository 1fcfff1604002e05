#include "dataplane/ecn.h"
#include "dataplane/inner_packet.h"
#include "dataplane/worker.h"

#include <rte_prefetch.h>

/// A packet's life inbound, stages 1 to 4: outer packet, session, opened, checked.
namespace culvert::dataplane {

/// Stage 1: tunnel traffic of our listeners goes on, everything else is the kernel's.
void Worker::receive(const Port& port, std::span<rte_mbuf*> frames) noexcept {
    const OuterContext context{tables_.listeners, tables_.port_addresses[port.ordinal()].get(),
                               port.settings().vlan};
    Burst<Arrival> arrivals;
    for (rte_mbuf* frame : frames)
        rte_prefetch0(rte_pktmbuf_mtod(frame, void*));
    for (rte_mbuf* frame : frames) {
        frame->port = port.id(); // not every driver sets it
        Arrival& arrival = arrivals.at[arrivals.count];
        switch (parse_outer(context, frame, arrival)) {
        case OuterKind::tunnel:
            ++arrivals.count;
            break;
        case OuterKind::kernel:
            pass_to_kernel(port, frame, context);
            break;
        case OuterKind::drop:
            drop(frame, static_cast<DropReason>(arrival.reason));
            break;
        }
    }
    if (arrivals.count > 0)
        find_sessions(arrivals.span());
}

void Worker::pass_to_kernel(const Port& port, rte_mbuf* frame, const OuterContext& context) noexcept {
    const PathMtuHint hint = parse_path_mtu_hint(context, frame);
    if (hint.mtu != 0 && hints_.allow(now_))
        around_.notices.enqueue({.packet = nullptr,
                                 .session = 0,
                                 .value = hint.mtu,
                                 .remote = hint.remote,
                                 .kind = Notice::Kind::path_mtu_hint,
                                 .worker = raw(id_),
                                 .content_type = 0});
    if (port.settings().shared_with_kernel())
        return drop(frame, DropReason::left_to_kernel); // the kernel has a copy of its own
    if (!port.kernel_port())
        return drop(frame, DropReason::no_kernel_port);
    if (!untag(frame, context.vlan))
        return drop(frame, DropReason::other_vlan);
    auto& burst = kernel_tx_[port.ordinal()];
    if (burst.full())
        flush_port(port.ordinal());
    burst.add(frame);
}

/// Stage 2: the wire format finds each packet's session. Runs of the same format are found together; in practice a
/// burst is one run.
void Worker::find_sessions(std::span<Arrival> arrivals) noexcept {
    for (std::size_t first = 0, last = 0; first < arrivals.size(); first = last) {
        while (last < arrivals.size() && arrivals[last].format == arrivals[first].format)
            ++last;
        wire_format(FormatId{arrivals[first].format})
            .find(tables_.sessions, arrivals.subspan(first, last - first));
    }
    std::size_t kept = 0;
    for (Arrival& arrival : arrivals) {
        if (arrival.verdict == static_cast<std::uint8_t>(Verdict::open)) [[likely]] {
            if (arrival.session->owner == id_) [[likely]]
                arrivals[kept++] = arrival;
            else
                hand_over(arrival);
        } else if (arrival.verdict == static_cast<std::uint8_t>(Verdict::handshake)) {
            tell_handshake(arrival);
        } else {
            drop(arrival.packet, static_cast<DropReason>(arrival.reason));
        }
    }
    if (kept > 0)
        open(arrivals.first(kept));
}

void Worker::hand_over(const Arrival& arrival) noexcept {
    PacketMeta& carried = meta(arrival.packet);
    carried.kind = PacketMeta::Kind::inbound;
    carried.format = arrival.format;
    carried.outer_ecn = arrival.outer_ecn;
    carried.outer_v6 = arrival.outer_v6;
    carried.l3_offset =
        static_cast<std::uint16_t>(arrival.l3 - static_cast<const std::uint8_t*>(arrival.packet->buf_addr));
    carried.session = raw(arrival.session->index);
    carried.remote_tag = arrival.remote_tag;
    if (colleagues_[raw(arrival.session->owner)]->handover().enqueue({&arrival.packet, 1}) == 1)
        ++account_.handed_over;
    else
        drop(arrival.packet, DropReason::handover_ring_full);
}

/// A handshake is control's business: strangers through their own policed ring, apart from live sessions.
void Worker::tell_handshake(const Arrival& arrival) noexcept {
    const bool stranger = arrival.session == nullptr;
    const Endpoint remote = source_of(arrival.packet, arrival.l3, arrival.outer_v6);
    if (!plausible_source(remote.address))
        return drop(arrival.packet, DropReason::outer_source);
    if (!(stranger ? strangers_ : live_handshakes_).allow(now_))
        return drop(arrival.packet, DropReason::handshake_policed);
    PacketMeta& carried = meta(arrival.packet);
    carried.outer_v6 = arrival.outer_v6;
    carried.l3_offset =
        static_cast<std::uint16_t>(arrival.l3 - static_cast<const std::uint8_t*>(arrival.packet->buf_addr));
    const NoticeRecord record{.packet = arrival.packet,
                              .session = stranger ? 0 : raw(arrival.session->index),
                              .value = 0,
                              .remote = remote,
                              .kind = Notice::Kind::handshake,
                              .worker = raw(id_),
                              .content_type = arrival.content_type};
    if ((stranger ? around_.strangers : around_.notices).enqueue(record))
        ++account_.consumed;
    else
        drop(arrival.packet, DropReason::control_ring_full);
}

/// Stage 3: one AEAD operation a packet, then the whole burst at once.
void Worker::open(std::span<Arrival> arrivals) noexcept {
    for (std::size_t first = 0, last = 0; first < arrivals.size(); first = last) {
        while (last < arrivals.size() && arrivals[last].format == arrivals[first].format)
            ++last;
        const std::size_t count = last - first;
        wire_format(FormatId{arrivals[first].format})
            .prepare_open(arrivals.subspan(first, count), std::span(operations_).subspan(first, count),
                          std::span(aad_).subspan(first, count));
    }
    engine_->open({operations_.data(), arrivals.size()});
    std::size_t kept = 0;
    for (std::size_t i = 0; i < arrivals.size(); ++i) {
        Session& session = *arrivals[i].session;
        if (!operations_[i].verified) [[unlikely]] {
            ++session.rx.failed_tags;
            drop(arrivals[i].packet, DropReason::authentication);
        } else if (authenticated(arrivals[i])) [[likely]] {
            arrivals[kept++] = arrivals[i];
        }
    }
    account_.opened.add(kept);
    if (kept > 0)
        opened(arrivals.first(kept));
}

/// Stage 4, the session's part: replay window, life signs, roaming. Only authenticated records come here, so
/// nobody without the key moves the window or the endpoint.
bool Worker::authenticated(Arrival& arrival) noexcept {
    Session& session = *arrival.session;
    const bool newest = arrival.sequence > session.rx.window.top() || session.rx.records == 0;
    if (!session.rx.window.accept(arrival.sequence)) [[unlikely]] {
        drop(arrival.packet, DropReason::replayed);
        return false;
    }
    if (session.rx.failed_tags >= crypto::key_limits::failed_tags) [[unlikely]] {
        drop(arrival.packet, DropReason::key_exhausted);
        return false;
    }
    session.figures.last_rx.set(now_);
    session.figures.unanswered_since.set(0);
    ++session.figures.rx_records;
    ++session.rx.records;
    if (arrival.index_fits && !session.speaks_index.load(std::memory_order_relaxed)) [[unlikely]]
        session.speaks_index.store(true, std::memory_order_relaxed);
    if (arrival.from_new_endpoint && newest) [[unlikely]]
        follow(arrival);
    tell_due(session);
    return true;
}

/// What control has to know of a session, until the ring to it had room.
void Worker::tell_due(Session& session) noexcept {
    if (!session.heard_told) [[unlikely]]
        session.heard_told = tell(Notice::Kind::first_record, session);
    if (!session.roam_told) [[unlikely]]
        session.roam_told = tell(Notice::Kind::roamed, session);
    if (!session.rekey_told && session.rekey_due()) [[unlikely]]
        session.rekey_told = tell(Notice::Kind::rekey_due, session);
}

/// The peer has moved: its newest authenticated record came from here, so answers go here from now on.
void Worker::follow(const Arrival& arrival) noexcept {
    Session& session = *arrival.session;
    const Endpoint remote = source_of(arrival.packet, arrival.l3, arrival.outer_v6);
    const Endpoint local = destination_of(arrival.packet, arrival.l3, arrival.outer_v6);
    if (!plausible_source(remote.address) || local.port != session.local_port)
        return;
    session.remote = remote;
    session.local = local;
    session.tx.outer.build(local, remote);
    session.remote_tag.store(arrival.remote_tag, std::memory_order_relaxed);
    session.roam_told = false;
}

/// Stage 4, the inner packet's part: control frames go to control, inner packets are checked.
void Worker::opened(std::span<Arrival> arrivals) noexcept {
    Burst<Inner> inner;
    for (const Arrival& arrival : arrivals) {
        const Session& session = *arrival.session;
        const WireFormat& format = wire_format(session.format);
        format.strip(arrival.packet);
        const std::uint32_t length = rte_pktmbuf_data_len(arrival.packet);
        const std::uint8_t version = length > 0 ? data(arrival.packet)[0] >> 4 : 0;
        if (arrival.content_type != format.data_type || (version != 4 && version != 6)) [[unlikely]] {
            tell_frame(arrival);
            continue;
        }
        const auto parsed = parse_inner(data(arrival.packet), length);
        if (!parsed) [[unlikely]] {
            drop(arrival.packet, DropReason::inner_malformed);
            continue;
        }
        rte_pktmbuf_trim(arrival.packet, static_cast<std::uint16_t>(length - parsed->total_bytes));
        if (!decapsulate_ecn(data(arrival.packet), arrival.outer_ecn)) [[unlikely]] {
            drop(arrival.packet, DropReason::ecn_illegal);
            continue;
        }
        inner.add({arrival.packet,
                   arrival.session,
                   session.peer,
                   InstanceId{session.peer->instance.load(std::memory_order_relaxed)},
                   parsed->total_bytes,
                   {}});
    }
    check_sources(inner);
    if (inner.count > 0)
        route(inner);
}

void Worker::tell_frame(const Arrival& arrival) noexcept {
    const WireFormat& format = wire_format(arrival.session->format);
    if (arrival.content_type != format.data_type && arrival.content_type != format.alert_type)
        return drop(arrival.packet, DropReason::record_type);
    const NoticeRecord record{.packet = arrival.packet,
                              .session = raw(arrival.session->index),
                              .value = 0,
                              .remote = {},
                              .kind = Notice::Kind::frame,
                              .worker = raw(id_),
                              .content_type = arrival.content_type};
    if (around_.notices.enqueue(record))
        ++account_.consumed;
    else
        drop(arrival.packet, DropReason::control_ring_full);
}

/// The longest match of the inner source must be the peer that sealed the packet. Only then it counts as received.
void Worker::check_sources(Burst<Inner>& inner) noexcept {
    std::array<std::uint32_t, burst_size> owners;
    look_up(tables_.sources, inner, true, owners);
    std::uint16_t kept = 0;
    for (std::uint16_t i = 0; i < inner.count; ++i) {
        const Inner& packet = inner.at[i];
        if (owners[i] != Destination(packet.from->id).raw_value()) [[unlikely]] {
            drop(packet.packet, DropReason::inner_source);
            continue;
        }
        PeerCounters& counters = packet.from->counters[raw(id_)];
        counters.rx_packets.add(1);
        counters.rx_bytes.add(packet.bytes);
        packet.session->figures.rx_packets.add(1);
        packet.session->figures.rx_bytes.add(packet.bytes);
        inner.at[kept++] = packet;
    }
    inner.count = kept;
}

} // namespace culvert::dataplane
