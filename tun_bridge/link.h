#pragma once

#include "dataplane/address.h"
#include "tun_bridge/netlink.h"

#include <array>
#include <cstdint>
#include <expected>
#include <string>
#include <vector>

/// Network interfaces and their addresses, in the network namespace of the Netlink that is given. Every error is a
/// sentence that names the interface, what was tried and why the kernel refused.
namespace culvert::tun_bridge {

struct Link {
    std::uint32_t index = 0;
    std::string name;
    std::array<std::uint8_t, 6> link_address{}; ///< zero where it has none (TUN)
    std::uint32_t mtu = 0;
    std::uint32_t transmit_queue_length = 0; ///< packets
    bool up = false;                         ///< administratively
};

std::expected<Link, std::string> find_link(Netlink& netlink, const std::string& name);
/// All of the namespace, in the kernel's order.
std::expected<std::vector<Link>, std::string> list_links(Netlink& netlink);

std::expected<void, std::string> set_up(Netlink& netlink, const Link& link, bool up);
std::expected<void, std::string> set_mtu(Netlink& netlink, const Link& link, std::uint32_t mtu);
std::expected<void, std::string> set_transmit_queue_length(Netlink& netlink, const Link& link,
                                                           std::uint32_t packets);
/// Some drivers want the link down for it.
std::expected<void, std::string> set_link_address(Netlink& netlink, const Link& link,
                                                  const std::array<std::uint8_t, 6>& address);
std::expected<void, std::string> rename_link(Netlink& netlink, const Link& link, const std::string& name);
/// The link shall get no IPv6 link-local address of the kernel's making, and so sends no router solicitations. To
/// be said while it is down. Succeeds where the kernel has no IPv6.
std::expected<void, std::string> disable_link_local(Netlink& netlink, const Link& link);
/// Removing an IPv4 address shall not take the others of its network along.
std::expected<void, std::string> promote_secondaries(Netlink& netlink, const Link& link);
/// The kernel shall take IPv4 packets from this link that bear its own address as their source: the gateway's ICMP
/// answers come to it that way, and it would drop them as martians.
std::expected<void, std::string> accept_own_source(Netlink& netlink, const Link& link);
/// Takes off an XDP program that a process left behind when it was killed. None is no error.
std::expected<void, std::string> detach_xdp(Netlink& netlink, const Link& link);
/// Tells the kernel that the link carries no multicast.
std::expected<void, std::string> disable_multicast(Netlink& netlink, const Link& link);
/// Into the namespace below /run/netns; the kernel takes it down and its addresses away.
std::expected<void, std::string> move_to_namespace(Netlink& netlink, const Link& link, const std::string& name);

/// IPv6 addresses are usable at once: without duplicate detection, during which nothing can bind to them. An
/// address that the link has already is no error.
std::expected<void, std::string> add_address(Netlink& netlink, const Link& link, const dataplane::Prefix& address);
/// An address that is not there is no error.
std::expected<void, std::string> remove_address(Netlink& netlink, const Link& link,
                                                const dataplane::Prefix& address);
/// IPv4 first.
std::expected<std::vector<dataplane::Prefix>, std::string> list_addresses(Netlink& netlink, const Link& link);

} // namespace culvert::tun_bridge
