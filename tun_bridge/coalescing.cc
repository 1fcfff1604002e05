#include "tun_bridge/coalescing.h"

#include "dataplane/checksum.h"
#include "dataplane/headers.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace culvert::tun_bridge {

using dataplane::be16;
using dataplane::Ipv4Header;
using dataplane::Ipv6Header;
using dataplane::OnesSum;
using dataplane::TcpHeader;
using dataplane::UdpHeader;
namespace ip_protocol = dataplane::ip_protocol;

namespace {

constexpr std::uint8_t fin = 0x01, syn = 0x02, rst = 0x04, psh = 0x08, ack = 0x10, urg = 0x20, cwr = 0x80;
constexpr std::uint32_t max_bytes = 65535;  // what IPv4's total length can say
constexpr std::uint16_t max_datagrams = 64; // the kernel's UDP_MAX_SEGMENTS

const Ipv4Header& ipv4(const std::uint8_t* packet) {
    return *reinterpret_cast<const Ipv4Header*>(packet);
}
const Ipv6Header& ipv6(const std::uint8_t* packet) {
    return *reinterpret_cast<const Ipv6Header*>(packet);
}

std::uint32_t mix(std::uint64_t a, std::uint64_t b) noexcept {
    const std::uint64_t product = (a ^ 0x9e3779b97f4a7c15) * (b ^ 0xd6e8feb86659fd93);
    return static_cast<std::uint32_t>(product >> 32) ^ static_cast<std::uint32_t>(product);
}

std::uint64_t load64(const std::uint8_t* at) noexcept {
    std::uint64_t word;
    std::memcpy(&word, at, sizeof word);
    return word;
}

std::uint32_t load32(const std::uint8_t* at) noexcept {
    std::uint32_t word;
    std::memcpy(&word, at, sizeof word);
    return word;
}

/// Of addresses and ports, which lie at `l4`.
std::uint32_t flow_of(const std::uint8_t* packet, std::uint8_t version, std::uint16_t l4) noexcept {
    const std::uint32_t ports = load32(packet + l4);
    if (version == 4)
        return mix(load64(packet + offsetof(Ipv4Header, source)), ports);
    return mix(load64(packet + 8) ^ load64(packet + 24), mix(load64(packet + 16) ^ ports, load64(packet + 32)));
}

OnesSum pseudo_sum(const std::uint8_t* packet, std::uint8_t version, std::uint8_t protocol, std::uint32_t bytes) {
    return version == 4 ? pseudo_header_sum(ipv4(packet), protocol, static_cast<std::uint16_t>(bytes))
                        : pseudo_header_sum(ipv6(packet), protocol, bytes);
}

/// IPv4 headers without options, apart from length, id and checksum.
bool same_ipv4(const std::uint8_t* a, const std::uint8_t* b) noexcept {
    const Ipv4Header &x = ipv4(a), &y = ipv4(b);
    return x.tos == y.tos && x.fragment == y.fragment && x.ttl == y.ttl &&
           load64(a + offsetof(Ipv4Header, source)) == load64(b + offsetof(Ipv4Header, source));
}

/// Apart from length.
bool same_ipv6(const std::uint8_t* a, const std::uint8_t* b) noexcept {
    return load32(a) == load32(b) && ipv6(a).hop_limit == ipv6(b).hop_limit && std::memcmp(a + 8, b + 8, 32) == 0;
}

/// TCP headers of the same length, apart from sequence, FIN, PSH and checksum.
bool same_tcp(const std::uint8_t* a, const std::uint8_t* b, std::size_t bytes) noexcept {
    const auto &x = *reinterpret_cast<const TcpHeader*>(a), &y = *reinterpret_cast<const TcpHeader*>(b);
    return load32(a) == load32(b) && x.acknowledgment == y.acknowledgment && x.data_offset == y.data_offset &&
           ((x.flags ^ y.flags) & ~(fin | psh)) == 0 && x.window == y.window && x.urgent == y.urgent &&
           std::memcmp(a + sizeof x, b + sizeof y, bytes - sizeof x) == 0;
}

/// Whether IPv4 and L4 checksum are right, so that they may be replaced by new ones.
bool verified(const std::uint8_t* packet, std::uint8_t version, std::uint8_t protocol, std::uint16_t l4,
              std::uint32_t bytes) noexcept {
    return (version == 6 || dataplane::ipv4_checksum_ok(ipv4(packet))) &&
           pseudo_sum(packet, version, protocol, bytes - l4)
               .plus(dataplane::ones_sum(packet + l4, bytes - l4))
               .verifies();
}

} // namespace

