#include "control/kernel/kernel_events.h"

#include <cerrno>
#include <cstring>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

namespace culvert::control {
namespace {

constexpr int receive_buffer = 1 << 20; ///< a router's churn comes in bursts of thousands
constexpr int most_datagrams = 64;      ///< in one go, so that others on the event loop get their turn

constexpr std::array groups{RTNLGRP_LINK,        RTNLGRP_NEIGH,      RTNLGRP_IPV4_IFADDR,
                            RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
                            RTNLGRP_IPV4_RULE,   RTNLGRP_IPV6_RULE,  RTNLGRP_NEXTHOP};

std::unexpected<std::string> failure(const char* what) {
    return std::unexpected(std::string("netlink: cannot ") + what + ": " + std::strerror(errno));
}

} // namespace

std::expected<std::unique_ptr<KernelEvents>, std::string> KernelEvents::open(boost::asio::io_context& io,
                                                                             Listeners listeners) {
    const int descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (descriptor < 0)
        return failure("open a socket for the kernel's events");
    auto events = std::make_unique<KernelEvents>(io, descriptor, std::move(listeners));
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    if (bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
        return failure("bind the socket for the kernel's events");
    for (const int group : groups)
        if (setsockopt(descriptor, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) != 0)
            return failure("listen to the kernel's events");
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &receive_buffer, sizeof(receive_buffer)); // or what we get
    events->wait();
    return events;
}

KernelEvents::KernelEvents(boost::asio::io_context& io, int descriptor, Listeners listeners)
    : descriptor_(io, descriptor), listeners_(std::move(listeners)) {}

void KernelEvents::wait() {
    descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                           [this, alive = std::weak_ptr(alive_)](const boost::system::error_code& error) {
                               if (!error && !alive.expired())
                                   read();
                           });
}

void KernelEvents::read() {
    const std::weak_ptr<bool> alive = alive_; // a listener may end us
    bool routing = false;
    for (int i = 0; i < most_datagrams; ++i) {
        const ssize_t length = recv(descriptor_.native_handle(), buffer_.data(), buffer_.size(), MSG_TRUNC);
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0 && errno == ENOBUFS)
            routing = true; // the kernel dropped some
        if (length < 0 && errno != ENOBUFS)
            break;
        int left = static_cast<int>(std::min<ssize_t>(length, static_cast<ssize_t>(buffer_.size())));
        for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer_.data()); mnl_nlmsg_ok(message, left);
             message = mnl_nlmsg_next(message, &left)) {
            sort(*message, routing);
            if (alive.expired())
                return;
        }
    }
    if (routing && listeners_.routing)
        listeners_.routing();
    if (!alive.expired())
        wait();
}

void KernelEvents::sort(const nlmsghdr& message, bool& routing) const {
    const auto neighbour = neighbour_in(message);
    if (neighbour && listeners_.neighbour)
        listeners_.neighbour(*neighbour);
    else if (message.nlmsg_type >= RTM_BASE && message.nlmsg_type != RTM_NEWNEIGH &&
             message.nlmsg_type != RTM_DELNEIGH)
        routing = true;
}

} // namespace culvert::control
