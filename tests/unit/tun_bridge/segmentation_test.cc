#include "tun_bridge/segmentation.h"

#include "tests/unit/tun_bridge/super_packet.h"

#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <memory>
#include <random>

namespace culvert::tun_bridge {
namespace {

using culvert::testing::Bytes;
using culvert::testing::checksums_right;
using culvert::testing::cut;
using culvert::testing::ipv4;
using culvert::testing::ipv6;
using culvert::testing::Packet;
using culvert::testing::super_packet;
using culvert::testing::SuperPacket;
using culvert::testing::test_buffer_bytes;
using culvert::testing::unfinished;
using ::testing::ElementsAre;
using Verdict = Segmenter::Verdict;

constexpr std::uint8_t fin = 0x01, psh = 0x08, ack = 0x10, ece = 0x40, cwr = 0x80;

Bytes stream(std::size_t bytes, unsigned seed = 1) {
    std::mt19937 random(seed);
    Bytes data(bytes);
    for (std::uint8_t& byte : data)
        byte = static_cast<std::uint8_t>(random());
    return data;
}

Bytes slice(const Bytes& data, std::size_t from, std::size_t bytes) {
    const auto begin = data.begin() + static_cast<std::ptrdiff_t>(from);
    return {begin, begin + static_cast<std::ptrdiff_t>(std::min(bytes, data.size() - from))};
}

const Bytes timestamps{1, 1, 8, 10, 0, 0, 1, 2, 0, 0, 3, 4};

TEST(Segmentation, CutsTcpOverIpv4) {
    const Bytes data = stream(3500);
    const auto segment = [&](std::uint16_t id, std::uint32_t sequence, std::uint8_t flags, const Bytes& payload) {
        return ipv4("10.1.0.1", "10.2.0.1")
            .id(id)
            .dont_fragment()
            .traffic_class(0x2a)
            .ttl(63)
            .tcp(5000, 80)
            .sequence(sequence)
            .acknowledgment(77)
            .window(501)
            .flags(flags)
            .tcp_options(timestamps)
            .payload(payload)
            .bytes();
    };
    SuperPacket super = super_packet(segment(0xfffe, 0xfffffc00, fin | psh | ack | ece | cwr, data), 1000);
    super.header.gso_type |= virtio_net::gso_ecn;
    Segmenter segmenter(test_buffer_bytes);
    EXPECT_THAT(cut(segmenter, super),
                ElementsAre(segment(0xfffe, 0xfffffc00, ack | ece | cwr, slice(data, 0, 1000)),
                            segment(0xffff, 0xffffffe8, ack | ece, slice(data, 1000, 1000)),
                            segment(0x0000, 0x000003d0, ack | ece, slice(data, 2000, 1000)),
                            segment(0x0001, 0x000007b8, fin | psh | ack | ece, slice(data, 3000, 500))));
}

TEST(Segmentation, CutsTcpOverIpv6) {
    const Bytes data = stream(2401);
    const auto segment = [&](std::uint32_t sequence, std::uint8_t flags, const Bytes& payload) {
        return ipv6("fd00:1::1", "fd00:2::1")
            .tcp(5000, 80)
            .sequence(sequence)
            .flags(flags)
            .payload(payload)
            .bytes();
    };
    Segmenter segmenter(test_buffer_bytes);
    EXPECT_THAT(cut(segmenter, super_packet(segment(9, psh | ack, data), 1200)),
                ElementsAre(segment(9, ack, slice(data, 0, 1200)), segment(1209, ack, slice(data, 1200, 1200)),
                            segment(2409, psh | ack, slice(data, 2400, 1))));
}

TEST(Segmentation, CutsUdpOverBoth) {
    const Bytes data = stream(1900);
    Segmenter segmenter(test_buffer_bytes);
    const auto four = [&](std::uint16_t id, const Bytes& payload) {
        return ipv4("10.1.0.1", "10.2.0.1").id(id).udp(4000, 53).payload(payload).bytes();
    };
    EXPECT_THAT(cut(segmenter, super_packet(four(7, data), 800)),
                ElementsAre(four(7, slice(data, 0, 800)), four(8, slice(data, 800, 800)),
                            four(9, slice(data, 1600, 300))));
    const auto six = [&](const Bytes& payload) {
        return ipv6("fd00:1::1", "fd00:2::1").udp(4000, 53).payload(payload).bytes();
    };
    EXPECT_THAT(cut(segmenter, super_packet(six(data), 950)),
                ElementsAre(six(slice(data, 0, 950)), six(slice(data, 950, 950))));
}

TEST(Segmentation, CutsBehindExtensionHeadersAndIpOptions) {
    const Bytes data = stream(1000);
    Segmenter segmenter(test_buffer_bytes);
    const auto six = [&](const Bytes& payload) {
        return ipv6("fd00:1::1", "fd00:2::1")
            .extension(60, Bytes{1, 1, 4, 0, 0, 0, 0, 1, 8, 0, 0, 0, 0, 0, 0})
            .tcp(5000, 80)
            .payload(payload)
            .bytes();
    };
    // The builder of super-packets takes the simple case alone: say where TCP begins.
    SuperPacket super = super_packet(ipv6("fd00:1::1", "fd00:2::1").tcp(5000, 80).payload(data), 600);
    const Bytes partial(super.packet.begin() + 56, super.packet.begin() + 58);
    super.packet = six(data);
    super.header.checksum_start = 56;
    std::copy(partial.begin(), partial.end(), super.packet.begin() + 72);
    const auto packets = cut(segmenter, super);
    ASSERT_EQ(packets.size(), 2U);
    EXPECT_EQ(packets[0], six(slice(data, 0, 600)));
    EXPECT_TRUE(checksums_right(packets[1]));

    const auto four = [&](std::uint16_t id, const Bytes& payload) {
        return ipv4("10.1.0.1", "10.2.0.1")
            .id(id)
            .ip_options({7, 7, 4, 0, 0, 0, 0})
            .udp(1, 2)
            .payload(payload)
            .bytes();
    };
    EXPECT_THAT(cut(segmenter, super_packet(four(1, data), 500)),
                ElementsAre(four(1, slice(data, 0, 500)), four(2, slice(data, 500, 500))));
}

TEST(Segmentation, FinishesChecksumsOfPlainPackets) {
    Segmenter segmenter(test_buffer_bytes);
    const Bytes data = stream(77);
    for (const Bytes& packet : {ipv4("10.1.0.1", "10.2.0.1").tcp(5000, 80).payload(data).bytes(),
                                ipv6("fd00:1::1", "fd00:2::1").tcp(5000, 80).payload(data).bytes(),
                                ipv4("10.1.0.1", "10.2.0.1").udp(5000, 80).payload(data).bytes(),
                                ipv6("fd00:1::1", "fd00:2::1").udp(5000, 80).payload(data).bytes()}) {
        EXPECT_THAT(cut(segmenter, unfinished(packet)), ElementsAre(packet));
        // Finished ones, of whatever protocol, are left alone.
        EXPECT_THAT(cut(segmenter, SuperPacket{{}, packet}), ElementsAre(packet));
    }
    const Bytes echo = ipv4("10.1.0.1", "10.2.0.1").icmp(8, 0, 1).payload("ping").checksum(0x1234).bytes();
    EXPECT_THAT(cut(segmenter, SuperPacket{{}, echo}), ElementsAre(echo));
}

TEST(Segmentation, SendsAComputedUdpChecksumOfZeroAsAllOnes) {
    Segmenter segmenter(test_buffer_bytes);
    // The last two bytes are chosen so that the sum comes out as ffff, whose complement is 0.
    Bytes packet = ipv4("10.1.0.1", "10.2.0.1").udp(1, 2).payload(Bytes{0, 0}).bytes();
    std::copy(packet.begin() + 26, packet.begin() + 28, packet.begin() + 28);
    packet = ipv4("10.1.0.1", "10.2.0.1").udp(1, 2).payload(Bytes{packet[28], packet[29]}).bytes();
    const auto plain = cut(segmenter, unfinished(packet));
    EXPECT_EQ(plain[0][26], 0xff);
    EXPECT_EQ(plain[0][27], 0xff);
    EXPECT_EQ(cut(segmenter, super_packet(packet, 2))[0], plain[0]);
}

TEST(Segmentation, RandomSuperPacketsGiveTheSameStreamWithRightChecksums) {
    std::mt19937 random(3);
    const auto pick = [&](std::size_t low, std::size_t high) {
        return std::uniform_int_distribution<std::size_t>(low, high)(random);
    };
    Segmenter segmenter(test_buffer_bytes);
    for (int round = 0; round < 300; ++round) {
        const Bytes data = stream(pick(1, round % 10 == 0 ? 65000 : 9000), static_cast<unsigned>(round));
        Packet packet = pick(0, 1) != 0 ? ipv4("10.1.0.1", "10.2.0.1").id(static_cast<std::uint16_t>(random()))
                                        : ipv6("fd00:1::1", "fd00:2::1");
        const bool tcp = pick(0, 1) != 0;
        if (tcp)
            packet.tcp(5000, 80)
                .sequence(static_cast<std::uint32_t>(random()))
                .tcp_options(stream(pick(0, 10) * 4));
        else
            packet.udp(5000, 80);
        const auto gso_size = static_cast<std::uint16_t>(pick(data.size() > 9000 ? 100 : 1, 1900));
        const auto packets = cut(segmenter, super_packet(packet.payload(data).bytes(), gso_size), pick(1, 100));
        ASSERT_EQ(packets.size(), (data.size() + gso_size - 1) / gso_size);
        Bytes joined;
        for (const Bytes& segment : packets) {
            ASSERT_TRUE(checksums_right(segment));
            const std::size_t l4 = segment[0] >> 4 == 4 ? 20 : 40;
            const std::size_t headers = l4 + (tcp ? (segment[l4 + 12] >> 4) * 4U : 8U);
            joined.insert(joined.end(), segment.begin() + static_cast<std::ptrdiff_t>(headers), segment.end());
        }
        ASSERT_EQ(joined, data);
    }
}

struct BadHeader {
    const char* what;
    std::function<void(SuperPacket&)> spoil;
    Verdict verdict = Verdict::malformed;
};

TEST(Segmentation, RefusesBadHeaders) {
    const BadHeader cases[] = {
        BadHeader{"gso_size 0", [](SuperPacket& s) { s.header.gso_size = 0; }},
        BadHeader{"header longer than the packet", [](SuperPacket& s) { s.header.header_bytes = 3041; }},
        BadHeader{"checksum not asked for", [](SuperPacket& s) { s.header.flags = 0; }},
        BadHeader{"L4 at the end", [](SuperPacket& s) { s.header.checksum_start = 3040; }},
        BadHeader{"L4 far behind the end", [](SuperPacket& s) { s.header.checksum_start = 0xffff; }},
        BadHeader{"L4 inside of the IP header", [](SuperPacket& s) { s.header.checksum_start = 16; }},
        BadHeader{"L4 behind the IP header", [](SuperPacket& s) { s.header.checksum_start = 24; }},
        BadHeader{"not TCP's checksum field", [](SuperPacket& s) { s.header.checksum_offset = 6; }},
        BadHeader{"another IP version", [](SuperPacket& s) { s.header.gso_type = virtio_net::gso_tcp6; }},
        BadHeader{"another protocol", [](SuperPacket& s) { s.packet[9] = 17; }},
        BadHeader{"UDP type on TCP", [](SuperPacket& s) { s.header.gso_type = virtio_net::gso_udp; }},
        BadHeader{"UFO", [](SuperPacket& s) { s.header.gso_type = virtio_net::gso_udp_fragments; }},
        BadHeader{"unknown type", [](SuperPacket& s) { s.header.gso_type = 0x7f; }},
        BadHeader{"a fragment", [](SuperPacket& s) { s.packet[6] = 0x20; }},
        BadHeader{"IP version 5", [](SuperPacket& s) { s.packet[0] = 0x55; }},
        BadHeader{"TCP header too short", [](SuperPacket& s) { s.packet[32] = 0x40; }},
        BadHeader{"TCP header longer than the packet",
                  [](SuperPacket& s) {
                      s.packet.resize(50);
                      s.packet[32] = 0xf0;
                      s.header.header_bytes = 40;
                  }},
        BadHeader{"no packet", [](SuperPacket& s) { s.packet.clear(); }},
        BadHeader{"half an IP header", [](SuperPacket& s) { s.packet.resize(19); }},
        BadHeader{"segments that no buffer holds", [](SuperPacket& s) { s.header.gso_size = 2009; },
                  Verdict::too_long},
        BadHeader{"plain packet that no buffer holds", [](SuperPacket& s) { s.header.gso_type = 0; },
                  Verdict::too_long},
        BadHeader{"plain packet with its checksum behind the end",
                  [](SuperPacket& s) {
                      s.header.gso_type = 0;
                      s.packet.resize(37);
                      s.header.header_bytes = 37;
                  }},
        BadHeader{"plain packet with its checksum in the IP header",
                  [](SuperPacket& s) {
                      s.header.gso_type = 0;
                      s.packet.resize(40);
                      s.header.header_bytes = s.header.checksum_start = 0;
                  }},
    };
    Segmenter segmenter(test_buffer_bytes);
    for (const BadHeader& bad : cases) {
        SCOPED_TRACE(bad.what);
        SuperPacket super = super_packet(ipv4("10.1.0.1", "10.2.0.1").tcp(5000, 80).payload(3000), 1000);
        ASSERT_EQ(segmenter.load(super.header, super.packet), Verdict::accepted);
        bad.spoil(super);
        EXPECT_EQ(segmenter.load(super.header, super.packet), bad.verdict);
        EXPECT_EQ(segmenter.remaining(), 0U);
    }
}

TEST(Segmentation, NoHeaderMakesItLeaveItsBounds) {
    std::mt19937 random(11);
    Segmenter segmenter(test_buffer_bytes);
    int accepted = 0;
    for (int round = 0; round < 20000; ++round) {
        const std::size_t payload = random() % 300;
        Packet packet = random() % 2 != 0 ? ipv4("10.1.0.1", "10.2.0.1") : ipv6("fd00:1::1", "fd00:2::1");
        SuperPacket super = super_packet(random() % 2 != 0 ? packet.tcp(1, 2).payload(payload).bytes()
                                                           : packet.udp(1, 2).payload(payload).bytes(),
                                         static_cast<std::uint16_t>(1 + random() % 100));
        auto* raw = reinterpret_cast<std::uint8_t*>(&super.header);
        for (std::size_t i = random() % 3; i > 0; --i)
            raw[random() % sizeof super.header] = static_cast<std::uint8_t>(random());
        for (std::size_t i = random() % 3; i > 0; --i)
            super.packet[random() % std::min<std::size_t>(super.packet.size(), 60)] =
                static_cast<std::uint8_t>(random());
        // A fresh heap block of the very size, so that the sanitizer sees any byte read beyond it.
        const auto exact = std::make_unique<Bytes>(super.packet.begin(), super.packet.end());
        if (segmenter.load(super.header, *exact) != Verdict::accepted)
            continue;
        ++accepted;
        while (segmenter.remaining() > 0) {
            rte_mbuf* buffer = rte_pktmbuf_alloc(culvert::testing::test_pool());
            segmenter.cut({&buffer, 1});
            ASSERT_LE(buffer->pkt_len, test_buffer_bytes);
            rte_pktmbuf_free(buffer);
        }
    }
    EXPECT_GT(accepted, 1000);
}

} // namespace
} // namespace culvert::tun_bridge
