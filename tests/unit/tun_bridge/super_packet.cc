#include "tests/unit/tun_bridge/super_packet.h"

#include <algorithm>
#include <array>
#include <gtest/gtest.h>

namespace culvert::testing {

using tun_bridge::Segmenter;
namespace virtio_net = tun_bridge::virtio_net;

SuperPacket super_packet(Bytes packet, std::uint16_t gso_size) {
    SuperPacket super = unfinished(std::move(packet));
    const bool four = super.packet[0] >> 4 == 4, tcp = super.header.checksum_offset == 16;
    super.header.gso_type = tcp ? (four ? virtio_net::gso_tcp4 : virtio_net::gso_tcp6) : virtio_net::gso_udp;
    super.header.gso_size = gso_size;
    return super;
}

SuperPacket unfinished(Bytes packet) {
    const bool four = packet.at(0) >> 4 == 4;
    const std::size_t l4 = four ? (packet[0] & 15U) * 4 : 40;
    const std::uint8_t protocol = packet.at(four ? 9 : 6);
    const std::size_t field = protocol == 6 ? 16 : 6, l4_bytes = packet.size() - l4;
    Bytes pseudo(packet.begin() + (four ? 12 : 8), packet.begin() + (four ? 20 : 40));
    pseudo.insert(pseudo.end(),
                  {0, protocol, static_cast<std::uint8_t>(l4_bytes >> 8), static_cast<std::uint8_t>(l4_bytes)});
    const auto sum = static_cast<std::uint16_t>(~plain_checksum(pseudo));
    packet.at(l4 + field) = static_cast<std::uint8_t>(sum >> 8);
    packet.at(l4 + field + 1) = static_cast<std::uint8_t>(sum);
    return {.header = {.flags = virtio_net::needs_checksum,
                       .gso_type = virtio_net::gso_none,
                       .header_bytes = static_cast<std::uint16_t>(std::min<std::size_t>(packet.size(), 200)),
                       .gso_size = 0,
                       .checksum_start = static_cast<std::uint16_t>(l4),
                       .checksum_offset = static_cast<std::uint16_t>(field)},
            .packet = std::move(packet)};
}

std::vector<Bytes> cut(Segmenter& segmenter, const SuperPacket& super, std::size_t at_once) {
    std::vector<Bytes> packets;
    EXPECT_EQ(segmenter.load(super.header, super.packet), Segmenter::Verdict::accepted);
    while (segmenter.remaining() > 0) {
        std::vector<rte_mbuf*> buffers(std::min<std::size_t>(segmenter.remaining(), at_once));
        EXPECT_EQ(rte_pktmbuf_alloc_bulk(test_pool(), buffers.data(), static_cast<unsigned>(buffers.size())), 0);
        const std::uint64_t bytes = segmenter.cut(buffers);
        std::size_t seen = 0;
        for (rte_mbuf* buffer : buffers) {
            EXPECT_EQ(buffer->data_off, RTE_PKTMBUF_HEADROOM);
            EXPECT_EQ(buffer->nb_segs, 1);
            EXPECT_EQ(buffer->pkt_len, buffer->data_len);
            EXPECT_EQ(buffer->port, 0xffff);
            packets.push_back(bytes_of(buffer));
            seen += packets.back().size();
        }
        EXPECT_EQ(bytes, seen);
        rte_pktmbuf_free_bulk(buffers.data(), static_cast<unsigned>(buffers.size()));
    }
    return packets;
}

} // namespace culvert::testing
