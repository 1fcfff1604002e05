#include "dataplane/flow_hash.h"

#include "tests/unit/packet_builder.h"

#include <algorithm>
#include <array>
#include <gtest/gtest.h>

using culvert::dataplane::flow_hash;
using namespace culvert::testing;

namespace {

std::uint32_t hash(const Bytes& packet) {
    return flow_hash(packet.data(), static_cast<std::uint32_t>(packet.size()));
}

// Gateways of any version must agree: these values, worked out apart from the code, never change.
TEST(FlowHash, FrozenVectors) {
    EXPECT_EQ(hash(ipv4("10.1.0.1", "10.2.0.1").udp(1000, 2000)), 0x1ab2f57fU);
    EXPECT_EQ(hash(ipv4("10.1.0.1", "10.2.0.1").tcp(1000, 2000)), 0xa9b46180U);
    EXPECT_EQ(hash(ipv4("10.1.0.1", "10.2.0.1").icmp(8, 0)), 0xb76c351cU);
    EXPECT_EQ(hash(ipv4("192.0.2.7", "198.51.100.9").protocol(50).payload("esp")), 0x498ccb00U);
    EXPECT_EQ(hash(ipv4("10.1.0.1", "10.2.0.1").more_fragments().udp(1000, 2000)), 0xab2c4638U);
    EXPECT_EQ(hash(ipv6("2001:db8::1", "2001:db8:1::2").udp(1000, 2000)), 0x9b16674aU);
    EXPECT_EQ(hash(ipv6("2001:db8::1", "2001:db8:1::2").tcp(1000, 2000)), 0x9607b0d9U);
    EXPECT_EQ(hash(ipv6("2001:db8::1", "2001:db8:1::2").icmp(128, 0)), 0x3e36b080U);
    EXPECT_EQ(hash(ipv6("2001:db8::1", "2001:db8:1::2").fragment_header(1480, false).payload("x")), 0xfefb3d12U);
}

TEST(FlowHash, BothDirectionsAreOne) {
    EXPECT_EQ(hash(ipv4("10.1.0.1", "10.2.0.9").tcp(1000, 2000)),
              hash(ipv4("10.2.0.9", "10.1.0.1").tcp(2000, 1000)));
    EXPECT_EQ(hash(ipv4("10.1.0.1", "10.2.0.9").icmp(8, 0)), hash(ipv4("10.2.0.9", "10.1.0.1").icmp(0, 0)));
    EXPECT_EQ(hash(ipv6("2001:db8::1", "2001:db8::2").udp(5, 6)),
              hash(ipv6("2001:db8::2", "2001:db8::1").udp(6, 5)));
    EXPECT_NE(hash(ipv4("10.1.0.1", "10.2.0.9").tcp(1000, 2000)),
              hash(ipv4("10.1.0.1", "10.2.0.9").tcp(2000, 1000)))
        << "ports belong to their addresses";
    EXPECT_NE(hash(ipv4("10.1.0.1", "10.2.0.9").tcp(1000, 2000)),
              hash(ipv4("10.1.0.1", "10.2.0.9").udp(1000, 2000)));
}

TEST(FlowHash, AllFragmentsOfAPacketAreOne) {
    const auto first = hash(ipv4("10.1.0.1", "10.2.0.1").more_fragments().udp(1000, 2000).payload(100));
    EXPECT_EQ(first, hash(ipv4("10.1.0.1", "10.2.0.1").protocol(17).fragment_offset(1480).payload("rest")));
    EXPECT_EQ(first, hash(ipv4("10.1.0.1", "10.2.0.1").protocol(17).fragment_offset(2960).payload("")));
    const auto first6 = hash(ipv6("2001:db8::1", "2001:db8::2")
                                 .extension(0, Bytes{0, 1, 4, 0, 0, 0, 0})
                                 .fragment_header(0, true)
                                 .udp(1000, 2000));
    EXPECT_EQ(first6, hash(ipv6("2001:db8::1", "2001:db8::2")
                               .extension(0, Bytes{0, 1, 4, 0, 0, 0, 0})
                               .fragment_header(1448, false)
                               .protocol(17)
                               .payload("rest")));
}

TEST(FlowHash, NothingButTheFlowCounts) {
    const auto plain = hash(ipv4("10.1.0.1", "10.2.0.1").udp(1000, 2000));
    EXPECT_EQ(
        plain,
        hash(ipv4("10.1.0.1", "10.2.0.1").ttl(3).id(77).dont_fragment().traffic_class(0xb8).udp(1000, 2000)));
    EXPECT_EQ(plain, hash(ipv4("10.1.0.1", "10.2.0.1").ip_options({1, 1, 1}).udp(1000, 2000).payload(99)));
    const auto plain6 = hash(ipv6("2001:db8::1", "2001:db8::2").udp(1000, 2000));
    EXPECT_EQ(plain6,
              hash(ipv6("2001:db8::1", "2001:db8::2").ttl(9).traffic_class(3).udp(1000, 2000).payload(99)));
    EXPECT_EQ(plain6, hash(ipv6("2001:db8::1", "2001:db8::2")
                               .extension(0, Bytes{0, 1, 4, 0, 0, 0, 0})
                               .extension(43, Bytes{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
                               .extension(60, Bytes{0, 1, 4, 0, 0, 0, 0})
                               .udp(1000, 2000)));
}

TEST(FlowHash, ExtensionHeadersWithoutEndAreLeftAlone) {
    auto packet = ipv6("2001:db8::1", "2001:db8::2");
    for (int i = 0; i < 20; ++i)
        packet.extension(60, Bytes(7));
    EXPECT_NE(hash(packet.udp(1, 2)), 0U);
}

TEST(FlowHash, TruncatedOrUnknownIsZero) {
    for (const Bytes& whole :
         {ipv4("10.1.0.1", "10.2.0.1").ip_options(Bytes(8, 1)).udp(1, 2).bytes(),
          ipv6("2001:db8::1", "2001:db8::2").extension(0, Bytes(15)).extension(60, Bytes(7)).tcp(1, 2).bytes()}) {
        const std::size_t ports_end = whole[0] >> 4 == 4 ? 32 : 40 + 16 + 8 + 4;
        for (std::size_t length = 0; length < ports_end; ++length)
            EXPECT_EQ(hash(Bytes(whole.begin(), whole.begin() + static_cast<int>(length))), 0U) << length;
        EXPECT_NE(hash(Bytes(whole.begin(), whole.begin() + static_cast<int>(ports_end))), 0U);
    }
    EXPECT_EQ(hash(Bytes(60, 0x55)), 0U);
    Bytes extension_beyond = ipv6("2001:db8::1", "2001:db8::2").extension(0, Bytes(7)).udp(1, 2);
    extension_beyond[41] = 255;
    EXPECT_EQ(hash(extension_beyond), 0U);
}

/// Most and least filled of `buckets`, for flows that really occur.
template <typename Make>
void expect_even(std::uint32_t buckets, Make&& make) {
    std::vector<int> filled(buckets);
    constexpr int flows = 16384;
    for (int i = 0; i < flows; ++i)
        ++filled[hash(make(static_cast<unsigned>(i))) % buckets];
    const double mean = static_cast<double>(flows) / buckets;
    EXPECT_LT(*std::ranges::max_element(filled), mean * 1.35) << buckets;
    EXPECT_GT(*std::ranges::min_element(filled), mean * 0.65) << buckets;
}

TEST(FlowHash, SpreadsOverLanes) {
    const auto address = [](unsigned site, unsigned i) {
        return "10." + std::to_string(site) + "." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1);
    };
    const auto port = [](unsigned i) { return static_cast<std::uint16_t>(32768 + i); };
    for (const std::uint32_t lanes : {2U, 3U, 4U, 7U, 16U, 64U}) {
        expect_even(lanes, [&](unsigned i) { return ipv4(address(1, i), address(2, i)).icmp(8, 0).bytes(); });
        expect_even(lanes, [&](unsigned i) { return ipv4(address(1, i), "10.2.0.1").tcp(443, 443).bytes(); });
        expect_even(lanes, [&](unsigned i) { return ipv4("10.1.0.1", "10.2.0.1").tcp(port(i), 443).bytes(); });
        expect_even(lanes, [&](unsigned i) { return ipv4("10.1.0.1", "10.2.0.1").udp(port(i), port(i)).bytes(); });
        expect_even(lanes,
                    [&](unsigned i) { return ipv6("2001:db8::1", "2001:db8::2").tcp(port(i), 443).bytes(); });
    }
}

} // namespace
