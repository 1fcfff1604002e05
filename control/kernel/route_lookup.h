#pragma once

#include "dataplane/address.h"
#include "tun_bridge/netlink.h"

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>

/// Single questions to the kernel's routing and neighbour tables. Each is answered within the call.
namespace culvert::control {

using LinkAddress = std::array<std::uint8_t, 6>;

/// Where the kernel would send a packet to a remote.
struct RouteToRemote {
    std::uint32_t interface = 0;  ///< ifindex
    dataplane::IpAddress source;  ///< unspecified where the interface has no address of that family
    dataplane::IpAddress gateway; ///< the remote itself on a shared network
};

/// `over`: only routes over this interface; 0: the best of all. Error: a sentence.
std::expected<RouteToRemote, std::string>
look_up_route(tun_bridge::Netlink& netlink, const dataplane::IpAddress& remote, std::uint32_t over = 0);

/// What the neighbour table holds.
struct Neighbour {
    std::uint32_t interface = 0;
    dataplane::IpAddress address;
    std::optional<LinkAddress> link_address; ///< while the kernel itself would use it
    bool operator==(const Neighbour&) const = default;
};

/// From a message of the neighbour table (RTM_NEWNEIGH, RTM_DELNEIGH); nothing where it is no such.
std::optional<Neighbour> neighbour_in(const nlmsghdr& message);
Neighbour look_up_neighbour(tun_bridge::Netlink& netlink, std::uint32_t interface,
                            const dataplane::IpAddress& address);
/// Has the kernel find out the link address, or confirm the one it knows.
void solicit(tun_bridge::Netlink& netlink, std::uint32_t interface, const dataplane::IpAddress& address);

/// Does the interface carry packets without a link address (point to point, or no ARP)? Such a neighbour's link
/// address is all zero.
bool needs_no_neighbours(tun_bridge::Netlink& netlink, std::uint32_t interface);

} // namespace culvert::control
