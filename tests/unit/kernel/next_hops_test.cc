#include "control/kernel/next_hops.h"

#include "tests/unit/kernel/inside_namespace.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <net/if.h>

namespace culvert::control {
namespace {

using culvert::testing::ScratchNamespace;
using dataplane::IpAddress;
using dataplane::PortId;
using test::run_until;
using Answers = std::vector<std::expected<Path, std::string>>;

IpAddress address(const char* text) {
    return IpAddress::parse(text).value();
}

constexpr LinkAddress near_mac{2, 0, 0, 0, 0, 1}, far_mac{2, 0, 0, 0, 0, 2};

/// A gateway's namespace with the veth p0 to another namespace, where 192.0.2.2 and 2001:db8::2 answer.
class NextHopsTest : public test::InsideNamespace {
  protected:
    void SetUp() override {
        InsideNamespace::SetUp();
        if (IsSkipped())
            return;
        here_ = std::make_unique<ScratchNamespace>("near");
        there_ = std::make_unique<ScratchNamespace>("far");
        command(
            *here_,
            "ip link add p0 address 02:00:00:00:00:01 type veth peer name p0 address 02:00:00:00:00:02 netns " +
                there_->name());
        command(*here_, "ip address add 192.0.2.1/24 dev p0");
        command(*here_, "ip address add 2001:db8::1/64 dev p0 nodad");
        command(*there_, "ip address add 192.0.2.2/24 dev p0");
        command(*there_, "ip address add 192.0.2.3/24 dev p0");
        command(*there_, "ip address add 2001:db8::2/64 dev p0 nodad");
        command(*here_, "ip link set p0 up");
        command(*there_, "ip link set p0 up");
    }
    static void command(const ScratchNamespace& space, const std::string& text) {
        ASSERT_EQ(space.run(text), 0) << text;
    }
    const ScratchNamespace& here() const { return *here_; }
    const ScratchNamespace& there() const { return *there_; }

    static std::vector<PortInterface> ports(std::vector<IpAddress> addresses = {}) {
        return {{PortId{5}, if_nametoindex("p0"), std::move(addresses)}};
    }

    /// The body gets the hops and, in `answers_`, what the watch of `remote` was told.
    void watching(const char* remote, const std::function<void(NextHops&)>& body,
                  const std::vector<IpAddress>& addresses = {}) {
        inside(here(), [&] {
            auto hops = NextHops::open(io_, ports(addresses));
            ASSERT_TRUE(hops) << hops.error();
            const auto watch =
                (*hops)->watch(address(remote), [this](const auto& answer) { answers_.push_back(answer); });
            EXPECT_TRUE(answers_.empty()) << "never from within watch()";
            body(**hops);
        });
    }
    bool told(const std::function<bool(const Path&)>& what) {
        return run_until(io_, [&] { return !answers_.empty() && answers_.back() && what(*answers_.back()); });
    }
    bool refused() {
        return run_until(io_, [&] { return !answers_.empty() && !answers_.back(); });
    }

    boost::asio::io_context io_;
    Answers answers_;

