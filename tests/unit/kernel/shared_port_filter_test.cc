#include "control/kernel/shared_port_filter.h"

#include "control/kernel/port_holder.h"
#include "tests/unit/kernel/inside_namespace.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <csignal>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace culvert::control {
namespace {

using culvert::testing::ScratchNamespace;
using dataplane::IpAddress;
using tun_bridge::FileDescriptor;

IpAddress address(const char* text) {
    return IpAddress::parse(text).value();
}

/// Waits for a datagram and takes it; false when none comes within the time.
bool receives(const FileDescriptor& socket, int milliseconds = 5000) {
    pollfd wait{socket.get(), POLLIN, 0};
    std::array<char, 64> datagram{};
    return poll(&wait, 1, milliseconds) == 1 && recv(socket.get(), datagram.data(), datagram.size(), 0) > 0;
}

FileDescriptor udp_socket(std::uint16_t port) {
    FileDescriptor socket(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in6 name{};
    name.sin6_family = AF_INET6;
    name.sin6_port = htons(port);
    EXPECT_EQ(bind(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof(name)), 0);
    return socket;
}

/// What an af_packet port does: gets a copy of each IPv4 frame of the interface.
FileDescriptor packet_socket(const char* interface) {
    FileDescriptor socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_IP)));
    sockaddr_ll name{};
    name.sll_family = AF_PACKET;
    name.sll_protocol = htons(ETH_P_IP);
    name.sll_ifindex = static_cast<int>(if_nametoindex(interface));
    EXPECT_EQ(bind(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof(name)), 0);
    return socket;
}

class SharedPortFilterTest : public test::InsideNamespace {
  protected:
    void SetUp() override {
        InsideNamespace::SetUp();
        if (IsSkipped())
            return;
        here_ = std::make_unique<ScratchNamespace>("near");
        there_ = std::make_unique<ScratchNamespace>("far");
        for (const auto* space : {here_.get(), there_.get()})
            ASSERT_EQ(space->run("echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad"), 0);
        ASSERT_EQ(here_->run("ip link add p0 type veth peer name p0 netns " + there_->name()), 0);
        ASSERT_EQ(here_->run("ip address add 192.0.2.1/24 dev p0; ip address add 192.0.2.7/24 dev p0; "
                             "ip address add 2001:db8::1/64 dev p0 nodad; ip link set p0 up"),
                  0);
        ASSERT_EQ(there_->run("ip address add 192.0.2.2/24 dev p0; ip address add 2001:db8::2/64 dev p0 nodad; "
                              "ip link set p0 up"),
                  0);
    }
    /// From the far end.
    void send_to(const char* host, std::uint16_t port) const {
        inside(*there_, [&] {
            const FileDescriptor socket(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
            sockaddr_in6 name{};
            name.sin6_family = AF_INET6;
            name.sin6_port = htons(port);
            std::ranges::copy(address(host).bytes, name.sin6_addr.s6_addr); // IPv4 as ::ffff:…
            EXPECT_EQ(sendto(socket.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&name), sizeof(name)), 1);
        });
    }
    const ScratchNamespace& here() const { return *here_; }
    const ScratchNamespace& there() const { return *there_; }

    static SharedPortFilter::Interface p0(std::vector<IpAddress> addresses) {
        return {"p0", std::move(addresses)};
    }

  private:
    std::unique_ptr<ScratchNamespace> here_, there_;
};

TEST_F(SharedPortFilterTest, DropsTheTunnelsPacketsBehindThePortsCopy) {
    inside(here(), [&] {
        const auto filter = SharedPortFilter::open({p0({address("192.0.2.1"), address("2001:db8::1")})});
        ASSERT_TRUE(filter) << filter.error();
        const auto tunnel = udp_socket(4433), other = udp_socket(5000);
        const auto port = packet_socket("p0");
        (*filter)->add(4433);
        for (const auto* host : {"192.0.2.1", "2001:db8::1"}) {
            send_to(host, 4433);
            send_to(host, 5000);
            EXPECT_TRUE(receives(other)) << host;
            EXPECT_FALSE(receives(tunnel, 0)) << host << ": it came first, so it would be there";
        }
        EXPECT_TRUE(receives(port)) << "the port has its copy";
        (*filter)->remove(4433);
        send_to("192.0.2.1", 4433);
        EXPECT_TRUE(receives(tunnel));
    });
}

