#include "dataplane/icmp_answer.h"
#include "dataplane/rate_limit.h"

#include "tests/unit/eal_environment.h"

#include <gtest/gtest.h>

using namespace culvert::dataplane;
using namespace culvert::testing;

namespace {

const char* const own4 = "10.8.0.1";
const char* const own6 = "fd00:8::1";

/// The answer's bytes; empty: none.
Bytes answer_to(const Bytes& offender, IcmpAnswer kind, const char* own, std::uint16_t mtu = 0) {
    const Mbuf packet = mbuf_of(offender);
    const Mbuf answer(make_icmp_answer(packet.get(), kind, *IpAddress::parse(own), mtu, test_pool()));
    if (!answer)
        return {};
    EXPECT_EQ(answer->nb_segs, 1);
    EXPECT_EQ(answer->data_off, RTE_PKTMBUF_HEADROOM);
    return bytes_of(answer.get());
}
Bytes answer_to(const Bytes& offender) {
    return answer_to(offender, IcmpAnswer::net_unreachable, offender[0] >> 4 == 4 ? own4 : own6);
}

Packet from_own4() {
    return ipv4(own4, "10.1.0.7").traffic_class(0xc0).dont_fragment();
}
Packet from_own6() {
    return ipv6(own6, "2001:db8::7").traffic_class(0xc0);
}
Packet four() {
    return ipv4("10.1.0.7", "10.2.0.1");
}
Packet six() {
    return ipv6("2001:db8::7", "2001:db8:2::1");
}
Bytes start(const Bytes& whole, std::size_t length) {
    return {whole.begin(), whole.begin() + static_cast<int>(length)};
}

TEST(IcmpAnswer, QuotesTheOffenderIpv4) {
    const Bytes offender = four().ttl(1).udp(1000, 2000).payload("hello");
    using enum IcmpAnswer;
    EXPECT_EQ(answer_to(offender, net_unreachable, own4), from_own4().icmp(3, 0).payload(offender).bytes());
    EXPECT_EQ(answer_to(offender, host_unreachable, own4), from_own4().icmp(3, 1).payload(offender).bytes());
    EXPECT_EQ(answer_to(offender, time_exceeded, own4), from_own4().icmp(11, 0).payload(offender).bytes());
    EXPECT_EQ(answer_to(offender, admin_prohibited, own4), from_own4().icmp(3, 13).payload(offender).bytes());
    EXPECT_EQ(answer_to(offender, packet_too_big, own4, 1400),
              from_own4().icmp(3, 4, 1400).payload(offender).bytes());
}

TEST(IcmpAnswer, QuotesTheOffenderIpv6) {
    const Bytes offender = six().ttl(1).tcp(1000, 2000).payload("hello");
    using enum IcmpAnswer;
    EXPECT_EQ(answer_to(offender, net_unreachable, own6), from_own6().icmp(1, 0).payload(offender).bytes());
    EXPECT_EQ(answer_to(offender, host_unreachable, own6), from_own6().icmp(1, 3).payload(offender).bytes());
    EXPECT_EQ(answer_to(offender, time_exceeded, own6), from_own6().icmp(3, 0).payload(offender).bytes());
    EXPECT_EQ(answer_to(offender, admin_prohibited, own6), from_own6().icmp(1, 1).payload(offender).bytes());
    EXPECT_EQ(answer_to(offender, packet_too_big, own6, 1400),
              from_own6().icmp(2, 0, 1400).payload(offender).bytes());
    EXPECT_EQ(answer_to(offender, packet_too_big, own6, 1200),
              from_own6().icmp(2, 0, 1280).payload(offender).bytes())
        << "no link has less (RFC 8201 §4)";
}

TEST(IcmpAnswer, QuotesNoMoreThanFits) { // RFC 1812 §4.3.2.3: 576 bytes; RFC 4443 §2.4 c: 1280
    const Bytes long4 = four().udp(1, 2).payload(std::size_t{1400}),
                long6 = six().udp(1, 2).payload(std::size_t{1400});
    EXPECT_EQ(answer_to(long4), from_own4().icmp(3, 0).payload(start(long4, 576 - 28)).bytes());
    EXPECT_EQ(answer_to(long6), from_own6().icmp(1, 0).payload(start(long6, 1280 - 48)).bytes());
}

TEST(IcmpAnswer, DoesNotQuotePadding) {
    const Bytes offender = four().udp(1, 2).payload("x");
    Bytes padded = offender;
    padded.resize(64, 0xee);
    EXPECT_EQ(answer_to(padded), from_own4().icmp(3, 0).payload(offender).bytes());
}

TEST(IcmpAnswer, AnswersQueries) {
    for (const std::uint8_t type : {std::uint8_t{0}, std::uint8_t{8}, std::uint8_t{13}})
        EXPECT_FALSE(answer_to(four().icmp(type, 0).payload("ping")).empty()) << int{type};
    for (const std::uint8_t type : {std::uint8_t{128}, std::uint8_t{129}})
        EXPECT_FALSE(answer_to(six().icmp(type, 0).payload("ping")).empty()) << int{type};
    EXPECT_FALSE(answer_to(six().extension(0, Bytes(7)).icmp(128, 0)).empty());
}

TEST(IcmpAnswer, NoneToErrors) {
    for (const std::uint8_t type :
         {std::uint8_t{3}, std::uint8_t{4}, std::uint8_t{5}, std::uint8_t{11}, std::uint8_t{12}})
        EXPECT_TRUE(answer_to(four().icmp(type, 0)).empty()) << int{type};
    for (const std::uint8_t type : {std::uint8_t{1}, std::uint8_t{2}, std::uint8_t{3}, std::uint8_t{4},
                                    std::uint8_t{127}, std::uint8_t{137}}) {
        EXPECT_TRUE(answer_to(six().icmp(type, 0)).empty()) << int{type};
        EXPECT_TRUE(answer_to(six().extension(0, Bytes(7)).extension(60, Bytes(7)).icmp(type, 0)).empty());
        EXPECT_TRUE(answer_to(six().fragment_header(0, true).icmp(type, 0)).empty());
    }
    EXPECT_TRUE(answer_to(four().protocol(1)).empty()) << "an ICMP message whose type is cut off";
    EXPECT_TRUE(answer_to(six().protocol(58)).empty());
    EXPECT_TRUE(answer_to(six().extension(0, Bytes{200, 0, 0, 0, 0, 0, 0})).empty() == false)
        << "no ICMP behind it";
    EXPECT_TRUE(answer_to(six().protocol(0).payload("short")).empty()) << "extension header cut off";
}

TEST(IcmpAnswer, NoneToLaterFragments) {
    EXPECT_FALSE(answer_to(four().more_fragments().udp(1, 2).payload(std::size_t{96})).empty()) << "the first";
    EXPECT_TRUE(answer_to(four().protocol(17).fragment_offset(96).payload("rest")).empty());
    EXPECT_FALSE(answer_to(six().fragment_header(0, true).udp(1, 2).payload(std::size_t{96})).empty())
        << "the first";
    EXPECT_TRUE(answer_to(six().fragment_header(96, false).protocol(17).payload("rest")).empty());
}

TEST(IcmpAnswer, NoneToOrFromWhatIsNoSingleHost) {
    for (const char* source : {"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "169.254.1.1"})
        EXPECT_TRUE(answer_to(ipv4(source, "10.2.0.1").udp(1, 2)).empty()) << source;
    for (const char* destination : {"224.0.0.251", "255.255.255.255"})
        EXPECT_TRUE(answer_to(ipv4("10.1.0.7", destination).udp(1, 2)).empty()) << destination;
    for (const char* source : {"::", "::1", "ff02::1", "fe80::1"})
        EXPECT_TRUE(answer_to(ipv6(source, "2001:db8::1").udp(1, 2)).empty()) << source;
    EXPECT_TRUE(answer_to(ipv6("2001:db8::7", "ff0e::1").udp(1, 2)).empty());
}

TEST(IcmpAnswer, NoneWithoutAnAddressToComeFrom) {
    const Bytes offender = four().udp(1, 2);
    EXPECT_TRUE(answer_to(offender, IcmpAnswer::net_unreachable, "0.0.0.0").empty());
    EXPECT_TRUE(answer_to(offender, IcmpAnswer::net_unreachable, "::").empty());
    EXPECT_TRUE(answer_to(offender, IcmpAnswer::net_unreachable, own6).empty());
    EXPECT_TRUE(answer_to(six().udp(1, 2), IcmpAnswer::net_unreachable, own4).empty());
}

TEST(IcmpAnswer, NoneWhenThePoolIsEmpty) {
    rte_mempool* one = rte_pktmbuf_pool_create("one", 1, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    ASSERT_NE(one, nullptr);
    const Mbuf offender = mbuf_of(four().udp(1, 2));
    const IpAddress own = *IpAddress::parse(own4);
    {
        const Mbuf first(make_icmp_answer(offender.get(), IcmpAnswer::time_exceeded, own, 0, one));
        EXPECT_NE(first, nullptr);
        EXPECT_EQ(make_icmp_answer(offender.get(), IcmpAnswer::time_exceeded, own, 0, one), nullptr);
    }
    rte_mempool_free(one);
}

TEST(RateLimit, ABurstThenARate) {
    constexpr std::uint64_t second = 1'000'000'000;
    RateLimit limiter(second, 100, 50);
    const std::uint64_t start_time = 77 * second;
    int allowed = 0;
    for (int i = 0; i < 1000; ++i)
        allowed += limiter.allow(start_time) ? 1 : 0;
    EXPECT_EQ(allowed, 50);
    for (std::uint64_t now = start_time; now < start_time + 10 * second; now += second / 10'000)
        allowed += limiter.allow(now) ? 1 : 0;
    EXPECT_NEAR(allowed, 50 + 1000, 1);
    const std::uint64_t later = start_time + 60 * second;
    for (int i = 0; i < 1000; ++i)
        allowed += limiter.allow(later) ? 1 : 0;
    EXPECT_NEAR(allowed, 50 + 1000 + 50, 1) << "it fills up to its burst and no further";
}

TEST(RateLimit, AClockThatStepsBackOpensNoGate) {
    RateLimit limiter(1'000'000, 10, 2);
    EXPECT_TRUE(limiter.allow(5'000'000));
    EXPECT_FALSE(limiter.allow(1'000'000));
    EXPECT_TRUE(limiter.allow(5'000'000));
    EXPECT_FALSE(limiter.allow(5'000'000));
}

} // namespace