Coalescer::Sort Coalescer::classify(const rte_mbuf& packet, Candidate& candidate) const noexcept {
    const auto* at = rte_pktmbuf_mtod(&packet, const std::uint8_t*);
    const std::uint32_t bytes = packet.data_len;
    if (packet.nb_segs != 1 || bytes < sizeof(Ipv4Header))
        return Sort::foreign;
    candidate.version = at[0] >> 4;
    bool plain = true; // nothing in the IP header that joining would lose
    if (candidate.version == 4) {
        candidate.l4 = ipv4(at).header_bytes();
        candidate.protocol = ipv4(at).protocol;
        if (ipv4(at).is_fragment())
            return Sort::fragment;
        plain = candidate.l4 == sizeof(Ipv4Header) && ipv4(at).total_length == bytes;
        if (candidate.l4 < sizeof(Ipv4Header))
            return Sort::foreign;
    } else if (candidate.version == 6 && bytes >= sizeof(Ipv6Header)) {
        candidate.l4 = sizeof(Ipv6Header);
        candidate.protocol = ipv6(at).next_header;
        // Whatever hides behind extension headers might be of any flow.
        if (candidate.protocol == ip_protocol::hop_by_hop || candidate.protocol == ip_protocol::routing ||
            candidate.protocol == ip_protocol::fragment || candidate.protocol == ip_protocol::destination_options)
            return Sort::fragment;
        plain = ipv6(at).payload_length + sizeof(Ipv6Header) == bytes;
    } else {
        return Sort::foreign;
    }
    const Sort sort = classify_l4(at, bytes, candidate);
    return sort == Sort::joinable && !plain ? Sort::alone : sort;
}

Coalescer::Sort Coalescer::classify_l4(const std::uint8_t* at, std::uint32_t bytes,
                                       Candidate& candidate) const noexcept {
    candidate.tcp_flags = 0;
    if (candidate.protocol == ip_protocol::tcp && tcp_ && candidate.l4 + sizeof(TcpHeader) <= bytes) {
        const auto& tcp = *reinterpret_cast<const TcpHeader*>(at + candidate.l4);
        candidate.flow = flow_of(at, candidate.version, candidate.l4);
        candidate.header_bytes = static_cast<std::uint16_t>(candidate.l4 + tcp.header_bytes());
        candidate.tcp_flags = tcp.flags;
        if (tcp.header_bytes() < sizeof tcp || candidate.header_bytes >= bytes ||
            (tcp.flags & (syn | rst | urg | cwr | ack)) != ack)
            return Sort::alone;
    } else if (candidate.protocol == ip_protocol::udp && udp_ && candidate.l4 + sizeof(UdpHeader) <= bytes) {
        const auto& udp = *reinterpret_cast<const UdpHeader*>(at + candidate.l4);
        candidate.flow = flow_of(at, candidate.version, candidate.l4);
        candidate.header_bytes = static_cast<std::uint16_t>(candidate.l4 + sizeof udp);
        if (candidate.header_bytes >= bytes || udp.length != bytes - candidate.l4 || udp.checksum == 0)
            return Sort::alone;
    } else {
        return Sort::foreign;
    }
    candidate.payload = static_cast<std::uint16_t>(bytes - candidate.header_bytes);
    return Sort::joinable;
}