TEST_F(SharedPortFilterTest, LeavesOtherAddressesAlone) {
    inside(here(), [&] {
        const auto filter = SharedPortFilter::open({p0({address("192.0.2.1")})});
        ASSERT_TRUE(filter) << filter.error();
        const auto tunnel = udp_socket(4433);
        (*filter)->add(4433);
        send_to("192.0.2.7", 4433);
        EXPECT_TRUE(receives(tunnel));
        ASSERT_TRUE((*filter)->set_interfaces({p0({address("192.0.2.7")})}));
        send_to("192.0.2.7", 4433);
        send_to("192.0.2.1", 4433);
        EXPECT_TRUE(receives(tunnel)) << "now it is the other way round";
        EXPECT_FALSE(receives(tunnel, 0));
    });
}

TEST_F(SharedPortFilterTest, LearnsOfThePortsToInitiateFrom) {
    inside(here(), [&] {
        const auto filter = SharedPortFilter::open({p0({address("192.0.2.1")})});
        ASSERT_TRUE(filter) << filter.error();
        LocalPortHolders holders(filter->get());
        auto held = holders.hold_any();
        ASSERT_TRUE(held) << held.error();
        const std::string number = std::to_string((*held)->number());
        EXPECT_THAT(here().output("nft list ruleset"), ::testing::HasSubstr("elements = { " + number + " }"));
        held->reset();
        EXPECT_THAT(here().output("nft list ruleset"), ::testing::Not(::testing::HasSubstr(number)));
    });
}

TEST_F(SharedPortFilterTest, LeavesNothingBehind) {
    inside(here(), [&] {
        {
            const auto filter = SharedPortFilter::open({p0({})});
            ASSERT_TRUE(filter) << filter.error();
            EXPECT_EQ(here().output("nft list tables"), "table netdev culvert_" + std::to_string(getpid()) + "\n");
        }
        EXPECT_EQ(here().output("nft list tables"), "");
    });
}

TEST_F(SharedPortFilterTest, DiesWithItsProcess) {
    inside(here(), [&] {
        std::array<int, 2> pipe_ends{};
        ASSERT_EQ(pipe(pipe_ends.data()), 0);
        const pid_t child = fork();
        if (child == 0) {
            const auto filter = SharedPortFilter::open({p0({})});
            const char good = filter ? 'y' : 'n';
            (void)!write(pipe_ends[1], &good, 1);
            pause();
        }
        char good = 'n';
        ASSERT_EQ(read(pipe_ends[0], &good, 1), 1);
        EXPECT_EQ(good, 'y');
        EXPECT_THAT(here().output("nft list tables"), ::testing::HasSubstr("culvert_" + std::to_string(child)));
        kill(child, SIGKILL);
        waitpid(child, nullptr, 0);
        close(pipe_ends[0]);
        close(pipe_ends[1]);
        EXPECT_EQ(here().output("nft list tables"), "");
    });
}

TEST_F(SharedPortFilterTest, SaysThatTheKernelRefuses) {
    inside(here(), [&] {
        const auto filter = SharedPortFilter::open({{"longer-than-an-interface", {}}});
        ASSERT_FALSE(filter);
        EXPECT_THAT(filter.error(), ::testing::StartsWith("nftables refused the filter of the shared ports: "));
    });
}

TEST_F(SharedPortFilterTest, OutlivesTheFlushingOfAllRules) {
    inside(here(), [&] {
        const auto filter = SharedPortFilter::open({p0({address("192.0.2.1")})});
        ASSERT_TRUE(filter) << filter.error();
        (void)here().run("nft flush ruleset");
        const auto tunnel = udp_socket(4433), other = udp_socket(5000);
        (*filter)->add(4433);
        send_to("192.0.2.1", 4433);
        send_to("192.0.2.1", 5000);
        EXPECT_TRUE(receives(other));
        EXPECT_FALSE(receives(tunnel, 0));
    });
}

} // namespace
} // namespace culvert::control
