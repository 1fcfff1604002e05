#include "dataplane/inner_packet.h"

#include "tests/unit/packet_builder.h"

#include <gtest/gtest.h>

using namespace culvert::dataplane;
using namespace culvert::testing;

namespace {

std::optional<InnerPacket> parse(const Bytes& packet) {
    return parse_inner(packet.data(), static_cast<std::uint32_t>(packet.size()));
}

TEST(InnerPacket, Ipv4) {
    const auto inner = parse(ipv4("10.1.0.1", "10.2.0.1").udp(1, 2).payload(100));
    ASSERT_TRUE(inner);
    EXPECT_EQ(inner->version, 4);
    EXPECT_EQ(inner->header_bytes, 20);
    EXPECT_EQ(inner->total_bytes, 128U);
    EXPECT_EQ(inner->protocol, ip_protocol::udp);
}

TEST(InnerPacket, Ipv4WithOptions) {
    const auto inner = parse(ipv4("10.1.0.1", "10.2.0.1").ip_options(Bytes(40, 1)).tcp(1, 2));
    ASSERT_TRUE(inner);
    EXPECT_EQ(inner->header_bytes, 60);
    EXPECT_EQ(inner->total_bytes, 80U);
}

TEST(InnerPacket, Ipv6) {
    const auto inner = parse(ipv6("2001:db8::1", "2001:db8::2").icmp(128, 0).payload(8));
    ASSERT_TRUE(inner);
    EXPECT_EQ(inner->version, 6);
    EXPECT_EQ(inner->header_bytes, 40);
    EXPECT_EQ(inner->total_bytes, 56U);
    EXPECT_EQ(inner->protocol, ip_protocol::icmp6);
}

TEST(InnerPacket, BytesBehindThePacketAreLeftToTheCaller) {
    Bytes padded = ipv4("10.1.0.1", "10.2.0.1").udp(1, 2).payload(3);
    padded.resize(padded.size() + 15);
    EXPECT_EQ(parse(padded)->total_bytes, 31U);
    Bytes six = ipv6("2001:db8::1", "2001:db8::2").udp(1, 2);
    six.resize(six.size() + 1);
    EXPECT_EQ(parse(six)->total_bytes, 48U);
}

TEST(InnerPacket, WrongLengthsAreRefused) {
    EXPECT_FALSE(parse(ipv4("10.1.0.1", "10.2.0.1").length(29).udp(1, 2))); // longer than what came
    EXPECT_FALSE(parse(ipv4("10.1.0.1", "10.2.0.1").length(19).udp(1, 2))); // shorter than its header
    EXPECT_FALSE(parse(ipv4("10.1.0.1", "10.2.0.1").length(0).udp(1, 2)));
    EXPECT_FALSE(parse(ipv4("10.1.0.1", "10.2.0.1").ip_options(Bytes(8, 1)).length(27)));
    EXPECT_FALSE(parse(ipv6("2001:db8::1", "2001:db8::2").length(9).udp(1, 2)));
    Bytes ihl_of_four = ipv4("10.1.0.1", "10.2.0.1").udp(1, 2);
    ihl_of_four[0] = 0x44;
    EXPECT_FALSE(parse(ihl_of_four));
    for (std::uint8_t version = 0; version < 16; ++version) {
        Bytes packet = ipv6("2001:db8::1", "2001:db8::2").udp(1, 2);
        packet[0] = static_cast<std::uint8_t>(version << 4 | 5);
        packet[2] = 0, packet[3] = 40; // as IPv4's total length
        EXPECT_EQ(parse(packet).has_value(), version == 4 || version == 6) << int{version};
    }
}

TEST(InnerPacket, EveryTruncationIsRefused) {
    for (const Bytes& whole : {ipv4("10.1.0.1", "10.2.0.1").ip_options(Bytes(12, 1)).udp(1, 2).bytes(),
                               ipv6("2001:db8::1", "2001:db8::2").udp(1, 2).payload(4).bytes()})
        for (std::size_t length = 0; length < whole.size(); ++length)
            EXPECT_FALSE(parse(Bytes(whole.begin(), whole.begin() + static_cast<int>(length)))) << length;
}

TEST(InnerPacket, RoutableDestinations) {
    for (const char* to : {"10.2.0.1", "192.168.255.255", "169.253.0.1", "169.255.0.1", "223.0.0.1", "240.0.0.1"})
        EXPECT_TRUE(is_routable_destination(ipv4("10.1.0.1", to).bytes().data())) << to;
    for (const char* to : {"224.0.0.251", "239.1.2.3", "255.255.255.255", "169.254.0.1", "127.0.0.1", "0.0.0.0"})
        EXPECT_FALSE(is_routable_destination(ipv4("10.1.0.1", to).bytes().data())) << to;
    for (const char* to : {"2001:db8::1", "fd00::1", "fec0::1", "64:ff9b::1", "::2"})
        EXPECT_TRUE(is_routable_destination(ipv6("2001:db8::9", to).bytes().data())) << to;
    for (const char* to : {"ff02::1", "ff0e::1", "fe80::1", "febf::1", "::1", "::"})
        EXPECT_FALSE(is_routable_destination(ipv6("2001:db8::9", to).bytes().data())) << to;
}

TEST(InnerPacket, TtlGoesDownByOneAndTheChecksumFollows) {
    for (unsigned id = 0; id < 65536; ++id) { // the id moves the checksum through all its values
        Bytes packet = ipv4("10.1.0.1", "10.2.0.1").ttl(64).id(static_cast<std::uint16_t>(id));
        ASSERT_TRUE(decrement_ttl(packet.data()));
        ASSERT_EQ(packet, ipv4("10.1.0.1", "10.2.0.1").ttl(63).id(static_cast<std::uint16_t>(id)).bytes());
    }
    Bytes six = ipv6("2001:db8::1", "2001:db8::2").ttl(2).udp(1, 2);
    EXPECT_TRUE(decrement_ttl(six.data()));
    EXPECT_EQ(six, ipv6("2001:db8::1", "2001:db8::2").ttl(1).udp(1, 2).bytes());
}

TEST(InnerPacket, TtlUsedUpIsToldAndNothingChanged) {
    for (const std::uint8_t ttl : {std::uint8_t{0}, std::uint8_t{1}}) {
        for (const Bytes& before : {ipv4("10.1.0.1", "10.2.0.1").ttl(ttl).udp(1, 2).bytes(),
                                    ipv6("2001:db8::1", "2001:db8::2").ttl(ttl).udp(1, 2).bytes()}) {
            Bytes packet = before;
            EXPECT_FALSE(decrement_ttl(packet.data()));
            EXPECT_EQ(packet, before);
        }
    }
}

} // namespace
