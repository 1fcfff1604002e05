#include "dataplane/checksum.h"
#include "dataplane/ecn.h"
#include "dataplane/flow_hash.h"
#include "dataplane/fragment.h"
#include "dataplane/headers.h"
#include "dataplane/mss_clamp.h"
#include "dataplane/worker.h"

#include <cstring>

/// A packet's life outbound: lane, owner, size, headers and nonces, sealed, sent.
namespace culvert::dataplane {
namespace {

constexpr unsigned most_fragments = 16;

bool may_fragment(const std::uint8_t* packet) noexcept {
    return packet[0] >> 4 == 4 && !reinterpret_cast<const Ipv4Header*>(packet)->dont_fragment();
}

} // namespace

/// To the session that carries the packet's flow, here or at the worker that owns it.
void Worker::depart(const Inner& inner, Peer& peer) noexcept {
    const std::uint32_t flow = peer.lanes.load(std::memory_order_relaxed) == 1
                                   ? 0
                                   : flow_hash(data(inner.packet), rte_pktmbuf_data_len(inner.packet));
    Session* session = peer.sender(flow);
    if (session == nullptr) [[unlikely]] {
        if (!inner.destination.is_none())
            answer(inner, IcmpAnswer::host_unreachable, 0);
        return drop(inner.packet, DropReason::peer_down);
    }
    if (session->owner == id_) [[likely]]
        return fit(inner, *session);
    rte_pktmbuf_trim(inner.packet, static_cast<std::uint16_t>(rte_pktmbuf_data_len(inner.packet) - inner.bytes));
    PacketMeta& carried = meta(inner.packet);
    carried.kind = PacketMeta::Kind::outbound;
    carried.session = raw(session->index);
    carried.from = inner.from != nullptr ? raw(inner.from->id) : no_peer;
    rte_mbuf* packet = inner.packet;
    if (colleagues_[raw(session->owner)]->handover().enqueue({&packet, 1}) == 1)
        ++account_.handed_over;
    else
        drop(packet, DropReason::handover_ring_full);
}

/// Sees that the sealed packet will fit the path: clamps TCP's MSS, fragments what may be, else says too-big.
void Worker::fit(const Inner& inner, Session& session) noexcept {
    const WireFormat& format = wire_format(session.format);
    const auto room =
        static_cast<std::uint16_t>(session.path_mtu.load(std::memory_order_relaxed) - session.tx.outer.length -
                                   format.header_bytes - format.trailer_bytes);
    rte_pktmbuf_trim(inner.packet, static_cast<std::uint16_t>(rte_pktmbuf_data_len(inner.packet) - inner.bytes));
    clamp_mss(data(inner.packet), inner.bytes, room);
    if (inner.bytes <= room) [[likely]]
        return add_departure(inner.packet, session, inner.bytes);
    if (!may_fragment(data(inner.packet)))
        return refuse(inner, DropReason::too_big, IcmpAnswer::packet_too_big, room);
    std::array<rte_mbuf*, most_fragments> fragments;
    const unsigned count = fragment_ipv4(inner.packet, room, around_.packets, fragments);
    if (count == 0)
        return drop(inner.packet, DropReason::fragmentation_failed);
    account_.generated.add(count - 1);
    for (unsigned i = 0; i < count; ++i)
        add_departure(fragments[i], session, rte_pktmbuf_data_len(fragments[i]));
    rte_pktmbuf_free(inner.packet);
}

/// `inner_bytes` 0: a control frame, which isn't counted as the peer's.
void Worker::add_departure(rte_mbuf* packet, Session& session, std::uint32_t inner_bytes) noexcept {
    const std::int16_t dscp = session.peer->fixed_dscp.load(std::memory_order_relaxed);
    const auto fixed = dscp < 0 ? std::nullopt : std::optional(static_cast<std::uint8_t>(dscp));
    Departure departure{packet, &session, 0, inner_bytes, wire_format(session.format).data_type, 0};
    if (inner_bytes > 0)
        departure.outer_tos = outer_traffic_class(data(packet), fixed);
    if (departures_.full())
        seal();
    departures_.add(departure);
}

/// Seals and sends what has been gathered: first all headers and nonces, then all the crypto, then the frames.
void Worker::seal() noexcept {
    std::uint16_t count = 0;
    for (Departure& departure : departures_.span())
        if (may_seal(departure)) [[likely]]
            departures_.at[count++] = departure;
    departures_.count = 0;
    const std::span departures(departures_.at.data(), count);
    for (std::size_t first = 0, last = 0; first < count; first = last) {
        while (last < count && departures[last].session->format == departures[first].session->format)
            ++last;
        wire_format(departures[first].session->format)
            .prepare_seal(departures.subspan(first, last - first),
                          std::span(operations_).subspan(first, last - first),
                          std::span(aad_).subspan(first, last - first));
    }
    std::array<const NextHop*, burst_size> hops;
    for (std::uint16_t i = 0; i < count; ++i)
        hops[i] = write_outer(departures[i]);
    engine_->seal({operations_.data(), count});
    account_.sealed.add(count);
    for (std::uint16_t i = 0; i < count; ++i) {
        rte_mbuf* packet = departures[i].packet;
        if (hops[i] == nullptr) [[unlikely]] {
            drop(packet, DropReason::no_next_hop);
            continue;
        }
        if (departures[i].session->tx.outer.v6) {
            auto& udp = *reinterpret_cast<UdpHeader*>(const_cast<std::uint8_t*>(operations_[i].data) -
                                                      wire_format(departures[i].session->format).header_bytes -
                                                      sizeof(UdpHeader));
            finish_udp6(*(reinterpret_cast<Ipv6Header*>(&udp) - 1), udp);
        }
        transmit(raw(hops[i]->port), packet);
    }
}

/// Limits of the key and of the buffer, the accounts, and the sequence number. Drawn one by one, so that a burst
/// can't run past a limit.
bool Worker::may_seal(Departure& departure) noexcept {
    Session& session = *departure.session;
    const std::uint32_t bytes = rte_pktmbuf_data_len(departure.packet);
    const WireFormat& format = wire_format(session.format);
    if (rte_pktmbuf_tailroom(departure.packet) < format.trailer_bytes ||
        rte_pktmbuf_headroom(departure.packet) < max_outer_bytes) [[unlikely]] {
        drop(departure.packet, DropReason::too_big);
        return false;
    }
    session.tx.blocks_left -= static_cast<std::int64_t>(crypto::key_limits::cost(bytes));
    if (session.tx.sequence.exhausted() || session.tx.blocks_left < 0) [[unlikely]] {
        if (!session.exhausted_told)
            session.exhausted_told = tell(Notice::Kind::key_exhausted, session);
        drop(departure.packet, DropReason::key_exhausted);
        return false;
    }
    departure.sequence = session.tx.sequence.take();
    session.figures.last_tx.set(now_);
    ++session.figures.tx_records;
    ++session.tx.records;
    if (!session.rekey_told && session.rekey_due()) [[unlikely]]
        session.rekey_told = tell(Notice::Kind::rekey_due, session);
    if (departure.inner_bytes == 0)
        return true;
    if (session.figures.unanswered_since.get() == 0)
        session.figures.unanswered_since.set(now_);
    session.figures.tx_packets.add(1);
    session.figures.tx_bytes.add(departure.inner_bytes);
    session.peer->counters[raw(id_)].tx_packets.add(1);
    session.peer->counters[raw(id_)].tx_bytes.add(departure.inner_bytes);
    return true;
}

/// Ethernet, IP and UDP in front of the format's header. The UDP checksum of IPv6 waits for the ciphertext; IPv4
/// goes without one, as RFC 768 allows: the tag protects more than it would. Null: the next hop is not known.
const NextHop* Worker::write_outer(const Departure& departure) noexcept {
    Session& session = *departure.session;
    const OuterTemplate& outer = session.tx.outer;
    const NextHop* hop = tables_.next_hops[session.next_hop.load(std::memory_order_relaxed)].get();
    const auto payload = static_cast<std::uint16_t>(rte_pktmbuf_data_len(departure.packet));
    std::uint8_t* l3 = reinterpret_cast<std::uint8_t*>(rte_pktmbuf_prepend(departure.packet, outer.length));
    std::memcpy(l3, outer.bytes.data(), outer.length);
    const auto udp_bytes = static_cast<std::uint16_t>(payload + sizeof(UdpHeader));
    reinterpret_cast<UdpHeader*>(l3 + outer.length - sizeof(UdpHeader))->length = udp_bytes;
    be16 type = ether_type::ipv4;
    if (outer.v6) {
        auto& ip = *reinterpret_cast<Ipv6Header*>(l3);
        ip.version_class_flow = std::uint32_t{6} << 28 | std::uint32_t{departure.outer_tos} << 20;
        ip.payload_length = udp_bytes;
        type = ether_type::ipv6;
    } else {
        auto& ip = *reinterpret_cast<Ipv4Header*>(l3);
        ip.tos = departure.outer_tos;
        ip.total_length = static_cast<std::uint16_t>(payload + outer.length);
        ip.checksum =
            OnesSum(outer.partial_sum).plus(be16(departure.outer_tos)).plus(ip.total_length).complement();
    }
    if (hop == nullptr || !hop->known) [[unlikely]]
        return nullptr;
    std::uint8_t* link = reinterpret_cast<std::uint8_t*>(rte_pktmbuf_prepend(departure.packet, hop->length));
    std::memcpy(link, hop->bytes.data(), hop->length);
    std::memcpy(l3 - sizeof type, &type, sizeof type);
    return hop;
}

bool Worker::tell(Notice::Kind kind, const Session& session) noexcept {
    return around_.notices.enqueue({.packet = nullptr,
                                    .session = raw(session.index),
                                    .value = 0,
                                    .remote = session.remote,
                                    .kind = kind,
                                    .worker = raw(id_),
                                    .content_type = 0});
}

} // namespace culvert::dataplane
