#include "dataplane/fragment.h"

#include "dataplane/headers.h"
#include "tests/unit/eal_environment.h"

#include <array>
#include <gtest/gtest.h>

using namespace culvert::dataplane;
using namespace culvert::testing;

namespace {

std::vector<Bytes> fragments(const Bytes& packet, std::uint16_t mtu, std::size_t room = 64) {
    const Mbuf original = mbuf_of(packet);
    std::vector<rte_mbuf*> out(room);
    const unsigned count = fragment_ipv4(original.get(), mtu, test_pool(), out);
    EXPECT_EQ(bytes_of(original.get()), packet) << "the original stays as it is";
    std::vector<Bytes> made;
    for (unsigned i = 0; i < count; ++i) {
        const Mbuf fragment(out[i]);
        EXPECT_EQ(fragment->nb_segs, 1);
        EXPECT_EQ(fragment->data_off, RTE_PKTMBUF_HEADROOM);
        EXPECT_EQ(fragment->pkt_len, fragment->data_len);
        EXPECT_LE(fragment->pkt_len, mtu);
        made.push_back(bytes_of(fragment.get()));
    }
    return made;
}

Packet four() {
    return ipv4("10.1.0.1", "10.2.0.1").id(0x1234).traffic_class(0xb8).ttl(9);
}
Bytes part(const Bytes& whole, std::size_t from, std::size_t to) {
    return {whole.begin() + static_cast<int>(from), whole.begin() + static_cast<int>(to)};
}

TEST(Fragment, CutsAtMultiplesOfEight) {
    const Bytes packet = four().udp(1000, 2000).payload(std::size_t{1392});
    const Bytes payload = part(packet, 20, 1420);
    EXPECT_EQ(fragments(packet, 600),
              (std::vector<Bytes>{
                  four().protocol(17).more_fragments().payload(part(payload, 0, 576)),
                  four().protocol(17).more_fragments().fragment_offset(576).payload(part(payload, 576, 1152)),
                  four().protocol(17).fragment_offset(1152).payload(part(payload, 1152, 1400)),
              }));
}

TEST(Fragment, TheLastOneFillsItsRoom) { // 1000 − 20 = 980 is no multiple of 8, but only the last need not be one
    const Bytes packet = four().udp(1000, 2000).payload(std::size_t{976 + 980 - 8});
    const auto made = fragments(packet, 1000);
    ASSERT_EQ(made.size(), 2U);
    EXPECT_EQ(made[0].size(), 996U);
    EXPECT_EQ(made[1].size(), 1000U);
    EXPECT_EQ(fragments(four().udp(1000, 2000).payload(std::size_t{976 + 981 - 8}), 1000).size(), 3U);
}

TEST(Fragment, AFragmentIsCutFurther) {
    const Bytes middle = four().protocol(17).more_fragments().fragment_offset(2960).payload(std::size_t{160});
    EXPECT_EQ(fragments(middle, 120),
              (std::vector<Bytes>{
                  four().protocol(17).more_fragments().fragment_offset(2960).payload(part(middle, 20, 116)),
                  four().protocol(17).more_fragments().fragment_offset(3056).payload(part(middle, 116, 180)),
              }));
    const Bytes last = four().protocol(17).fragment_offset(2960).payload(std::size_t{155});
    EXPECT_EQ(fragments(last, 120),
              (std::vector<Bytes>{
                  four().protocol(17).more_fragments().fragment_offset(2960).payload(part(last, 20, 116)),
                  four().protocol(17).fragment_offset(3056).payload(part(last, 116, 175)),
              }));
}

TEST(Fragment, OnlyOptionsWithTheCopiedFlagFollow) { // RFC 791 §3.1: record route is not copied, router alert is
    const Bytes record_route{7, 7, 4, 0, 0, 0, 0}, router_alert{0x94, 4, 0, 0};
    Bytes both = record_route;
    both.push_back(1);
    both.insert(both.end(), router_alert.begin(), router_alert.end());
    const Bytes packet = four().ip_options(both).udp(1000, 2000).payload(std::size_t{192});
    const Bytes payload = part(packet, 32, 232);
    EXPECT_EQ(
        fragments(packet, 120),
        (std::vector<Bytes>{
            four().ip_options(both).protocol(17).more_fragments().payload(part(payload, 0, 88)),
            four()
                .ip_options(router_alert)
                .protocol(17)
                .more_fragments()
                .fragment_offset(88)
                .payload(part(payload, 88, 184)),
            four().ip_options(router_alert).protocol(17).fragment_offset(184).payload(part(payload, 184, 200)),
        }));
}

TEST(Fragment, MalformedOptionsAreNotCopied) {
    for (const Bytes& options :
         {Bytes{0x94, 0, 0, 0}, Bytes{0x94, 1, 0, 0}, Bytes{0x94, 5, 0, 0}, Bytes{1, 1, 1, 0x94}}) {
        const auto made = fragments(four().ip_options(options).udp(1, 2).payload(std::size_t{192}), 120);
        ASSERT_EQ(made.size(), 3U);
        EXPECT_EQ(made[1][0], 0x45);
        EXPECT_TRUE(checksums_right(made[1]));
    }
}

TEST(Fragment, PaddingBehindThePacketIsLeftOut) {
    Bytes padded = four().udp(1000, 2000).payload(std::size_t{192});
    const auto expected = fragments(padded, 120);
    padded.resize(padded.size() + 11, 0xee);
    EXPECT_EQ(fragments(padded, 120), expected);
}

TEST(Fragment, EveryLengthComesTogetherAgain) {
    for (const std::uint16_t mtu :
         {std::uint16_t{68}, std::uint16_t{100}, std::uint16_t{577}, std::uint16_t{1400}})
        for (std::size_t length = 1; length < 1500; length += 13) {
            const Bytes packet = four().payload(length);
            const auto made = fragments(packet, mtu);
            ASSERT_FALSE(made.empty()) << length << " at " << mtu;
            Bytes whole;
            for (std::size_t i = 0; i < made.size(); ++i) {
                const auto& ip = *reinterpret_cast<const Ipv4Header*>(made[i].data());
                ASSERT_EQ((ip.fragment & 0x1fffU) * 8, whole.size());
                ASSERT_EQ((ip.fragment & 0x2000) != 0, i + 1 < made.size());
                ASSERT_TRUE(checksums_right(made[i]));
                whole.insert(whole.end(), made[i].begin() + 20, made[i].end());
            }
            ASSERT_EQ(whole, part(packet, 20, packet.size()));
        }
}

TEST(Fragment, WhatCannotBeCutGivesNothing) {
    const auto packet = [] { return four(); };
    EXPECT_TRUE(fragments(packet().dont_fragment().udp(1, 2).payload(std::size_t{500}), 400).empty());
    EXPECT_TRUE(fragments(packet().udp(1, 2).payload(std::size_t{500}), 27).empty()) << "no room for 8 bytes";
    EXPECT_TRUE(fragments(packet().ip_options(Bytes(40, 1)).udp(1, 2).payload(std::size_t{500}), 67).empty());
    EXPECT_TRUE(fragments(packet().udp(1, 2).payload(std::size_t{500}), 100, 6).empty()) << "needs seven";
    EXPECT_EQ(fragments(packet().udp(1, 2).payload(std::size_t{500}), 100, 7).size(), 7U);
    EXPECT_TRUE(fragments(packet().protocol(17).fragment_offset(65400).payload(std::size_t{500}), 100).empty())
        << "would end beyond 65535";
}

TEST(Fragment, AnEmptyPoolGivesNothing) {
    rte_mempool* few = rte_pktmbuf_pool_create("few", 3, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    ASSERT_NE(few, nullptr);
    const Mbuf original = mbuf_of(four().udp(1, 2).payload(std::size_t{500}));
    std::array<rte_mbuf*, 64> out{};
    EXPECT_EQ(fragment_ipv4(original.get(), 100, few, out), 0U);
    EXPECT_EQ(rte_mempool_avail_count(few), 3U);
    ASSERT_EQ(fragment_ipv4(original.get(), 300, few, out), 2U);
    rte_pktmbuf_free_bulk(out.data(), 2);
    rte_mempool_free(few);
}

} // namespace