/// Whether packet `index` is what a sender would have cut next from the group's data. Its checksum is not looked
/// at.
bool Coalescer::continues(const Group& group, const Open& open, std::uint16_t index,
                          const Candidate& candidate) const noexcept {
    const Candidate& head = open.head;
    const std::uint8_t *first = data(group.first), *packet = data(index);
    if (open.closed || candidate.header_bytes != head.header_bytes || candidate.version != head.version ||
        candidate.protocol != head.protocol || candidate.payload > head.payload ||
        group.bytes + candidate.payload > max_bytes)
        return false;
    if (head.version == 4) {
        const bool follows = ipv4(packet).id == static_cast<std::uint16_t>(ipv4(first).id + group.packets);
        if (!same_ipv4(first, packet) || (!follows && !ipv4(first).dont_fragment()))
            return false;
    } else if (!same_ipv6(first, packet)) {
        return false;
    }
    if (head.protocol == ip_protocol::udp)
        return load32(first + head.l4) == load32(packet + head.l4) && group.packets < max_datagrams;
    return reinterpret_cast<const TcpHeader*>(packet + head.l4)->sequence == open.next_sequence &&
           same_tcp(first + head.l4, packet + head.l4, std::size_t{head.header_bytes} - head.l4);
}

/// Appends packet `index` to the group if it continues it and both have right checksums.
bool Coalescer::join(Group& group, Open& open, std::uint16_t index, const Candidate& candidate) noexcept {
    const Candidate& head = open.head;
    if (!continues(group, open, index, candidate))
        return false;
    if (!open.head_verified)
        open.head_verified = verified(data(group.first), head.version, head.protocol, head.l4,
                                      std::uint32_t{head.header_bytes} + head.payload);
    if (!open.head_verified || !verified(data(index), head.version, head.protocol, head.l4,
                                         std::uint32_t{head.header_bytes} + candidate.payload))
        return false;
    next_[group.last] = index;
    group.last = index;
    ++group.packets;
    group.bytes += candidate.payload;
    open.next_sequence += candidate.payload;
    // Cut again, only the last may be shorter and carry PSH or FIN.
    open.closed = candidate.payload < head.payload || (candidate.tcp_flags & (psh | fin)) != 0;
    return true;
}

void Coalescer::open_group(std::uint16_t index, Sort sort, const Candidate& candidate) noexcept {
    Group& group = groups_[groups_used_];
    group = {.header = {}, .first = index, .last = index, .packets = 1, .bytes = burst_[index]->data_len};
    if (sort == Sort::foreign) {
        ++groups_used_;
        return;
    }
    if (sort == Sort::fragment) // nothing that comes after it may join a group before it
        ++generation_;
    if (sort == Sort::joinable || sort == Sort::alone) {
        Open& open = open_[groups_used_];
        open = {.head = candidate, .next_sequence = 0, .closed = true, .head_verified = false};
        if (sort == Sort::joinable) {
            open.closed = (candidate.tcp_flags & (psh | fin)) != 0;
            if (candidate.protocol == ip_protocol::tcp)
                open.next_sequence =
                    reinterpret_cast<const TcpHeader*>(data(index) + candidate.l4)->sequence + candidate.payload;
        }
        slots_[candidate.flow % slots_.size()] = {generation_, static_cast<std::uint16_t>(groups_used_)};
    }
    ++groups_used_;
}

/// Packets come from another core, so their bytes are in its cache or in none. Measured with cold ones: 1,220
/// cycles a packet without this, 720 with it.
void Coalescer::prefetch(std::size_t index) const noexcept {
    constexpr std::size_t descriptors_ahead = 8, data_ahead = 2;
    constexpr std::uint32_t bytes = 768; // from there on the processor's own prefetching follows
    if (index + descriptors_ahead < burst_.size())
        rte_prefetch0(burst_[index + descriptors_ahead]);
    if (index + data_ahead >= burst_.size())
        return;
    const rte_mbuf& packet = *burst_[index + data_ahead];
    const auto* at = rte_pktmbuf_mtod(&packet, const std::uint8_t*);
    for (std::uint32_t i = 0; i < std::min<std::uint32_t>(packet.data_len, bytes); i += RTE_CACHE_LINE_SIZE)
        rte_prefetch0(at + i);
}

