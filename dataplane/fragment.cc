#include "dataplane/fragment.h"

#include "dataplane/checksum.h"
#include "dataplane/headers.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace culvert::dataplane {
namespace {

constexpr std::uint16_t more_fragments = 0x2000, offset_mask = 0x1fff;

/// An IPv4 header with options, as it goes before each fragment.
struct Header {
    std::array<std::uint8_t, 60> bytes{};
    std::uint32_t length = 0;
};

/// The header of all fragments but the first: the options whose copied flag is set, and no others (RFC 791 §3.1).
Header later_header(const std::uint8_t* packet, std::uint32_t header_bytes) {
    constexpr std::uint8_t end = 0, no_operation = 1, copied = 0x80;
    Header made;
    std::memcpy(made.bytes.data(), packet, sizeof(Ipv4Header));
    std::uint32_t filled = sizeof(Ipv4Header);
    for (std::uint32_t at = sizeof(Ipv4Header); at < header_bytes && packet[at] != end;) {
        if (packet[at] == no_operation) {
            ++at;
            continue;
        }
        const std::uint32_t left = header_bytes - at;
        if (left < 2 || packet[at + 1] < 2 || packet[at + 1] > left)
            break; // malformed: what follows is no option
        const std::uint8_t length = packet[at + 1];
        if ((packet[at] & copied) != 0) {
            std::memcpy(made.bytes.data() + filled, packet + at, length);
            filled += length;
        }
        at += length;
    }
    made.length = (filled + 3) / 4 * 4;
    made.bytes[0] = static_cast<std::uint8_t>(0x40 | made.length / 4);
    return made;
}

/// What of the payload goes into each fragment: all but the last a multiple of 8.
struct Cut {
    std::uint32_t first, later;
    unsigned count;
};

Cut cut(std::uint32_t payload, std::uint32_t mtu, std::uint32_t first_header, std::uint32_t header) {
    if (mtu < first_header + 8)
        return {0, 0, 0};
    if (first_header + payload <= mtu)
        return {payload, 0, 1};
    const std::uint32_t first = (mtu - first_header) & ~7U, later = (mtu - header) & ~7U;
    const std::uint32_t rest = payload - first,
                        room = mtu - header; // the last may fill its room with no multiple of 8
    const std::uint32_t before_last = rest <= room ? 0 : (rest - room + later - 1) / later;
    return {first, later, before_last + 2};
}

void write_fragment(rte_mbuf* to, const Header& header, std::uint16_t fragment_field, const std::uint8_t* payload,
                    std::uint32_t length) {
    auto* bytes = rte_pktmbuf_mtod(to, std::uint8_t*);
    std::memcpy(bytes, header.bytes.data(), header.length);
    std::memcpy(bytes + header.length, payload, length);
    auto& ip = *reinterpret_cast<Ipv4Header*>(bytes);
    ip.total_length = static_cast<std::uint16_t>(header.length + length);
    ip.fragment = fragment_field;
    ip.checksum = ipv4_header_checksum(ip);
    to->data_len = static_cast<std::uint16_t>(header.length + length);
    to->pkt_len = to->data_len;
}

} // namespace

unsigned fragment_ipv4(const rte_mbuf* packet, std::uint16_t inner_mtu, rte_mempool* pool,
                       std::span<rte_mbuf*> out) noexcept {
    const auto* bytes = rte_pktmbuf_mtod(packet, const std::uint8_t*);
    const auto& ip = *reinterpret_cast<const Ipv4Header*>(bytes);
    Header first;
    first.length = ip.header_bytes();
    const std::uint32_t payload = ip.total_length - first.length;
    if (ip.dont_fragment() || packet->data_len < ip.total_length)
        return 0;
    if ((ip.fragment & offset_mask) + payload / 8 > offset_mask)
        return 0;
    std::memcpy(first.bytes.data(), bytes, first.length);
    const Header later = later_header(bytes, first.length);
    const Cut pieces = cut(payload, inner_mtu, first.length, later.length);
    const std::uint32_t longest = std::min<std::uint32_t>(inner_mtu, ip.total_length);
    if (pieces.count == 0 || pieces.count > out.size() ||
        longest + RTE_PKTMBUF_HEADROOM > rte_pktmbuf_data_room_size(pool) ||
        rte_pktmbuf_alloc_bulk(pool, out.data(), pieces.count) != 0)
        return 0;

    std::uint32_t done = 0;
    for (unsigned i = 0; i < pieces.count; ++i) {
        const bool last = i + 1 == pieces.count;
        const std::uint32_t length = last ? payload - done : i == 0 ? pieces.first : pieces.later;
        const auto field =
            static_cast<std::uint16_t>(ip.fragment + done / 8); // keeps a fragment's own More Fragments
        write_fragment(out[i], i == 0 ? first : later, last ? field : field | more_fragments,
                       bytes + first.length + done, length);
        done += length;
    }
    return pieces.count;
}

} // namespace culvert::dataplane
