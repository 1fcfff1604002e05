#include "dataplane/icmp_answer.h"

#include "dataplane/checksum.h"
#include "dataplane/extension_headers.h"
#include "dataplane/inner_packet.h"

#include <cstring>

namespace culvert::dataplane {
namespace {

constexpr std::uint8_t initial_ttl = 64;
constexpr std::uint8_t internetwork_control = 0xc0; // precedence 6, RFC 1812 §4.3.2.5
constexpr std::uint32_t longest_v4 = 576, longest_v6 = 1280;

struct TypeAndCode {
    std::uint8_t type, code;
};

TypeAndCode type_v4(IcmpAnswer kind) {
    switch (kind) {
    case IcmpAnswer::net_unreachable:
        return {3, 0};
    case IcmpAnswer::host_unreachable:
        return {3, 1};
    case IcmpAnswer::time_exceeded:
        return {11, 0};
    case IcmpAnswer::packet_too_big:
        return {3, 4};
    case IcmpAnswer::admin_prohibited:
        return {3, 13};
    }
    return {3, 0};
}

TypeAndCode type_v6(IcmpAnswer kind) {
    switch (kind) {
    case IcmpAnswer::net_unreachable:
        return {1, 0};
    case IcmpAnswer::host_unreachable:
        return {1, 3};
    case IcmpAnswer::time_exceeded:
        return {3, 0};
    case IcmpAnswer::packet_too_big:
        return {2, 0};
    case IcmpAnswer::admin_prohibited:
        return {1, 1};
    }
    return {1, 0};
}

/// RFC 1122 §3.2.2: the types that are errors, redirects among them.
bool is_error_v4(std::uint8_t type) {
    return (type >= 3 && type <= 5) || type == 11 || type == 12;
}
/// RFC 4443 §2.1, §2.4 e: errors are below 128; a redirect is 137.
bool is_error_v6(std::uint8_t type) {
    return type < 128 || type == 137;
}

/// Whether the upper layer, at `at`, may be answered. An ICMP message whose type isn't there may be an error.
bool upper_is_due(const std::uint8_t* packet, std::uint32_t length, std::uint32_t at, bool icmp,
                  bool (*is_error)(std::uint8_t)) {
    return !icmp || (at < length && !is_error(packet[at]));
}

bool is_due(const std::uint8_t* packet, std::uint32_t length) {
    if (!is_routable_source(packet) || !is_routable_destination(packet))
        return false;
    if (packet[0] >> 4 == 4) {
        const auto& ip = *reinterpret_cast<const Ipv4Header*>(packet);
        return !ip.is_later_fragment() &&
               upper_is_due(packet, length, ip.header_bytes(), ip.protocol == ip_protocol::icmp, is_error_v4);
    }
    const auto upper = upper_layer(packet, length, AtFragment::go_on);
    return upper && !upper->later_fragment &&
           upper_is_due(packet, length, upper->at, upper->protocol == ip_protocol::icmp6, is_error_v6);
}

void write_v4(std::uint8_t* answer, std::uint32_t length, const std::uint8_t* offender, IcmpAnswer kind,
              const IpAddress& own, std::uint16_t mtu) {
    auto& ip = *reinterpret_cast<Ipv4Header*>(answer);
    ip.version_ihl = 0x45;
    ip.tos = internetwork_control;
    ip.total_length = static_cast<std::uint16_t>(length);
    ip.id = std::uint16_t{0}; // with Don't Fragment an id has no meaning (RFC 6864 §4.1)
    ip.fragment = std::uint16_t{0x4000};
    ip.ttl = initial_ttl;
    ip.protocol = ip_protocol::icmp;
    ip.source = own.as_v4();
    ip.destination = reinterpret_cast<const Ipv4Header*>(offender)->source;
    ip.checksum = ipv4_header_checksum(ip);

    auto& icmp = *reinterpret_cast<IcmpHeader*>(answer + sizeof ip);
    const auto [type, code] = type_v4(kind);
    icmp = {type, code, std::uint16_t{0}, kind == IcmpAnswer::packet_too_big ? mtu : 0U};
    icmp.checksum = internet_checksum(&icmp, length - sizeof ip);
}

void write_v6(std::uint8_t* answer, std::uint32_t length, const std::uint8_t* offender, IcmpAnswer kind,
              const IpAddress& own, std::uint16_t mtu) {
    auto& ip = *reinterpret_cast<Ipv6Header*>(answer);
    ip.version_class_flow = std::uint32_t{6} << 28 | std::uint32_t{internetwork_control} << 20;
    ip.payload_length = static_cast<std::uint16_t>(length - sizeof ip);
    ip.next_header = ip_protocol::icmp6;
    ip.hop_limit = initial_ttl;
    ip.source = own.bytes;
    ip.destination = reinterpret_cast<const Ipv6Header*>(offender)->source;

    auto& icmp = *reinterpret_cast<IcmpHeader*>(answer + sizeof ip);
    const auto [type, code] = type_v6(kind);
    const std::uint32_t told = std::max<std::uint32_t>(mtu, longest_v6);
    icmp = {type, code, std::uint16_t{0}, kind == IcmpAnswer::packet_too_big ? told : 0U};
    const auto bytes = static_cast<std::uint32_t>(length - sizeof ip);
    icmp.checksum = pseudo_header_sum(ip, ip_protocol::icmp6, bytes).plus(ones_sum(&icmp, bytes)).complement();
}

} // namespace

rte_mbuf* make_icmp_answer(const rte_mbuf* offender, IcmpAnswer kind, const IpAddress& own, std::uint16_t mtu,
                           rte_mempool* pool) noexcept {
    const auto* packet = rte_pktmbuf_mtod(offender, const std::uint8_t*);
    const auto inner = parse_inner(packet, offender->data_len);
    if (!inner || own.is_unspecified() || own.is_v4() != (inner->version == 4) ||
        !is_due(packet, inner->total_bytes))
        return nullptr;
    const bool v4 = inner->version == 4;
    const std::uint32_t headers = (v4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header)) + sizeof(IcmpHeader);
    const std::uint32_t length = std::min(headers + inner->total_bytes, v4 ? longest_v4 : longest_v6);

    rte_mbuf* answer = rte_pktmbuf_alloc(pool);
    if (answer == nullptr)
        return nullptr;
    auto* bytes = reinterpret_cast<std::uint8_t*>(rte_pktmbuf_append(answer, static_cast<std::uint16_t>(length)));
    if (bytes == nullptr) {
        rte_pktmbuf_free(answer);
        return nullptr;
    }
    std::memcpy(bytes + headers, packet, length - headers);
    (v4 ? write_v4 : write_v6)(bytes, length, packet, kind, own, mtu);
    return answer;
}

} // namespace culvert::dataplane