std::span<Coalescer::Group> Coalescer::coalesce(std::span<rte_mbuf* const> burst) noexcept {
    burst_ = burst.first(std::min(burst.size(), max_burst));
    groups_used_ = 0;
    ++generation_;
    const auto count = static_cast<std::uint16_t>(burst_.size());
    for (std::uint16_t i = 0; i < count; ++i) {
        prefetch(i);
        Candidate candidate;
        const Sort sort = classify(*burst_[i], candidate);
        if (sort == Sort::joinable) {
            const Slot& slot = slots_[candidate.flow % slots_.size()];
            if (slot.generation == generation_ && join(groups_[slot.group], open_[slot.group], i, candidate))
                continue;
        }
        open_group(i, sort, candidate);
    }
    for (std::size_t i = 0; i < groups_used_; ++i)
        if (groups_[i].packets > 1)
            finish(groups_[i], open_[i].head);
    return {groups_.data(), groups_used_};
}

/// Makes the first packet's headers those of the whole group.
void Coalescer::finish(Group& group, const Candidate& head) const noexcept {
    auto* packet = rte_pktmbuf_mtod(burst_[group.first], std::uint8_t*);
    const bool tcp = head.protocol == ip_protocol::tcp;
    const std::uint32_t l4_bytes = group.bytes - head.l4;
    if (head.version == 4) {
        auto& ip = *reinterpret_cast<Ipv4Header*>(packet);
        ip.total_length = static_cast<std::uint16_t>(group.bytes);
        ip.checksum = ipv4_header_checksum(ip);
    } else {
        reinterpret_cast<Ipv6Header*>(packet)->payload_length = static_cast<std::uint16_t>(l4_bytes);
    }
    const be16 partial = pseudo_sum(packet, head.version, head.protocol, l4_bytes).folded();
    if (tcp) {
        auto& header = *reinterpret_cast<TcpHeader*>(packet + head.l4);
        const auto& last = *reinterpret_cast<const TcpHeader*>(data(group.last) + head.l4);
        header.flags = static_cast<std::uint8_t>(header.flags | (last.flags & (psh | fin)));
        header.checksum = partial;
    } else {
        auto& header = *reinterpret_cast<UdpHeader*>(packet + head.l4);
        header.length = static_cast<std::uint16_t>(l4_bytes);
        header.checksum = partial;
    }
    const auto tcp_type = head.version == 4 ? virtio_net::gso_tcp4 : virtio_net::gso_tcp6;
    const std::size_t checksum = tcp ? offsetof(TcpHeader, checksum) : offsetof(UdpHeader, checksum);
    group.header = {
        .flags = virtio_net::needs_checksum,
        .gso_type = tcp ? tcp_type : virtio_net::gso_udp,
        .header_bytes = head.header_bytes,
        .gso_size = head.payload,
        .checksum_start = head.l4,
        .checksum_offset = static_cast<std::uint16_t>(checksum),
    };
}

std::span<const iovec> Coalescer::vectors(Group& group) noexcept {
    vectors_[0] = {&group.header, sizeof group.header};
    vectors_[1] = {rte_pktmbuf_mtod(burst_[group.first], void*), burst_[group.first]->data_len};
    std::size_t used = 2;
    for (std::uint16_t index = group.first; index != group.last;) {
        index = next_[index];
        const std::uint16_t skip = group.header.header_bytes;
        vectors_[used++] = {rte_pktmbuf_mtod_offset(burst_[index], void*, skip),
                            std::size_t{burst_[index]->data_len} - skip};
    }
    return {vectors_.data(), used};
}

} // namespace culvert::tun_bridge
