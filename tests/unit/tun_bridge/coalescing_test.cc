#include "tun_bridge/coalescing.h"

#include "tests/unit/tun_bridge/super_packet.h"

#include <cstring>
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <optional>
#include <random>

namespace culvert::tun_bridge {
namespace {

using culvert::testing::Bytes;
using culvert::testing::bytes_of;
using culvert::testing::checksums_right;
using culvert::testing::cut;
using culvert::testing::ipv4;
using culvert::testing::ipv6;
using culvert::testing::Mbuf;
using culvert::testing::mbuf_of;
using culvert::testing::Packet;
using culvert::testing::SuperPacket;
using culvert::testing::test_buffer_bytes;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

constexpr std::uint8_t fin = 0x01, syn = 0x02, rst = 0x04, psh = 0x08, ack = 0x10, urg = 0x20, cwr = 0x80;

/// What is written to the kernel for a burst, write by write.
std::vector<SuperPacket> coalesce(Coalescer& coalescer, const std::vector<Bytes>& packets) {
    std::vector<Mbuf> owned;
    std::vector<rte_mbuf*> burst;
    for (const Bytes& packet : packets)
        burst.push_back(owned.emplace_back(mbuf_of(packet)).get());
    std::vector<SuperPacket> writes;
    std::size_t seen = 0;
    for (Coalescer::Group& group : coalescer.coalesce(burst)) {
        SuperPacket& write = writes.emplace_back();
        const auto vectors = coalescer.vectors(group);
        EXPECT_EQ(vectors.size(), group.packets + 1U);
        EXPECT_EQ(vectors[0].iov_len, sizeof write.header);
        std::memcpy(&write.header, vectors[0].iov_base, sizeof write.header);
        for (const iovec& vector : vectors.subspan(1)) {
            const auto* from = static_cast<const std::uint8_t*>(vector.iov_base);
            write.packet.insert(write.packet.end(), from, from + vector.iov_len);
        }
        EXPECT_EQ(group.bytes, write.packet.size());
        seen += group.packets;
    }
    EXPECT_EQ(seen, packets.size());
    return writes;
}

/// The same, cut again as the kernel would.
std::vector<Bytes> there_and_back(Coalescer& coalescer, const std::vector<Bytes>& packets) {
    Segmenter segmenter(test_buffer_bytes);
    std::vector<Bytes> all;
    for (const SuperPacket& write : coalesce(coalescer, packets))
        for (Bytes& packet : cut(segmenter, write))
            all.push_back(std::move(packet));
    return all;
}

/// A TCP segment that begins at byte `at` of its stream; cases change it before it is written out.
struct Tcp {
    std::uint32_t at = 0;
    std::size_t bytes = 100;
    std::uint8_t flags = ack;
    std::uint32_t acknowledgment = 7;
    std::uint16_t window = 500, id = 1, source_port = 5000;
    std::uint8_t ttl = 64, traffic_class = 0;
    bool dont_fragment = true, more_fragments = false, six = false;
    Bytes options{1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2}, ip_options{};
    std::optional<std::uint16_t> tcp_checksum{}, ip_checksum{};

