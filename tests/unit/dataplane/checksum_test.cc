#include "dataplane/checksum.h"

#include "tests/unit/packet_builder.h"

#include <gtest/gtest.h>
#include <random>

using namespace culvert::dataplane;
using namespace culvert::testing;

namespace {

Ipv4Header& as_ipv4(Bytes& packet) {
    return *reinterpret_cast<Ipv4Header*>(packet.data());
}
Ipv6Header& as_ipv6(Bytes& packet) {
    return *reinterpret_cast<Ipv6Header*>(packet.data());
}
UdpHeader& udp_at(Bytes& packet, std::size_t at) {
    return *reinterpret_cast<UdpHeader*>(packet.data() + at);
}

TEST(Checksum, OfAnyLengthAndAlignment) {
    std::mt19937 random(1);
    Bytes bytes(2000);
    for (auto& byte : bytes)
        byte = static_cast<std::uint8_t>(random());
    for (std::size_t start = 0; start < 9; ++start)
        for (std::size_t length = 0; length < 1600; length += length < 40 ? 1 : 37) {
            const Bytes part(bytes.begin() + static_cast<int>(start),
                             bytes.begin() + static_cast<int>(start + length));
            EXPECT_EQ(std::uint16_t{internet_checksum(bytes.data() + start, length)}, plain_checksum(part));
        }
}

TEST(Checksum, CarriesOfAllOnes) {
    const Bytes ones(65535, 0xff);
    EXPECT_EQ(std::uint16_t{internet_checksum(ones.data(), 65534)}, 0);
    EXPECT_EQ(std::uint16_t{internet_checksum(ones.data(), 65535)}, plain_checksum(ones));
    EXPECT_EQ(std::uint16_t{internet_checksum(ones.data(), 0)}, 0xffff);
}

TEST(Checksum, ExampleOfRfc1071) { // §3: the words 0001 f203 f4f5 f6f7 sum up to ddf2
    const Bytes bytes{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    EXPECT_EQ(std::uint16_t{ones_sum(bytes.data(), bytes.size()).folded()}, 0xddf2);
}

TEST(Checksum, OfIpv4Headers) {
    for (const Bytes& options : {Bytes{}, Bytes{0x94, 4, 0, 0}, Bytes{7, 11, 4, 1, 2, 3, 4, 5, 6, 7, 8}}) {
        Bytes packet = ipv4("10.1.0.1", "10.2.0.1").id(0xfffe).ip_options(options).udp(1, 2).payload("x");
        EXPECT_TRUE(ipv4_checksum_ok(as_ipv4(packet)));
        EXPECT_EQ(std::uint16_t{ipv4_header_checksum(as_ipv4(packet))}, std::uint16_t{as_ipv4(packet).checksum});
        as_ipv4(packet).ttl = 63;
        EXPECT_FALSE(ipv4_checksum_ok(as_ipv4(packet)));
    }
}

TEST(Checksum, UpdateEqualsComputingAnew) { // RFC 1624 §3, over all that could carry
    std::mt19937 random(2);
    for (int i = 0; i < 20000; ++i) {
        Bytes packet = ipv4("10.1.0.1", "10.2.0.1").id(static_cast<std::uint16_t>(random()));
        Ipv4Header& ip = as_ipv4(packet);
        const be16 id = ip.id;
        const be32 source = ip.source;
        ip.id = static_cast<std::uint16_t>(random() % 4 == 0 ? 0xffff : random());
        ip.checksum = updated_checksum(ip.checksum, id, ip.id);
        ip.source = random() % 4 == 0 ? 0xffffffff : static_cast<std::uint32_t>(random());
        ip.checksum = updated_checksum(ip.checksum, source, ip.source);
        ASSERT_EQ(std::uint16_t{ip.checksum}, std::uint16_t{ipv4_header_checksum(ip)});
    }
}

TEST(Checksum, ExampleOfRfc1624) { // §4: dd2f with 5555 → 3285 becomes 0000, not ffff
    EXPECT_EQ(std::uint16_t{updated_checksum(std::uint16_t{0xdd2f}, be16(0x5555), be16(0x3285))}, 0x0000);
}

TEST(Checksum, UdpOverIpv6) {
    for (const std::size_t length : {0U, 1U, 2U, 37U, 1400U}) {
        Bytes packet = ipv6("2001:db8::1", "2001:db8:ff::2").udp(4433, 60000).payload(length);
        UdpHeader& udp = udp_at(packet, 40);
        const std::uint16_t right = udp.checksum;
        EXPECT_TRUE(udp_checksum_ok(as_ipv6(packet), udp));
        udp.checksum = 0x1234;
        EXPECT_FALSE(udp_checksum_ok(as_ipv6(packet), udp));
        finish_udp6(as_ipv6(packet), udp);
        EXPECT_EQ(std::uint16_t{udp.checksum}, right);
    }
}

TEST(Checksum, UdpThatComesOutAsZeroIsSentAsOnes) { // RFC 8200 §8.1
    Bytes packet = ipv6("2001:db8::1", "2001:db8::2").udp(1, 2).payload(Bytes{0, 0});
    UdpHeader& udp = udp_at(packet, 40);
    const std::uint16_t rest = udp.checksum; // put into the payload, it makes the sum ffff
    packet[48] = static_cast<std::uint8_t>(rest >> 8);
    packet[49] = static_cast<std::uint8_t>(rest);
    finish_udp6(as_ipv6(packet), udp);
    EXPECT_EQ(std::uint16_t{udp.checksum}, 0xffff);
    EXPECT_TRUE(udp_checksum_ok(as_ipv6(packet), udp));
}

TEST(Checksum, UdpWithoutOneIsForIpv4Only) {
    Bytes four = ipv4("10.0.0.1", "10.0.0.2").udp(1, 2).checksum(0).payload("x");
    EXPECT_TRUE(udp_checksum_ok(as_ipv4(four), udp_at(four, 20)));
    four = ipv4("10.0.0.1", "10.0.0.2").udp(1, 2).payload("x");
    EXPECT_TRUE(udp_checksum_ok(as_ipv4(four), udp_at(four, 20)));
    four.back() ^= 1;
    EXPECT_FALSE(udp_checksum_ok(as_ipv4(four), udp_at(four, 20)));
    Bytes six = ipv6("2001:db8::1", "2001:db8::2").udp(1, 2).checksum(0).payload("x");
    EXPECT_FALSE(udp_checksum_ok(as_ipv6(six), udp_at(six, 40)));
}

} // namespace
