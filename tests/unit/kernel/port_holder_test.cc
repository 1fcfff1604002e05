#include "control/kernel/port_holder.h"

#include "tests/unit/kernel/inside_namespace.h"

#include <arpa/inet.h>
#include <cerrno>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

namespace culvert::control {
namespace {

using dataplane::IpAddress;
using tun_bridge::FileDescriptor;

IpAddress address(const char* text) {
    return IpAddress::parse(text).value();
}

TEST(PortHolder, PicksAFreePortThatNobodyElseGets) {
    const auto first = PortHolder::hold(0);
    ASSERT_TRUE(first) << first.error();
    EXPECT_NE(first->number(), 0);
    const auto again = PortHolder::hold(first->number());
    ASSERT_FALSE(again);
    const std::string number = std::to_string(first->number());
    EXPECT_EQ(again.error(), "UDP port " + number + " is in use by another process; `ss -lunp sport = :" + number +
                                 "` shows by which");
    EXPECT_FALSE(PortHolder::hold(first->number(), address("127.0.0.1"))) << "held on every address of IPv4";
    EXPECT_FALSE(PortHolder::hold(first->number(), address("::1"))) << "and of IPv6";
}

TEST(PortHolder, LetsGo) {
    std::uint16_t number = 0;
    {
        const auto holder = PortHolder::hold(0);
        ASSERT_TRUE(holder);
        number = holder->number();
    }
    EXPECT_TRUE(PortHolder::hold(number));
}

TEST(PortHolder, HoldsOneAddressAlone) {
    const auto loopback = PortHolder::hold(0, address("127.0.0.1"));
    ASSERT_TRUE(loopback);
    EXPECT_TRUE(PortHolder::hold(loopback->number(), address("127.0.0.2")));
    const auto absent = PortHolder::hold(loopback->number(), address("192.0.2.77"));
    ASSERT_FALSE(absent);
    EXPECT_EQ(absent.error(),
              "UDP port " + std::to_string(loopback->number()) +
                  " of 192.0.2.77 can't be held, as this host has no such address; `ip address` shows "
                  "those it has");
}

/// What a sender over loopback hears: ECONNREFUSED where the kernel answered "port unreachable", else 0.
int answer_to(std::uint16_t port) {
    const FileDescriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(port);
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof(name)) != 0 ||
        send(socket.get(), "x", 1, 0) != 1)
        return -1;
    int error = 0; // loopback delivers the answer within send()
    socklen_t length = sizeof(error);
    getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &length);
    return error;
}

TEST(PortHolder, KeepsTheKernelFromAnswering) {
    std::uint16_t number = 0;
    {
        const auto holder = PortHolder::hold(0);
        ASSERT_TRUE(holder);
        number = holder->number();
        EXPECT_EQ(answer_to(number), 0);
    }
    EXPECT_EQ(answer_to(number), ECONNREFUSED) << "once it is let go";
}

TEST(PortHolder, ServesTheTunnels) {
    LocalPortHolders holders;
    auto one = holders.hold_any();
    auto other = holders.hold_any();
    ASSERT_TRUE(one && other);
    EXPECT_NE((*one)->number(), (*other)->number());
}

class PortHolderInside : public test::InsideNamespace {};

TEST_F(PortHolderInside, SaysThatTheRangeIsUsedUp) {
    const culvert::testing::ScratchNamespace space("ports");
    ASSERT_EQ(space.run("echo 40000 40001 > /proc/sys/net/ipv4/ip_local_port_range"), 0);
    inside(space, [] {
        const auto one = PortHolder::hold(0), two = PortHolder::hold(0), three = PortHolder::hold(0);
        EXPECT_TRUE(one && two);
        ASSERT_FALSE(three);
        EXPECT_EQ(three.error(), "every UDP port of the ephemeral range is in use; widen it: sysctl "
                                 "net.ipv4.ip_local_port_range=\"10240 65535\"");
    });
}

} // namespace
} // namespace culvert::control
