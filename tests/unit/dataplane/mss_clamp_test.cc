#include "dataplane/mss_clamp.h"

#include "tests/unit/packet_builder.h"

#include <gtest/gtest.h>

using culvert::dataplane::clamp_mss;
using namespace culvert::testing;

namespace {

Bytes clamped(Bytes packet, std::uint16_t inner_mtu) {
    clamp_mss(packet.data(), static_cast<std::uint32_t>(packet.size()), inner_mtu);
    return packet;
}

Packet four() {
    return ipv4("10.1.0.1", "10.2.0.1");
}
Packet six() {
    return ipv6("2001:db8::1", "2001:db8::2");
}

TEST(MssClamp, LowersWhatDoesNotFit) {
    EXPECT_EQ(clamped(four().tcp(5000, 80).syn().mss(1460), 1400), four().tcp(5000, 80).syn().mss(1360).bytes());
    EXPECT_EQ(clamped(six().tcp(5000, 80).syn().mss(1440), 1400), six().tcp(5000, 80).syn().mss(1340).bytes());
    EXPECT_EQ(clamped(four().tcp(80, 5000).flags(0x12).mss(65495), 1400),
              four().tcp(80, 5000).flags(0x12).mss(1360).bytes())
        << "SYN and ACK";
}

TEST(MssClamp, CountsIpv4Options) {
    EXPECT_EQ(clamped(four().ip_options(Bytes(12, 1)).tcp(5000, 80).syn().mss(1460), 1400),
              four().ip_options(Bytes(12, 1)).tcp(5000, 80).syn().mss(1348).bytes());
}

TEST(MssClamp, NeverRaises) {
    for (const std::uint16_t mss : {std::uint16_t{0}, std::uint16_t{536}, std::uint16_t{1360}}) {
        const Bytes packet = four().tcp(5000, 80).syn().mss(mss);
        EXPECT_EQ(clamped(packet, 1400), packet);
    }
}

TEST(MssClamp, FindsTheOptionAmongOthers) {
    // window scale, SACK permitted, timestamps around it, as Linux and others order them
    const auto with = [](std::uint8_t high, std::uint8_t low) {
        return four()
            .tcp(5000, 80)
            .syn()
            .tcp_options({3, 3, 7, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 4, 2, 2, 4, high, low})
            .payload("fast open")
            .bytes();
    };
    EXPECT_EQ(clamped(with(0x05, 0xb4), 1400), with(0x05, 0x50));
}

TEST(MssClamp, TheChecksumFollowsAtOddOffsetsToo) {
    for (std::uint8_t padding = 0; padding < 8; ++padding)
        for (unsigned mss = 1361; mss < 65536; mss += 331) {
            const auto with = [&](unsigned value) {
                Bytes options(padding, 1);
                for (const unsigned byte : {2U, 4U, value >> 8, value & 0xff})
                    options.push_back(static_cast<std::uint8_t>(byte));
                return four().tcp(5000, 80).syn().tcp_options(options).bytes();
            };
            ASSERT_EQ(clamped(with(mss), 1400), with(1360)) << int{padding};
        }
}

TEST(MssClamp, LeavesAllElseAlone) {
    for (const Bytes& packet : {
             four().tcp(5000, 80).mss(1460).bytes(), // no SYN
             four().udp(5000, 80).payload(Bytes{0, 0, 0, 0, 0x50, 2, 2, 4, 5, 0xb4}).bytes(),
             four().protocol(6).fragment_offset(800).payload(Bytes(60, 2)).bytes(), // a later fragment
             four().tcp(5000, 80).syn().bytes(),                                    // no options
             four().tcp(5000, 80).syn().tcp_options({0, 2, 4, 5, 0xb4}).bytes(),    // behind the end of options
             four().tcp(5000, 80).syn().tcp_options({2, 3, 5, 0xb4}).bytes(),       // of a wrong length
             six().tcp(5000, 80).mss(1440).bytes(),
             six().udp(5000, 80).bytes(),
             six().fragment_header(800, false).protocol(6).payload(Bytes(60, 2)).bytes(),
         })
        EXPECT_EQ(clamped(packet, 1400), packet);
}

TEST(MssClamp, BehindIpv6ExtensionHeaders) {
    const auto with = [] {
        return six().extension(0, Bytes(7)).extension(60, Bytes{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    };
    EXPECT_EQ(clamped(with().tcp(5000, 80).syn().mss(1440), 1400), with().tcp(5000, 80).syn().mss(1340).bytes());
    EXPECT_EQ(clamped(six().fragment_header(0, true).tcp(5000, 80).syn().mss(1440), 1400),
              six().fragment_header(0, true).tcp(5000, 80).syn().mss(1340).bytes());
}

TEST(MssClamp, MalformedOptionsStayWithinBounds) {
    for (const Bytes& options : {Bytes{2}, Bytes{2, 4}, Bytes{2, 4, 5}, Bytes{1, 1, 1, 2}, Bytes{3, 0, 0, 0},
                                 Bytes{3, 1, 2, 4}, Bytes{8, 255, 2, 4}}) {
        const Bytes packet = four().tcp(5000, 80).syn().tcp_options(options);
        EXPECT_EQ(clamped(packet, 1400), packet);
    }
    Bytes long_header = four().tcp(5000, 80).syn().mss(1460); // data offset beyond the packet's end
    long_header[32] = 0xf0;
    long_header.resize(42);
    EXPECT_EQ(clamped(long_header, 1400), long_header);
    Bytes short_header = four().tcp(5000, 80).syn().mss(1460); // data offset below 20 bytes: no options
    short_header[32] = 0x40;
    EXPECT_EQ(clamped(short_header, 1400), short_header);
}

TEST(MssClamp, EveryTruncationStaysWithinBounds) { // a sanitizer sees what doesn't
    for (const Bytes& whole : {four().tcp(5000, 80).syn().tcp_options({1, 1, 2, 4, 5, 0xb4}).bytes(),
                               six().extension(0, Bytes(7)).tcp(5000, 80).syn().mss(1440).bytes()})
        for (std::size_t length = whole[0] >> 4 == 4 ? 20 : 40; length < whole.size(); ++length)
            clamped(Bytes(whole.begin(), whole.begin() + static_cast<int>(length)), 1400);
}

TEST(MssClamp, AnMtuBelowTheHeadersChangesNothing) {
    const Bytes packet = four().tcp(5000, 80).syn().mss(1460);
    EXPECT_EQ(clamped(packet, 40), packet);
    EXPECT_EQ(clamped(packet, 41), four().tcp(5000, 80).syn().mss(1).bytes());
}

} // namespace