  private:
    std::unique_ptr<ScratchNamespace> here_, there_;
};

TEST_F(NextHopsTest, ResolvesANeighbourOfIPv4) {
    watching("192.0.2.2", [&](NextHops&) {
        ASSERT_TRUE(told([](const Path& path) { return path.link_address == far_mac; }));
        EXPECT_EQ(*answers_.back(), (Path{PortId{5}, address("192.0.2.1"), far_mac}));
    });
}

TEST_F(NextHopsTest, ResolvesANeighbourOfIPv6) {
    watching("2001:db8::2", [&](NextHops&) {
        ASSERT_TRUE(told([](const Path& path) { return path.link_address == far_mac; }));
        EXPECT_EQ(answers_.back()->source, address("2001:db8::1"));
    });
}

TEST_F(NextHopsTest, GoesThroughAGateway) {
    command(here(), "ip route add 198.51.100.0/24 via 192.0.2.3");
    watching("198.51.100.9", [&](NextHops&) {
        ASSERT_TRUE(told([](const Path& path) { return path.link_address == far_mac; }));
        EXPECT_NE(here().output("ip neighbour show 192.0.2.3").find("02:00:00:00:00:02"), std::string::npos);
    });
}

TEST_F(NextHopsTest, GoesThroughAGatewayOfTheOtherFamily) {
    command(here(), "ip route add 198.51.100.0/24 via inet6 2001:db8::2 dev p0");
    watching("198.51.100.9", [&](NextHops&) {
        ASSERT_TRUE(told([](const Path& path) { return path.link_address == far_mac; }));
        EXPECT_EQ(answers_.back()->source, address("192.0.2.1"));
    });
}

TEST_F(NextHopsTest, TellsWhenTheNeighbourMovesToAnotherCard) {
    watching("192.0.2.2", [&](NextHops&) {
        ASSERT_TRUE(told([](const Path& path) { return path.link_address == far_mac; }));
        command(here(), "ip neighbour replace 192.0.2.2 lladdr 02:00:00:00:00:07 dev p0 nud reachable");
        EXPECT_TRUE(told([](const Path& path) { return path.link_address == LinkAddress{2, 0, 0, 0, 0, 7}; }));
    });
}

TEST_F(NextHopsTest, TellsWhenTheNeighbourIsGoneAndBack) {
    watching("192.0.2.2", [&](NextHops&) {
        ASSERT_TRUE(told([](const Path& path) { return path.link_address == far_mac; }));
        command(here(), "ip neighbour del 192.0.2.2 dev p0");
        EXPECT_TRUE(told([](const Path& path) { return !path.link_address; }));
        EXPECT_TRUE(told([](const Path& path) { return path.link_address == far_mac; })) << "asked for again";
    });
}

TEST_F(NextHopsTest, HasAPathWhileTheNeighbourIsSilent) {
    watching("192.0.2.99", [&](NextHops&) {
        ASSERT_TRUE(told([](const Path& path) { return path.port == PortId{5}; }));
        EXPECT_FALSE(answers_.back()->link_address);
        EXPECT_NE(here().output("ip neighbour show 192.0.2.99"), "") << "the kernel has been asked to look";
    });
}

TEST_F(NextHopsTest, SaysThatThereIsNoRouteAndTellsWhenThereIs) {
    watching("198.51.100.9", [&](NextHops&) {
        ASSERT_TRUE(refused());
        EXPECT_EQ(answers_.back().error(), "there is no route to 198.51.100.9 (Network is unreachable)");
        command(here(), "ip route add 198.51.100.0/24 via 192.0.2.2");
        EXPECT_TRUE(told([](const Path& path) { return path.link_address == far_mac; }));
        command(here(), "ip route del 198.51.100.0/24");
        EXPECT_TRUE(refused());
    });
}

TEST_F(NextHopsTest, FollowsANewSourceAddress) {
    watching("192.0.2.2", [&](NextHops&) {
        ASSERT_TRUE(told([](const Path& path) { return path.source == address("192.0.2.1"); }));
        command(here(), "ip address add 192.0.2.8/24 dev p0; ip address del 192.0.2.1/24 dev p0; ip address "
                        "replace 192.0.2.8/24 dev p0");
        EXPECT_TRUE(told([](const Path& path) { return path.source == address("192.0.2.8"); }));
    });
}

TEST_F(NextHopsTest, SendsFromAnAddressThatThePortReceivesOn) {
    command(here(), "ip address add 192.0.2.8/24 dev p0");
    watching("192.0.2.2",
             [&](NextHops&) {
                 EXPECT_TRUE(told([](const Path& path) { return path.source == address("192.0.2.8"); }));
             },
             {address("2001:db8::1"), address("192.0.2.8")});
}

TEST_F(NextHopsTest, SaysThatThePortHasNoAddressOfTheFamily) {
    watching("2001:db8::2",
             [&](NextHops&) {
                 ASSERT_TRUE(refused());
                 EXPECT_EQ(answers_.back().error(), "\"p0\" has no IPv6 address from which to reach 2001:db8::2");
             },
             {address("192.0.2.1")});
}

TEST_F(NextHopsTest, PassesOverADefaultRouteIntoTheTunnel) {
    command(here(), "ip link add cv0 type veth peer name cv9; ip link set cv9 up; ip address add 10.8.0.1/24 dev "
                    "cv0; ip link set cv0 up");
    command(here(), "ip route add default dev cv0 metric 1");
    command(here(), "ip route add default via 192.0.2.2 metric 100");
    watching("203.0.113.9", [&](NextHops&) {
        ASSERT_TRUE(told([](const Path& path) { return path.link_address == far_mac; }));
        EXPECT_EQ(answers_.back()->source, address("192.0.2.1"));
    });
}

TEST_F(NextHopsTest, SaysThatTheRouteLeadsElsewhere) {
    command(here(), "ip link add cv0 type veth peer name cv9; ip link set cv9 up; ip address add 10.8.0.1/24 dev "
                    "cv0; ip link set cv0 up");
    command(here(), "ip route add default dev cv0");
    command(here(), "ip -6 route add default dev cv0");
    watching("203.0.113.9", [&](NextHops& hops) {
        ASSERT_TRUE(refused());
        EXPECT_EQ(answers_.back().error(),
                  "the route to 203.0.113.9 leads over \"cv0\", which is no [[port]], and none leads over a port");
        std::string of_v6;
        const auto watch = hops.watch(address("2001:db8:9::1"),
                                      [&](const auto& answer) { of_v6 = answer ? "" : answer.error(); });
        EXPECT_TRUE(run_until(io_, [&] { return !of_v6.empty(); }));
        EXPECT_EQ(
            of_v6,
            "the route to 2001:db8:9::1 leads over \"cv0\", which is no [[port]], and none leads over a port");
    });
}

TEST_F(NextHopsTest, RefusesAnAddressOfItsOwn) {
    watching("192.0.2.1", [&](NextHops&) {
        ASSERT_TRUE(refused());
        EXPECT_EQ(answers_.back().error(), "192.0.2.1 is an address of this machine itself");
    });
}

TEST_F(NextHopsTest, NeedsNoLinkAddressWhereThereIsNone) {
    command(here(), "ip link set p0 arp off");
    watching("192.0.2.2", [&](NextHops&) {
        ASSERT_TRUE(told([](const Path& path) { return path.link_address.has_value(); }));
        EXPECT_EQ(answers_.back()->link_address, LinkAddress{});
    });
}

TEST_F(NextHopsTest, LetsAWatchEndWhileItIsTold) {
    inside(here(), [&] {
        auto hops = NextHops::open(io_, ports());
        ASSERT_TRUE(hops) << hops.error();
        std::unique_ptr<Paths::Watch> first, second;
        int told_first = 0, told_second = 0;
        first = (*hops)->watch(address("192.0.2.2"), [&](const auto& answer) {
            ++told_first;
            if (answer && answer->link_address)
                first.reset();
        });
        second = (*hops)->watch(address("192.0.2.2"), [&](const auto&) { ++told_second; });
        ASSERT_TRUE(run_until(io_, [&] { return !first; }));
        const int before = told_first, second_before = told_second;
        command(here(), "ip neighbour replace 192.0.2.2 lladdr 02:00:00:00:00:07 dev p0 nud reachable");
        EXPECT_TRUE(
            run_until(io_, [&] { return told_second > second_before + 1 || told_second > second_before; }));
        EXPECT_EQ(told_first, before);
        second.reset();
    });
}

TEST_F(NextHopsTest, ResolvesManyRemotesBehindOneGateway) {
    command(here(), "ip route add default via 192.0.2.2");
    inside(here(), [&] {
        auto hops = NextHops::open(io_, ports());
        ASSERT_TRUE(hops) << hops.error();
        std::vector<std::unique_ptr<Paths::Watch>> watches;
        std::vector<bool> good(2000);
        for (std::size_t i = 0; i < good.size(); ++i) {
            IpAddress remote = address("203.0.0.0");
            remote.bytes[14] = static_cast<std::uint8_t>(i / 200);
            remote.bytes[15] = static_cast<std::uint8_t>(1 + i % 200);
            watches.push_back((*hops)->watch(
                remote, [&good, i](const auto& answer) { good[i] = answer && answer->link_address == far_mac; }));
        }
        EXPECT_TRUE(run_until(io_, [&] { return std::ranges::count(good, true) == std::ssize(good); }));
        command(here(), "ip link set p0 address 02:00:00:00:00:01; ip route del default");
        EXPECT_TRUE(run_until(io_, [&] { return std::ranges::count(good, true) == 0; }));
    });
}

} // namespace
} // namespace culvert::control
