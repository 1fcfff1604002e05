#include "dataplane/checksum.h"
#include "dataplane/dpdk_dataplane.h"
#include "dataplane/headers.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <rte_mbuf.h>

/// What passes between control and the workers: frames to seal, datagrams of handshakes, notices.
namespace culvert::dataplane {
namespace {

constexpr std::size_t notices_a_poll = 256;

struct FreesPacket {
    void operator()(rte_mbuf* packet) const { rte_pktmbuf_free(packet); }
};
using Packet = std::unique_ptr<rte_mbuf, FreesPacket>;

/// Lengths and checksums of an outer packet whose template lies at `l3` and whose UDP payload follows.
void finish_outer(std::uint8_t* l3, const OuterTemplate& outer, std::size_t payload) {
    auto& udp = *reinterpret_cast<UdpHeader*>(l3 + outer.length - sizeof(UdpHeader));
    udp.length = static_cast<std::uint16_t>(payload + sizeof udp);
    if (outer.v6) {
        auto& ip = *reinterpret_cast<Ipv6Header*>(l3);
        ip.payload_length = udp.length;
        return finish_udp6(ip, udp);
    }
    auto& ip = *reinterpret_cast<Ipv4Header*>(l3);
    ip.total_length = static_cast<std::uint16_t>(payload + outer.length);
    ip.checksum = ipv4_header_checksum(ip);
    const be16 sum =
        pseudo_header_sum(ip, ip_protocol::udp, udp.length).plus(ones_sum(&udp, udp.length)).complement();
    udp.checksum = sum == 0 ? be16(std::uint16_t{0xffff}) : sum;
}

} // namespace

/// Sends a session's owner something to do, in a packet of its own.
bool DpdkDataplane::command(const Session& session, PacketMeta::Kind kind, std::span<const std::uint8_t> bytes,
                            std::uint16_t padded_to) {
    rte_mbuf* packet = rte_pktmbuf_alloc(packets_);
    if (packet == nullptr)
        return false;
    if (bytes.size() + crypto::tag_bytes > rte_pktmbuf_tailroom(packet)) {
        rte_pktmbuf_free(packet);
        return false;
    }
    std::memcpy(rte_pktmbuf_append(packet, static_cast<std::uint16_t>(bytes.size())), bytes.data(), bytes.size());
    meta(packet) = {};
    meta(packet).kind = kind;
    meta(packet).session = raw(session.index);
    meta(packet).padded_to = padded_to;
    const bool taken = workers_[raw(session.owner)]->from_control().enqueue({&packet, 1}) == 1;
    if (!taken)
        rte_pktmbuf_free(packet);
    return taken;
}

bool DpdkDataplane::seal_frame(SessionIndex index, std::span<const std::uint8_t> frame, std::uint16_t padded_to) {
    const Session* session = tables_->sessions.find(index);
    if (session == nullptr || padded_to > ports_[raw(session->port)]->settings().mtu)
        return false;
    return command(*session, PacketMeta::Kind::frame, frame, padded_to);
}

void DpdkDataplane::set_local_address(SessionIndex index, const IpAddress& address) {
    if (const Session* session = tables_->sessions.find(index))
        command(*session, PacketMeta::Kind::readdress, address.bytes, 0);
}

bool DpdkDataplane::transmit(const Datagram& datagram, NextHopId id) {
    NextHop hop;
    {
        const std::lock_guard lock(hops_mutex_);
        if (raw(id) >= hops_.size() || !hops_[raw(id)].known)
            return false;
        hop = hops_[raw(id)];
    }
    OuterTemplate outer;
    outer.build(datagram.local, datagram.remote);
    const std::size_t length = hop.length + outer.length + datagram.payload.size();
    rte_mbuf* packet = rte_pktmbuf_alloc(packets_);
    if (packet == nullptr)
        return false;
    auto* at =
        length <= rte_pktmbuf_tailroom(packet)
            ? reinterpret_cast<std::uint8_t*>(rte_pktmbuf_append(packet, static_cast<std::uint16_t>(length)))
            : nullptr;
    if (at == nullptr) {
        rte_pktmbuf_free(packet);
        return false;
    }
    std::uint8_t* l3 = at + hop.length;
    std::memcpy(at, hop.bytes.data(), hop.length);
    const be16 type = outer.v6 ? ether_type::ipv6 : ether_type::ipv4;
    std::memcpy(l3 - sizeof type, &type, sizeof type);
    std::memcpy(l3, outer.bytes.data(), outer.length);
    std::memcpy(l3 + outer.length, datagram.payload.data(), datagram.payload.size());
    finish_outer(l3, outer, datagram.payload.size());
    meta(packet) = {};
    meta(packet).kind = PacketMeta::Kind::datagram;
    meta(packet).session = raw(hop.port);
    const std::size_t worker = raw(datagram.worker) < workers_.size() ? raw(datagram.worker) : 0;
    const bool taken = workers_[worker]->from_control().enqueue({&packet, 1}) == 1;
    if (!taken)
        rte_pktmbuf_free(packet);
    return taken;
}

Datagram DpdkDataplane::datagram(const NoticeRecord& record) const {
    const rte_mbuf* packet = record.packet;
    const PacketMeta& carried = meta(record.packet);
    const auto* l3 = static_cast<const std::uint8_t*>(packet->buf_addr) + carried.l3_offset;
    const auto port = std::ranges::find(ports_, packet->port, [](const auto& p) { return p->id(); });
    return {.port = PortId{static_cast<std::uint16_t>(port == ports_.end() ? 0 : (*port)->ordinal())},
            .worker = WorkerId{record.worker},
            .local = destination_of(packet, l3, carried.outer_v6),
            .remote = record.remote,
            .payload = {data(packet), rte_pktmbuf_data_len(packet)}};
}

Notice DpdkDataplane::notice(const NoticeRecord& record) const {
    Notice notice;
    notice.kind = record.kind;
    notice.session = SessionIndex{record.session};
    notice.worker = WorkerId{record.worker};
    notice.remote = record.remote;
    notice.content_type = record.content_type;
    notice.value = record.value;
    if (record.packet != nullptr)
        notice.bytes = {data(record.packet), rte_pktmbuf_data_len(record.packet)};
    if (record.kind == Notice::Kind::handshake) {
        const Datagram whole = datagram(record);
        notice.port = whole.port;
        notice.local = whole.local;
    }
    return notice;
}

std::size_t DpdkDataplane::poll_strangers(const std::function<void(const Datagram&)>& each) {
    NoticeRecord record{};
    std::size_t count = 0;
    for (; count < notices_a_poll && strangers_->dequeue(record); ++count) {
        const Packet owned(record.packet);
        each(datagram(record));
    }
    return count;
}

std::size_t DpdkDataplane::poll_notices(const std::function<void(const Notice&)>& each) {
    tables_->reclaimer.poll();
    NoticeRecord record{};
    std::size_t count = 0;
    for (; count < notices_a_poll && notices_->dequeue(record); ++count) {
        if (record.kind == Notice::Kind::roamed)
            tables_->sessions.move(SessionIndex{record.session}, record.remote);
        const Packet owned(record.packet);
        each(notice(record));
    }
    return count;
}

} // namespace culvert::dataplane
