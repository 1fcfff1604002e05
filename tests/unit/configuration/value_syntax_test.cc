#include "control/configuration/value_syntax.h"

#include "control/configuration/cores.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace culvert::control {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(RemoteEndpoint, TakesNamesAndAddressesWithAndWithoutPort) {
    EXPECT_EQ(parse_remote_endpoint("tokyo.example.org"), (RemoteEndpoint{"tokyo.example.org", 4433}));
    EXPECT_EQ(parse_remote_endpoint("tokyo:1"), (RemoteEndpoint{"tokyo", 1}));
    EXPECT_EQ(parse_remote_endpoint("example.org."), (RemoteEndpoint{"example.org.", 4433}));
    EXPECT_EQ(parse_remote_endpoint("192.0.2.1:65535"), (RemoteEndpoint{"192.0.2.1", 65535}));
    EXPECT_EQ(parse_remote_endpoint("[2001:DB8::1]"), (RemoteEndpoint{"2001:db8::1", 4433}));
    EXPECT_EQ(parse_remote_endpoint("[2001:db8::1]:5000").value().text(), "[2001:db8::1]:5000");
    EXPECT_EQ(parse_remote_endpoint("tokyo").value().text(), "tokyo:4433");
}

TEST(RemoteEndpoint, RefusesEverythingElse) {
    for (const auto* text : {"",
                             ":4433",
                             "tokyo:",
                             "tokyo:0",
                             "tokyo:65536",
                             "tokyo:44x",
                             "256.1.1.1",
                             "1.2.3",
                             "2001:db8::1",
                             "[2001:db8::1",
                             "[2001:db8::1]4433",
                             "[192.0.2.1]:1",
                             "[]:1",
                             "a..b",
                             "-a",
                             "a-",
                             "a b",
                             "a/b",
                             "tokyo:1:2",
                             "."})
        EXPECT_FALSE(parse_remote_endpoint(text)) << text;
    EXPECT_FALSE(parse_remote_endpoint(std::string(64, 'a')));
    EXPECT_FALSE(parse_remote_endpoint(std::string(254, 'a')));
    EXPECT_EQ(parse_remote_endpoint("tokyo:0").error().text(),
              "\"0\" is not a UDP port; write a number from 1 to 65535 after the colon");
    EXPECT_EQ(parse_remote_endpoint("300.0.2.1").error().text(),
              "\"300.0.2.1\" is neither an address nor a host name; write it like \"192.0.2.1:4433\" or "
              "\"tokyo.example.org:4433\"");
}

TEST(Device, HasAShortName) {
    EXPECT_EQ(parse_device("kernel:eth0"), "eth0");
    EXPECT_EQ(parse_device("0000:3b:00.1"), "0000:3b:00.1");
    EXPECT_EQ(parse_device("net_memif0,role=server,id=1"), "net_memif0");
    EXPECT_EQ(parse_device("virtio_user0,path=/dev/vhost-net"), "virtio_user0");
    for (const auto* text :
         {"", "kernel:", "kernel:a/b", "kernel:sixteen-letters-", "0000:3b:00.8", "crypto_qat", "net_", "net_x y"})
        EXPECT_FALSE(parse_device(text)) << text;
}

TEST(Complaints, ShowControlCharacters) {
    EXPECT_EQ(in_quotes("a\"\\\x1b\n"), "\"a\\\"\\\\\\x1b\\x0a\"");
}

TEST(Complaints, GuessTheNearestKey) {
    const std::vector<std::string> keys{"endpoint", "lanes", "pin", "prefixes"};
    EXPECT_EQ(nearest("endpiont", keys), "endpoint");
    EXPECT_EQ(nearest("lane", keys), "lanes");
    EXPECT_EQ(nearest("pins", keys), "pin");
    EXPECT_EQ(nearest("prefix", keys), "prefixes");
    EXPECT_EQ(nearest("color", keys), "");
    EXPECT_EQ(nearest("", keys), "");
}

TEST(Cores, AreReadAsTheKernelWritesThem) {
    EXPECT_THAT(parse_core_list("0-2,5,7-8"), ElementsAre(0, 1, 2, 5, 7, 8));
    EXPECT_THAT(parse_core_list("3"), ElementsAre(3));
    EXPECT_THAT(parse_core_list(""), IsEmpty());
    EXPECT_THAT(parse_core_list("x,2-,99999,5-3"), ElementsAre(2)) << "what makes no sense is left out";
    EXPECT_EQ(parse_core_list("0-99999999").size(), 4096U) << "bounded";
}

TEST(Cores, AutomaticWorkersAreSomeOfThoseAllowed) {
    const auto workers = automatic_workers();
    const auto allowed = allowed_cores();
    ASSERT_FALSE(workers.empty());
    if (isolated_cores().empty()) {
        EXPECT_THAT(allowed, ::testing::IsSupersetOf(workers));
    }
}

} // namespace
} // namespace culvert::control
