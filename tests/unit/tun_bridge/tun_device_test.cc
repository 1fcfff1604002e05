#include "tun_bridge/tun_device.h"

#include "tests/unit/tun_bridge/scratch_namespace.h"
#include "tun_bridge/network_namespace.h"

#include <csignal>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <optional>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace culvert::tun_bridge {
namespace {

using dataplane::IpAddress;
using dataplane::Prefix;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

Prefix prefix(std::string_view text) {
    return Prefix::parse(text).value();
}
Prefix interface(std::string_view text) {
    return Prefix::parse_interface(text).value();
}

class TunDeviceTest : public ::testing::Test {
  protected:
    void SetUp() override {
        if (const auto why = culvert::testing::kernel_refusal())
            GTEST_SKIP() << *why;
        space_.emplace("tun");
    }

    std::unique_ptr<TunDevice> open(TunSettings settings) {
        settings.network_namespace = space_->name();
        auto device = TunDevice::open(settings);
        EXPECT_TRUE(device) << (device ? "" : device.error());
        return device ? std::move(*device) : nullptr;
    }
    bool exists(const std::string& name) { return space_->run("ip link show " + name + " >/dev/null 2>&1") == 0; }

    std::optional<culvert::testing::ScratchNamespace> space_;
};

const TunSettings both_families{.name = "cvt0",
                                .addresses = {interface("10.8.0.1/24"), interface("fd00:8::1/64")},
                                .mtu = 1390,
                                .network_namespace = {}};

TEST_F(TunDeviceTest, IsUpWithAddressesAndMtuAndGoesWithItsObject) {
    auto device = open(both_families);
    ASSERT_TRUE(device);
    const Link link = find_link(device->netlink(), "cvt0").value();
    EXPECT_TRUE(link.up);
    EXPECT_EQ(link.mtu, 1390U);
    EXPECT_EQ(link.transmit_queue_length, 5000U);
    EXPECT_EQ(link.index, device->link().index);
    EXPECT_TRUE(device->offloads().tcp);
    // No link-local beside them, and the IPv6 one can be used at once.
    EXPECT_THAT(list_addresses(device->netlink(), link).value(),
                ElementsAre(interface("10.8.0.1/24"), interface("fd00:8::1/64")));
    EXPECT_THAT(space_->output("ip -6 address show dev cvt0"), Not(HasSubstr("tentative")));
    EXPECT_NE(std::system("ip link show cvt0 >/dev/null 2>&1"), 0) << "made outside of its namespace";

    device.reset();
    EXPECT_FALSE(exists("cvt0"));
}

TEST_F(TunDeviceTest, SendsNothingOfItsOwn) {
    const auto device = open(both_families);
    ASSERT_TRUE(device);
    pollfd readable{device->queue_fd(0), POLLIN, 0};
    // Router solicitations and multicast listener reports would come within the first second (RFC 3810 §9.11).
    EXPECT_EQ(::poll(&readable, 1, 1200), 0);
}

TEST_F(TunDeviceTest, SeveralQueuesMakeOneDevice) {
    auto settings = both_families;
    settings.queues = 4;
    const auto device = open(settings);
    ASSERT_TRUE(device);
    EXPECT_EQ(device->queues(), 4);
    EXPECT_THAT(space_->output("ip -d link show cvt0"), HasSubstr("numqueues 4"));
}

TEST_F(TunDeviceTest, RefusesANameThatExists) {
    auto settings = both_families;
    settings.network_namespace = space_->name();
    ASSERT_EQ(space_->run("ip tuntap add dev cvt0 mode tun"), 0); // persistent: TUNSETIFF alone would join it
    EXPECT_THAT(TunDevice::open(settings).error(), HasSubstr("cvt0: a network interface of that name exists"));
    settings.name = "lo";
    EXPECT_THAT(TunDevice::open(settings).error(), HasSubstr("lo: a network interface of that name exists"));
    settings.name = "sixteen-letters-";
    EXPECT_THAT(TunDevice::open(settings).error(), HasSubstr("is no interface name"));
    settings.name = "a/b";
    EXPECT_THAT(TunDevice::open(settings).error(), HasSubstr("is no interface name"));
}

TEST_F(TunDeviceTest, NamesAMissingNamespaceAndAnImpossibleMtu) {
    auto settings = both_families;
    settings.network_namespace = "cvtb-not-there";
    EXPECT_THAT(TunDevice::open(settings).error(), HasSubstr("ip netns add cvtb-not-there"));
    settings.network_namespace = space_->name();
    settings.mtu = 40;
    EXPECT_THAT(TunDevice::open(settings).error(), HasSubstr("cvt0: cannot set its MTU to 40: "));
    EXPECT_FALSE(exists("cvt0")) << "half a device was left";
}

TEST_F(TunDeviceTest, WithoutOffloadsNoneAreAskedFor) {
    auto settings = both_families;
    settings.offloads = false;
    const auto device = open(settings);
    ASSERT_TRUE(device);
    EXPECT_FALSE(device->offloads().tcp);
    EXPECT_FALSE(device->offloads().udp);
}

TEST_F(TunDeviceTest, ChangesAddressesAndKeepsTheRest) {
    const auto device = open(both_families);
    ASSERT_TRUE(device);
    ASSERT_THAT(device->routes().add(std::vector<Route>{{prefix("10.9.0.0/16"), {}}}), IsEmpty());
    const auto changed = device->change_addresses({interface("10.8.0.2/24"), interface("fd00:8::2/64")});
    ASSERT_TRUE(changed) << changed.error();
    EXPECT_THAT(list_addresses(device->netlink(), device->link()).value(),
                ElementsAre(interface("10.8.0.2/24"), interface("fd00:8::2/64")));
    EXPECT_EQ(device->routes().list().value().size(), 1U);
}

TEST_F(TunDeviceTest, RoutesManyPrefixes) {
    const auto device = open(both_families);
    ASSERT_TRUE(device);
    std::vector<Route> routes;
    std::vector<Prefix> destinations;
    for (unsigned i = 0; i < 3000; ++i) {
        const std::string text =
            i % 2 == 0 ? "10." + std::to_string(64 + i / 256) + "." + std::to_string(i % 256) + ".0/24"
                       : "fd00:" + std::to_string(i) + "::/48";
        destinations.push_back(prefix(text));
        routes.push_back({destinations.back(), {}});
    }
    routes[0].preferred_source = IpAddress::parse("10.8.0.1").value();
    routes[1].preferred_source = IpAddress::parse("fd00:8::1").value();
    EXPECT_THAT(device->routes().add(routes), IsEmpty());
    EXPECT_THAT(device->routes().list().value(), ::testing::UnorderedElementsAreArray(routes));
    EXPECT_THAT(space_->output("ip route get 10.64.0.9"), HasSubstr("dev cvt0 src 10.8.0.1"));
    EXPECT_THAT(device->routes().add(routes), IsEmpty()) << "adding again";

    EXPECT_THAT(device->routes().remove(std::span(destinations).subspan(1)), IsEmpty());
    EXPECT_THAT(device->routes().list().value(), ElementsAre(routes[0]));
    EXPECT_THAT(device->routes().remove(destinations), IsEmpty()) << "removing what is not there";
    EXPECT_THAT(device->routes().list().value(), IsEmpty());
}

TEST_F(TunDeviceTest, TellsOfAForeignRouteAndLeavesIt) {
    const auto device = open(both_families);
    ASSERT_TRUE(device);
    ASSERT_EQ(space_->run("ip route add 10.9.0.0/16 dev lo"), 0);
    const std::vector<Prefix> destinations{prefix("10.9.0.0/16"), prefix("10.8.0.0/24"), prefix("10.10.0.0/16")};
    const auto failures = device->routes().add(
        std::vector<Route>{{destinations[0], {}}, {destinations[1], {}}, {destinations[2], {}}});
    ASSERT_EQ(failures.size(), 1U); // the device's own network is there already, and that is well
    EXPECT_EQ(failures[0].destination, destinations[0]);
    EXPECT_THAT(failures[0].problem, HasSubstr("cvt0: cannot route 10.9.0.0/16 into it: another route"));

    EXPECT_THAT(device->routes().remove(destinations), IsEmpty());
    EXPECT_THAT(space_->output("ip route"), HasSubstr("10.9.0.0/16 dev lo"));
    EXPECT_THAT(space_->output("ip route"), HasSubstr("10.8.0.0/24 dev cvt0 proto kernel"));
}

TEST_F(TunDeviceTest, LeavesNothingAfterAKill) {
    const std::string space = space_->name();
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        auto settings = both_families;
        settings.network_namespace = space;
        const auto device = TunDevice::open(settings);
        const bool well =
            device && (*device)->routes().add(std::vector<Route>{{prefix("10.9.0.0/16"), {}}}).empty();
        [[maybe_unused]] const ssize_t told = ::write(ready[1], well ? "y" : "n", 1);
        ::pause();
        ::_exit(0);
    }
    char answer = 0;
    ASSERT_EQ(::read(ready[0], &answer, 1), 1);
    ASSERT_EQ(answer, 'y');
    EXPECT_TRUE(exists("cvt0"));
    EXPECT_THAT(space_->output("ip route"), HasSubstr("10.9.0.0/16 dev cvt0"));

    ASSERT_EQ(::kill(child, SIGKILL), 0);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    ::close(ready[0]);
    ::close(ready[1]);
    EXPECT_FALSE(exists("cvt0"));
    EXPECT_THAT(space_->output("ip route; ip -6 route"), Not(HasSubstr("cvt0")));
    EXPECT_THAT(space_->output("ip address"), Not(HasSubstr("10.8.0.1")));
    EXPECT_TRUE(open(both_families)) << "the restart";
}

} // namespace
} // namespace culvert::tun_bridge
