#include "dataplane/outer_packet.h"

#include "dataplane/checksum.h"
#include "dataplane/headers.h"
#include "dataplane/remote_tag.h"

#include <algorithm>
#include <cstring>
#include <optional>

namespace culvert::dataplane {
namespace {

OuterKind refuse(Arrival& arrival, DropReason reason) noexcept {
    arrival.reason = static_cast<std::uint8_t>(reason);
    return OuterKind::drop;
}

struct Link {
    std::uint16_t type;
    std::uint16_t bytes;
};

/// Ethernet type behind the tag that the port asks for.
std::optional<Link> parse_link(const rte_mbuf* frame, std::uint16_t vlan) noexcept {
    const std::uint32_t length = rte_pktmbuf_data_len(frame);
    if (length < sizeof(EthernetHeader) + sizeof(VlanHeader))
        return std::nullopt;
    const auto& ethernet = *reinterpret_cast<const EthernetHeader*>(data(frame));
    if (vlan == 0)
        return Link{ethernet.type, sizeof ethernet};
    const auto& tag = *reinterpret_cast<const VlanHeader*>(&ethernet + 1);
    if (ethernet.type != ether_type::vlan || (tag.tag & 0x0fff) != vlan)
        return std::nullopt;
    return Link{tag.type, sizeof ethernet + sizeof tag};
}

bool is_local(const std::vector<IpAddress>* local, const IpAddress& address) noexcept {
    return local != nullptr && std::ranges::find(*local, address) != local->end();
}

/// Common end of both families: `udp_bytes` are there from `udp_offset` on.
OuterKind parse_udp(rte_mbuf* frame, std::uint32_t udp_offset, std::uint32_t udp_bytes,
                    Arrival& arrival) noexcept {
    const auto& udp = *rte_pktmbuf_mtod_offset(frame, const UdpHeader*, udp_offset);
    const std::uint16_t length = udp.length;
    if (length < sizeof udp || length > udp_bytes)
        return refuse(arrival, DropReason::outer_malformed);
    if ((frame->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_BAD)
        return refuse(arrival, DropReason::outer_checksum);
    arrival.packet = frame;
    arrival.from_new_endpoint = arrival.index_fits = false;
    const std::uint32_t surplus = rte_pktmbuf_data_len(frame) - udp_offset - length; // Ethernet's padding
    rte_pktmbuf_trim(frame, static_cast<std::uint16_t>(surplus));
    rte_pktmbuf_adj(frame, static_cast<std::uint16_t>(udp_offset + sizeof udp));
    return OuterKind::tunnel;
}

OuterKind parse_v4(const OuterContext& context, rte_mbuf* frame, std::uint16_t link_bytes,
                   Arrival& arrival) noexcept {
    const std::uint32_t length = rte_pktmbuf_data_len(frame) - link_bytes; // not negative: parse_link() looked
    const auto& ip = *rte_pktmbuf_mtod_offset(frame, const Ipv4Header*, link_bytes);
    if (length < sizeof ip || ip.version() != 4 || ip.protocol != ip_protocol::udp)
        return OuterKind::kernel;
    const std::uint32_t header = ip.header_bytes(), total = ip.total_length;
    if (header < sizeof ip || length < header + sizeof(UdpHeader) || ip.is_later_fragment())
        return OuterKind::kernel;
    const auto& udp = *rte_pktmbuf_mtod_offset(frame, const UdpHeader*, link_bytes + header);
    arrival.format = context.listeners.at(udp.destination);
    if (arrival.format == ListenerTable::none || !is_local(context.local, IpAddress::v4(ip.destination)))
        return OuterKind::kernel;
    if (total > length)
        return refuse(arrival, DropReason::outer_truncated);
    if (total < header + sizeof udp)
        return refuse(arrival, DropReason::outer_malformed);
    if (ip.is_fragment())
        return refuse(arrival, DropReason::outer_fragment);
    const std::uint64_t checked =
        frame->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK; // NONE: right, but not in the header
    if (checked == RTE_MBUF_F_RX_IP_CKSUM_BAD ||
        (checked == RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN && !ipv4_checksum_ok(ip)))
        return refuse(arrival, DropReason::outer_checksum);
    arrival.l3 = reinterpret_cast<const std::uint8_t*>(&ip);
    arrival.outer_v6 = false;
    arrival.outer_ecn = ip.tos & 3;
    arrival.remote_tag = remote_tag(ip.source, udp.source, udp.destination);
    return parse_udp(frame, link_bytes + header, total - header, arrival);
}

/// The piece with the UDP header of a fragmented datagram for one of our listeners (RFC 8200 §4.5).
bool is_first_udp_fragment(const OuterContext& context, const Ipv6Header& ip, std::uint32_t length) noexcept {
    constexpr std::uint32_t header_bytes = 8;
    if (length < sizeof ip + header_bytes + sizeof(UdpHeader) ||
        !is_local(context.local, IpAddress::v6(ip.destination)))
        return false;
    const auto* header = reinterpret_cast<const std::uint8_t*>(&ip + 1);
    be16 offset;
    std::memcpy(&offset, header + 2, sizeof offset);
    const auto& udp = *reinterpret_cast<const UdpHeader*>(header + header_bytes);
    return header[0] == ip_protocol::udp && (offset & 0xfff8) == 0 &&
           context.listeners.at(udp.destination) != ListenerTable::none;
}

OuterKind parse_v6(const OuterContext& context, rte_mbuf* frame, std::uint16_t link_bytes,
                   Arrival& arrival) noexcept {
    const std::uint32_t length = rte_pktmbuf_data_len(frame) - link_bytes;
    const auto& ip = *rte_pktmbuf_mtod_offset(frame, const Ipv6Header*, link_bytes);
    if (length < sizeof ip + sizeof(UdpHeader) || ip.version() != 6)
        return OuterKind::kernel;
    if (ip.next_header == ip_protocol::fragment && is_first_udp_fragment(context, ip, length))
        return refuse(arrival, DropReason::outer_fragment);
    if (ip.next_header != ip_protocol::udp)
        return OuterKind::kernel;
    const auto& udp = *rte_pktmbuf_mtod_offset(frame, const UdpHeader*, link_bytes + sizeof ip);
    arrival.format = context.listeners.at(udp.destination);
    if (arrival.format == ListenerTable::none || !is_local(context.local, IpAddress::v6(ip.destination)))
        return OuterKind::kernel;
    const std::uint32_t payload = ip.payload_length;
    if (payload + sizeof ip > length)
        return refuse(arrival, DropReason::outer_truncated);
    if (payload < sizeof udp)
        return refuse(arrival, DropReason::outer_malformed);
    arrival.l3 = reinterpret_cast<const std::uint8_t*>(&ip);
    arrival.outer_v6 = true;
    arrival.outer_ecn = ip.traffic_class() & 3;
    arrival.remote_tag = remote_tag(ip.source, udp.source, udp.destination);
    return parse_udp(frame, link_bytes + sizeof ip, payload, arrival);
}

/// What an ICMP error quotes: our packet's destination, if its source port is one of our listeners.
PathMtuHint quoted(const OuterContext& context, const UdpHeader& udp, const IpAddress& destination,
                   std::uint32_t mtu) noexcept {
    if (context.listeners.at(udp.source) == ListenerTable::none)
        return {};
    return {{destination, udp.destination}, mtu};
}

} // namespace

OuterKind parse_outer(const OuterContext& context, rte_mbuf* frame, Arrival& arrival) noexcept {
    const auto link = parse_link(frame, context.vlan);
    if (!link || frame->nb_segs != 1)
        return OuterKind::kernel;
    if (link->type == ether_type::ipv4)
        return parse_v4(context, frame, link->bytes, arrival);
    if (link->type == ether_type::ipv6)
        return parse_v6(context, frame, link->bytes, arrival);
    return OuterKind::kernel;
}

bool untag(rte_mbuf* frame, std::uint16_t vlan) noexcept {
    if (vlan == 0)
        return true;
    if (!parse_link(frame, vlan))
        return false;
    std::memmove(data(frame) + sizeof(VlanHeader), data(frame), 2 * sizeof(EthernetHeader::source));
    rte_pktmbuf_adj(frame, sizeof(VlanHeader));
    return true;
}

bool tag(rte_mbuf* frame, std::uint16_t vlan) noexcept {
    if (vlan == 0)
        return true;
    if (rte_pktmbuf_data_len(frame) < sizeof(EthernetHeader) || rte_pktmbuf_headroom(frame) < sizeof(VlanHeader))
        return false;
    const std::uint8_t* addresses = data(frame);
    rte_pktmbuf_prepend(frame, sizeof(VlanHeader));
    std::memmove(data(frame), addresses, 2 * sizeof(EthernetHeader::source));
    const be16 inserted[2] = {ether_type::vlan, vlan};
    std::memcpy(data(frame) + 2 * sizeof(EthernetHeader::source), inserted, sizeof inserted);
    return true;
}

PathMtuHint parse_path_mtu_hint(const OuterContext& context, const rte_mbuf* frame) noexcept {
    const auto link = parse_link(frame, context.vlan);
    if (!link)
        return {};
    const std::uint8_t* at = data(frame) + link->bytes;
    const std::uint32_t length = rte_pktmbuf_data_len(frame) - link->bytes;
    constexpr std::uint32_t v4_needed = 2 * sizeof(Ipv4Header) + sizeof(IcmpHeader) + sizeof(UdpHeader);
    constexpr std::uint32_t v6_needed = 2 * sizeof(Ipv6Header) + sizeof(IcmpHeader) + sizeof(UdpHeader);
    if (link->type == ether_type::ipv4 && length >= v4_needed && at[0] == 0x45 && at[9] == ip_protocol::icmp) {
        const auto& icmp = *reinterpret_cast<const IcmpHeader*>(at + sizeof(Ipv4Header));
        const auto& ip = *reinterpret_cast<const Ipv4Header*>(&icmp + 1);
        if (icmp.type == 3 && icmp.code == 4 && ip.version_ihl == 0x45 && ip.protocol == ip_protocol::udp)
            return quoted(context, *reinterpret_cast<const UdpHeader*>(&ip + 1), IpAddress::v4(ip.destination),
                          icmp.rest & 0xffff);
    }
    if (link->type == ether_type::ipv6 && length >= v6_needed && at[6] == ip_protocol::icmp6) {
        const auto& icmp = *reinterpret_cast<const IcmpHeader*>(at + sizeof(Ipv6Header));
        const auto& ip = *reinterpret_cast<const Ipv6Header*>(&icmp + 1);
        if (icmp.type == 2 && ip.version() == 6 && ip.next_header == ip_protocol::udp)
            return quoted(context, *reinterpret_cast<const UdpHeader*>(&ip + 1), IpAddress::v6(ip.destination),
                          icmp.rest);
    }
    return {};
}

Endpoint source_of(const rte_mbuf* payload, const std::uint8_t* l3, bool v6) noexcept {
    const auto& udp = *reinterpret_cast<const UdpHeader*>(data(payload) - sizeof(UdpHeader));
    if (v6)
        return {IpAddress::v6(reinterpret_cast<const Ipv6Header*>(l3)->source), udp.source};
    return {IpAddress::v4(reinterpret_cast<const Ipv4Header*>(l3)->source), udp.source};
}

Endpoint destination_of(const rte_mbuf* payload, const std::uint8_t* l3, bool v6) noexcept {
    const auto& udp = *reinterpret_cast<const UdpHeader*>(data(payload) - sizeof(UdpHeader));
    if (v6)
        return {IpAddress::v6(reinterpret_cast<const Ipv6Header*>(l3)->destination), udp.destination};
    return {IpAddress::v4(reinterpret_cast<const Ipv4Header*>(l3)->destination), udp.destination};
}

} // namespace culvert::dataplane
