#include "dataplane/address.h"

#include <gtest/gtest.h>
#include <unordered_set>

using namespace culvert::dataplane;

namespace {

TEST(IpAddress, ReadsWhatItWrites) {
    for (const char* text : {"192.0.2.1", "0.0.0.0", "255.255.255.255", "2001:db8::1", "::", "fe80::1"}) {
        const auto address = IpAddress::parse(text);
        ASSERT_TRUE(address) << address.error();
        EXPECT_EQ(address->text(), text);
    }
}

TEST(IpAddress, TellsTheFamilies) {
    EXPECT_TRUE(IpAddress::parse("192.0.2.1")->is_v4());
    EXPECT_EQ(std::uint32_t{IpAddress::parse("192.0.2.1")->as_v4()}, 0xc0000201);
    EXPECT_EQ(IpAddress::v4(0xc0000201U), *IpAddress::parse("192.0.2.1"));
    EXPECT_FALSE(IpAddress::parse("2001:db8::1")->is_v4());
    EXPECT_FALSE(IpAddress::parse("::")->is_v4());
    EXPECT_TRUE(IpAddress::parse("::")->is_unspecified());
    EXPECT_TRUE(IpAddress::parse("0.0.0.0")->is_unspecified());
    EXPECT_FALSE(IpAddress::parse("::1")->is_unspecified());
}

TEST(IpAddress, RefusesWhatIsNone) {
    using namespace std::string_view_literals;
    for (const auto text : {""sv, "192.0.2"sv, "192.0.2.256"sv, " 192.0.2.1"sv, "192.0.2.1 "sv, "192.0.2.1\0"sv,
                            "2001:db8::1\0x"sv, "2001:db8:::1"sv, "[::1]"sv, "fe80::1%eth0"sv, "tokyo"sv})
        EXPECT_FALSE(IpAddress::parse(text)) << text;
    EXPECT_EQ(IpAddress::parse("::ffff:192.0.2.1").error(),
              "'::ffff:192.0.2.1' is an IPv4 address in IPv6 dress; write 192.0.2.1");
}

TEST(Endpoint, ReadsWhatItWrites) {
    for (const char* text : {"192.0.2.1:4433", "[2001:db8::1]:65535"}) {
        const auto endpoint = Endpoint::parse(text);
        ASSERT_TRUE(endpoint) << endpoint.error();
        EXPECT_EQ(endpoint->text(), text);
    }
    EXPECT_EQ(Endpoint::parse("192.0.2.1:4433")->port, 4433);
}

TEST(Endpoint, RefusesWhatIsNone) {
    for (const char* text :
         {"192.0.2.1", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:44x", "2001:db8::1:4433",
          "[192.0.2.1]:4433", "[2001:db8::1]", "[]:1", ":1", "[2001:db8::1:1"})
        EXPECT_FALSE(Endpoint::parse(text)) << text;
}

TEST(Prefix, ReadsWhatItWrites) {
    for (const char* text :
         {"10.9.0.0/16", "0.0.0.0/0", "10.9.8.7/32", "2001:db8::/32", "::/0", "2001:db8::1/128"}) {
        const auto prefix = Prefix::parse(text);
        ASSERT_TRUE(prefix) << prefix.error();
        EXPECT_EQ(prefix->text(), text);
    }
}

TEST(Prefix, RefusesHostBitsAndNamesTheNetwork) {
    EXPECT_EQ(Prefix::parse("10.9.1.0/16").error(), "'10.9.1.0/16' has host bits set; the network is 10.9.0.0/16");
    EXPECT_EQ(Prefix::parse("2001:db8::1/33").error(),
              "'2001:db8::1/33' has host bits set; the network is 2001:db8::/33");
    EXPECT_EQ(Prefix::parse_interface("10.8.0.1/24")->text(), "10.8.0.1/24");
    EXPECT_EQ(Prefix::parse_interface("10.8.0.1/24")->network().text(), "10.8.0.0/24");
}

TEST(Prefix, RefusesWhatIsNone) {
    for (const char* text : {"10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "::/129", "/8",
                             "10.0.0.0/8 ", "10.0.0.0/8/8", "::ffff:10.0.0.0/104"})
        EXPECT_FALSE(Prefix::parse(text)) << text;
}

TEST(Prefix, ContainsItsOwnFamilyOnly) {
    const auto contains = [](const char* prefix, const char* address) {
        return Prefix::parse(prefix)->contains(*IpAddress::parse(address));
    };
    EXPECT_TRUE(contains("10.9.0.0/16", "10.9.255.255"));
    EXPECT_FALSE(contains("10.9.0.0/16", "10.10.0.0"));
    EXPECT_TRUE(contains("10.9.8.0/23", "10.9.9.1"));
    EXPECT_FALSE(contains("10.9.8.0/23", "10.9.10.1"));
    EXPECT_TRUE(contains("0.0.0.0/0", "10.9.8.7"));
    EXPECT_FALSE(contains("0.0.0.0/0", "2001:db8::1"));
    EXPECT_FALSE(contains("::/0", "10.9.8.7"));
    EXPECT_TRUE(contains("2001:db8::/47", "2001:db8:1::1"));
    EXPECT_FALSE(contains("2001:db8::/47", "2001:db8:2::1"));
}

TEST(IpAddress, PlausibleSources) {
    for (const char* text : {"192.0.2.1", "10.0.0.1", "223.255.255.255", "240.0.0.1", "2001:db8::1", "fe80::1",
                             "fd00::1", "::2", "::1:0:0:1"})
        EXPECT_TRUE(plausible_source(*IpAddress::parse(text))) << text;
    for (const char* text : {"0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.0.1", "224.0.0.1", "239.255.255.255",
                             "255.255.255.255", "::", "::1", "ff02::1", "ff0e::1"})
        EXPECT_FALSE(plausible_source(*IpAddress::parse(text))) << text;
}

TEST(IpAddress, HashesSpread) {
    std::unordered_set<std::size_t> seen;
    for (std::uint32_t i = 0; i < 10000; ++i)
        seen.insert(
            std::hash<Endpoint>{}({IpAddress::v4(0x0a000000U + i % 100), static_cast<std::uint16_t>(i / 100)}));
    EXPECT_EQ(seen.size(), 10000U);
}

} // namespace