    Bytes packet() const {
        Packet packet =
            six ? ipv6("fd00:1::1", "fd00:2::1") : ipv4("10.1.0.1", "10.2.0.1").id(id).ip_options(ip_options);
        packet.ttl(ttl).traffic_class(traffic_class);
        if (dont_fragment && !six)
            packet.dont_fragment();
        if (more_fragments)
            packet.more_fragments();
        if (ip_checksum)
            packet.checksum(*ip_checksum);
        packet.tcp(source_port, 80).sequence(0xfffffff0 + at).acknowledgment(acknowledgment).window(window);
        packet.flags(flags).tcp_options(options);
        if (tcp_checksum)
            packet.checksum(*tcp_checksum);
        Bytes payload(bytes);
        for (std::size_t i = 0; i < bytes; ++i)
            payload[i] = static_cast<std::uint8_t>((at + i) * 7);
        return packet.payload(payload).bytes();
    }
};

TEST(Coalescing, JoinsTheSegmentsOfAFlow) {
    for (const bool six : {false, true}) {
        Coalescer coalescer(true, true);
        std::vector<Bytes> segments;
        for (std::uint16_t i = 0; i < 40; ++i)
            segments.push_back(Tcp{.at = i * 1000U,
                                   .bytes = i == 39 ? 123U : 1000U,
                                   .flags = static_cast<std::uint8_t>(ack | (i == 39 ? psh | fin : 0)),
                                   .id = static_cast<std::uint16_t>(0xfff0 + i),
                                   .six = six}
                                   .packet());
        const auto writes = coalesce(coalescer, segments);
        ASSERT_EQ(writes.size(), 1U);
        EXPECT_EQ(writes[0].header.flags, virtio_net::needs_checksum);
        EXPECT_EQ(writes[0].header.gso_type, six ? virtio_net::gso_tcp6 : virtio_net::gso_tcp4);
        EXPECT_EQ(writes[0].header.gso_size, 1000);
        EXPECT_EQ(writes[0].header.header_bytes, (six ? 40 : 20) + 32);
        EXPECT_EQ(writes[0].packet.size(), (six ? 40 : 20) + 32 + 39 * 1000 + 123U);
        EXPECT_THAT(there_and_back(coalescer, segments), ElementsAreArray(segments));
    }
}

TEST(Coalescing, JoinsTheDatagramsOfAFlow) {
    Coalescer coalescer(true, true);
    for (const bool six : {false, true}) {
        std::vector<Bytes> datagrams;
        for (std::uint16_t i = 0; i < 100; ++i)
            datagrams.push_back((six ? ipv6("fd00:1::1", "fd00:2::1") : ipv4("10.1.0.1", "10.2.0.1").id(i))
                                    .udp(4000, 53)
                                    .payload(i == 99 ? 10U : 500U)
                                    .bytes());
        const auto writes = coalesce(coalescer, datagrams);
        ASSERT_EQ(writes.size(), 2U); // the kernel takes 64 at once
        EXPECT_EQ(writes[0].header.gso_type, virtio_net::gso_udp);
        EXPECT_EQ(writes[0].header.gso_size, 500);
        EXPECT_THAT(there_and_back(coalescer, datagrams), ElementsAreArray(datagrams));
    }
    Coalescer without(true, false);
    const Bytes datagram = ipv4("10.1.0.1", "10.2.0.1").dont_fragment().udp(4000, 53).payload(500).bytes();
    EXPECT_EQ(coalesce(without, {datagram, datagram}).size(), 2U);
    EXPECT_EQ(coalesce(coalescer, {datagram, datagram}).size(), 1U);
}

TEST(Coalescing, StopsAtWhatAnIpLengthCanSay) {
    Coalescer coalescer(true, true);
    std::vector<Bytes> segments;
    for (std::uint16_t i = 0; i < 50; ++i)
        segments.push_back(Tcp{.at = i * 1400U, .bytes = 1400, .id = i}.packet());
    const auto writes = coalesce(coalescer, segments);
    ASSERT_EQ(writes.size(), 2U);
    EXPECT_EQ(writes[0].packet.size(), 52 + 46 * 1400U);
    EXPECT_THAT(there_and_back(coalescer, segments), ElementsAreArray(segments));
}

TEST(Coalescing, JoinsOnlyWhatDiffersInNothingElse) {
    struct Case {
        const char* what;
        std::function<void(Tcp& first, Tcp& second)> change;
        std::size_t writes = 2;
    };
    const Case cases[] = {
        {"nothing", [](Tcp&, Tcp&) {}, 1},
        {"PSH on the second", [](Tcp&, Tcp& b) { b.flags |= psh; }, 1},
        {"FIN on the second", [](Tcp&, Tcp& b) { b.flags |= fin; }, 1},
        {"PSH on the first", [](Tcp& a, Tcp&) { a.flags |= psh; }},
        {"FIN on the first", [](Tcp& a, Tcp&) { a.flags |= fin; }},
        {"second shorter", [](Tcp&, Tcp& b) { b.bytes = 99; }, 1},
        {"second longer", [](Tcp&, Tcp& b) { b.bytes = 101; }},
        {"second without data", [](Tcp&, Tcp& b) { b.bytes = 0; }},
        {"first without data", [](Tcp& a, Tcp& b) { a.bytes = 0, b.at = 0; }},
        {"a gap", [](Tcp&, Tcp& b) { b.at += 1; }},
        {"an overlap", [](Tcp&, Tcp& b) { b.at -= 1; }},
        {"the same again", [](Tcp& a, Tcp& b) { b.at = a.at; }},
        {"another flow", [](Tcp&, Tcp& b) { b.source_port = 5001; }},
        {"another acknowledgment", [](Tcp&, Tcp& b) { b.acknowledgment++; }},
        {"another window", [](Tcp&, Tcp& b) { b.window++; }},
        {"another timestamp", [](Tcp&, Tcp& b) { b.options[7]++; }},
        {"more options", [](Tcp&, Tcp& b) { b.options.resize(16); }},
        {"another TTL", [](Tcp&, Tcp& b) { b.ttl--; }},
        {"a congestion mark", [](Tcp&, Tcp& b) { b.traffic_class = 3; }},
        {"DF on one alone", [](Tcp&, Tcp& b) { b.dont_fragment = false; }},
        {"an id out of order, which DF makes void", [](Tcp&, Tcp& b) { b.id = 77; }, 1},
        {"ids in order without DF", [](Tcp& a, Tcp& b) { a.dont_fragment = b.dont_fragment = false; }, 1},
        {"an id out of order without DF",
         [](Tcp& a, Tcp& b) {
             a.dont_fragment = b.dont_fragment = false;
             b.id = 77;
         }},
        {"a fragment", [](Tcp&, Tcp& b) { b.more_fragments = true; }},
        {"IP options", [](Tcp& a, Tcp& b) { a.ip_options = b.ip_options = {7, 3, 4, 0}; }},
        {"SYN", [](Tcp& a, Tcp& b) { a.flags = b.flags = syn | ack; }},
        {"RST", [](Tcp&, Tcp& b) { b.flags |= rst; }},
        {"URG", [](Tcp& a, Tcp& b) { a.flags = b.flags = urg | ack; }},
        {"CWR", [](Tcp& a, Tcp& b) { a.flags = b.flags = cwr | ack; }},
        {"no ACK", [](Tcp& a, Tcp& b) { a.flags = b.flags = 0; }},
        {"bad checksum in the first", [](Tcp& a, Tcp&) { a.tcp_checksum = 0x1234; }},
        {"bad checksum in the second", [](Tcp&, Tcp& b) { b.tcp_checksum = 0x1234; }},
        {"bad IP checksum in the first", [](Tcp& a, Tcp&) { a.ip_checksum = 0x1234; }},
        {"bad IP checksum in the second", [](Tcp&, Tcp& b) { b.ip_checksum = 0x1234; }},
        {"another traffic class, IPv6", [](Tcp& a, Tcp& b) { a.six = b.six = true, b.traffic_class = 4; }},
        {"another hop limit, IPv6", [](Tcp& a, Tcp& b) { a.six = b.six = true, b.ttl--; }},
        {"another IP version", [](Tcp&, Tcp& b) { b.six = true; }},
        {"nothing, IPv6", [](Tcp& a, Tcp& b) { a.six = b.six = true; }, 1},
    };
    Coalescer coalescer(true, true);
    for (const Case& each : cases) {
        SCOPED_TRACE(each.what);
        Tcp first{.at = 0}, second{.at = 100, .id = 2};
        each.change(first, second);
        const std::vector<Bytes> packets{first.packet(), second.packet()};
        const auto writes = coalesce(coalescer, packets);
        EXPECT_EQ(writes.size(), each.writes);
        if (each.writes == 1)
            continue;
        for (std::size_t i = 0; i < writes.size(); ++i) { // and what stands alone goes out as it came
            EXPECT_EQ(writes[i].packet, packets[i]);
            EXPECT_EQ(writes[i].header.flags, 0);
            EXPECT_EQ(writes[i].header.gso_type, virtio_net::gso_none);
        }
    }
}

TEST(Coalescing, NothingPassesAPacketThatCannotJoin) {
    Coalescer coalescer(true, true);
    // The second has a bad checksum; the third would continue the first if a sender had sent it again.
    const std::vector<Bytes> spoilt{Tcp{.at = 0}.packet(), Tcp{.at = 100, .tcp_checksum = 0}.packet(),
                                    Tcp{.at = 100}.packet(), Tcp{.at = 200}.packet()};
    const auto writes = coalesce(coalescer, spoilt);
    ASSERT_EQ(writes.size(), 3U);
    EXPECT_EQ(writes[0].packet, spoilt[0]);
    EXPECT_EQ(writes[1].packet, spoilt[1]);
    EXPECT_EQ(writes[2].header.gso_size, 100); // the last two, after it

    // A fragment may be of any flow.
    const Bytes piece = ipv4("10.1.0.1", "10.2.0.1").fragment_offset(80).protocol(17).payload(50).bytes();
    const Bytes datagram = ipv4("10.1.0.1", "10.2.0.1").dont_fragment().udp(4000, 53).payload(500).bytes();
    EXPECT_EQ(coalesce(coalescer, {datagram, piece, datagram}).size(), 3U);
    // A ping is of none of them.
    const Bytes ping = ipv4("10.1.0.1", "10.2.0.1").icmp(8, 0).payload("ping").bytes();
    EXPECT_EQ(coalesce(coalescer, {datagram, ping, datagram}).size(), 2U);
}

TEST(Coalescing, LeavesDatagramsAloneThatTheKernelCouldNotCutAgain) {
    Coalescer coalescer(true, true);
    const auto datagram = [](std::size_t bytes) {
        return ipv4("10.1.0.1", "10.2.0.1").dont_fragment().udp(4000, 53).payload(bytes);
    };
    const Bytes unsummed =
        ipv4("10.1.0.1", "10.2.0.1").dont_fragment().udp(4000, 53).checksum(0).payload(100).bytes();
    EXPECT_EQ(coalesce(coalescer, {unsummed, unsummed}).size(), 2U);
    EXPECT_EQ(coalesce(coalescer, {datagram(100), datagram(101)}).size(), 2U);
    EXPECT_EQ(coalesce(coalescer, {datagram(100), datagram(99), datagram(99)}).size(), 2U);
    EXPECT_EQ(coalesce(coalescer, {datagram(0), datagram(0)}).size(), 2U);
    const Bytes spoilt =
        ipv4("10.1.0.1", "10.2.0.1").dont_fragment().udp(4000, 53).checksum(1).payload(100).bytes();
    EXPECT_EQ(coalesce(coalescer, {spoilt, spoilt}).size(), 2U);
}

TEST(Coalescing, MalformedPacketsPassAsTheyAre) {
    Coalescer coalescer(true, true);
    const Bytes whole = Tcp{}.packet();
    std::vector<Bytes> packets;
    for (std::size_t bytes = 0; bytes < 60; ++bytes)
        packets.emplace_back(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(bytes));
    for (const std::size_t at : {0U, 2U, 32U}) {
        packets.push_back(whole);
        packets.back()[at] ^= 0xf3; // version and IHL, total length, TCP's data offset
    }
    const auto writes = coalesce(coalescer, packets);
    ASSERT_EQ(writes.size(), packets.size());
    for (std::size_t i = 0; i < packets.size(); ++i)
        EXPECT_EQ(writes[i].packet, packets[i]);
}

/// The IPv4 id of a packet with DF has no meaning (RFC 6864 §4.1).
Bytes without_void_id(Bytes packet) {
    if (packet[0] >> 4 == 4 && (packet[6] & 0x40) != 0)
        packet[4] = packet[5] = packet[10] = packet[11] = 0;
    return packet;
}

TEST(Coalescing, RandomTrafficComesBackFlowByFlow) {
    std::mt19937 random(5);
    const auto chance = [&](unsigned percent) { return random() % 100 < percent; };
    Coalescer coalescer(true, true);
    std::size_t writes = 0, packets = 0;
    for (int round = 0; round < 200; ++round) {
        struct Flow {
            Tcp next;
            bool udp = false;
        };
        std::vector<Flow> flows(1 + random() % 12);
        for (std::size_t i = 0; i < flows.size(); ++i) {
            flows[i].udp = chance(30);
            flows[i].next = {.bytes = 1 + random() % 900,
                             .source_port = static_cast<std::uint16_t>(5000 + i),
                             .dont_fragment = chance(70),
                             .six = chance(40)};
        }
        std::vector<Bytes> burst;
        std::map<std::size_t, std::vector<Bytes>> sent, came;
        while (burst.size() < Coalescer::max_burst) {
            const std::size_t which = random() % flows.size();
            Flow& flow = flows[which];
            Tcp segment = flow.next;
            segment.flags = static_cast<std::uint8_t>(chance(10) ? ack | psh : chance(3) ? ack | fin : ack);
            if (chance(5))
                segment.bytes = random() % (segment.bytes + 1);
            if (chance(3))
                segment.tcp_checksum = static_cast<std::uint16_t>(random());
            if (chance(3))
                segment.at += static_cast<std::uint32_t>(random() % 2000); // out of order
            if (chance(3))
                segment.acknowledgment += 1;
            if (flow.udp) {
                Packet packet =
                    flow.next.six ? ipv6("fd00:1::1", "fd00:2::1") : ipv4("10.1.0.1", "10.2.0.1").id(flow.next.id);
                packet.udp(flow.next.source_port, 53);
                if (segment.tcp_checksum)
                    packet.checksum(*segment.tcp_checksum);
                burst.push_back(packet.payload(segment.bytes).bytes());
            } else {
                burst.push_back(segment.packet());
            }
            sent[which].push_back(without_void_id(burst.back()));
            flow.next.at += static_cast<std::uint32_t>(segment.bytes);
            ++flow.next.id;
        }
        writes += coalesce(coalescer, burst).size();
        packets += burst.size();
        for (const Bytes& packet : there_and_back(coalescer, burst)) {
            const std::size_t l4 = packet[0] >> 4 == 4 ? 20 : 40;
            came[static_cast<std::size_t>(packet[l4] << 8 | packet[l4 + 1]) - 5000].push_back(
                without_void_id(packet));
        }
        ASSERT_EQ(came, sent) << "round " << round;
    }
    EXPECT_LT(writes, packets * 2 / 3) << "next to nothing was joined";
}

} // namespace
} // namespace culvert::tun_bridge
