#include "tun_bridge/link.h"

#include "tun_bridge/network_namespace.h"

#include <algorithm>
#include <cerrno>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace culvert::tun_bridge {

using dataplane::Prefix;

namespace {

std::string sentence(const Link& link, const std::string& what, const NetlinkError& error) {
    return link.name + ": cannot " + what + ": " + error.text;
}

Link parse_link(const nlmsghdr& message) {
    const auto& info = *static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(&message));
    Link link;
    link.index = static_cast<std::uint32_t>(info.ifi_index);
    link.up = (info.ifi_flags & IFF_UP) != 0;
    for_each_attribute(message, sizeof(ifinfomsg), [&](const nlattr& attribute) {
        switch (mnl_attr_get_type(&attribute)) {
        case IFLA_IFNAME:
            if (mnl_attr_validate(&attribute, MNL_TYPE_NUL_STRING) == 0)
                link.name = mnl_attr_get_str(&attribute);
            break;
        case IFLA_MTU:
            link.mtu = mnl_attr_get_u32(&attribute);
            break;
        case IFLA_TXQLEN:
            link.transmit_queue_length = mnl_attr_get_u32(&attribute);
            break;
        case IFLA_ADDRESS:
            if (mnl_attr_get_payload_len(&attribute) == link.link_address.size())
                std::copy_n(static_cast<const std::uint8_t*>(mnl_attr_get_payload(&attribute)),
                            link.link_address.size(), link.link_address.begin());
            break;
        default:
            break;
        }
    });
    return link;
}

NetlinkMessage link_change(const Link& link, unsigned flags = 0, unsigned flags_changed = 0) {
    NetlinkMessage message(RTM_NEWLINK, 0);
    auto& info = message.header<ifinfomsg>();
    info.ifi_index = static_cast<int>(link.index);
    info.ifi_flags = flags;
    info.ifi_change = flags_changed;
    return message;
}

std::expected<void, std::string> apply(Netlink& netlink, const Link& link, NetlinkMessage message,
                                       const std::string& what) {
    const auto done = netlink.request(message);
    if (!done)
        return std::unexpected(sentence(link, what, done.error()));
    return {};
}

NetlinkMessage address_change(std::uint16_t type, std::uint16_t flags, const Link& link, const Prefix& address) {
    NetlinkMessage message(type, flags);
    auto& info = message.header<ifaddrmsg>();
    info.ifa_family = address_family(address.address);
    info.ifa_prefixlen = address.length;
    info.ifa_index = link.index;
    if (!address.is_v4())
        info.ifa_flags = IFA_F_NODAD;
    message.put(IFA_LOCAL, address.address);
    message.put(IFA_ADDRESS, address.address);
    return message;
}

} // namespace

std::expected<Link, std::string> find_link(Netlink& netlink, const std::string& name) {
    if (name.empty() || name.size() >= IFNAMSIZ)
        return std::unexpected("\"" + name + "\" is no interface name: those have 1 to 15 characters");
    NetlinkMessage message(RTM_GETLINK, 0);
    message.header<ifinfomsg>();
    message.put(IFLA_IFNAME, std::string_view(name));
    Link link;
    const auto done = netlink.request(message, [&](const nlmsghdr& answer) { link = parse_link(answer); });
    if (!done && done.error().number == ENODEV)
        return std::unexpected(name + ": there is no such network interface");
    if (!done)
        return std::unexpected(name + ": cannot look the interface up: " + done.error().text);
    return link;
}

std::expected<std::vector<Link>, std::string> list_links(Netlink& netlink) {
    NetlinkMessage message(RTM_GETLINK, 0);
    message.header<ifinfomsg>();
    std::vector<Link> links;
    const auto done = netlink.dump(
        message, [&](const nlmsghdr& answer) { links.push_back(parse_link(answer)); }, [&] { links.clear(); });
    if (!done)
        return std::unexpected("cannot list the network interfaces: " + done.error().text);
    return links;
}

std::expected<void, std::string> set_up(Netlink& netlink, const Link& link, bool up) {
    return apply(netlink, link, link_change(link, up ? unsigned{IFF_UP} : 0U, IFF_UP),
                 up ? "bring it up" : "take it down");
}

std::expected<void, std::string> set_mtu(Netlink& netlink, const Link& link, std::uint32_t mtu) {
    NetlinkMessage message = link_change(link);
    message.put(IFLA_MTU, mtu);
    return apply(netlink, link, std::move(message), "set its MTU to " + std::to_string(mtu));
}

std::expected<void, std::string> set_transmit_queue_length(Netlink& netlink, const Link& link,
                                                           std::uint32_t packets) {
    NetlinkMessage message = link_change(link);
    message.put(IFLA_TXQLEN, packets);
    return apply(netlink, link, std::move(message),
                 "set its transmit queue to " + std::to_string(packets) + " packets");
}

std::expected<void, std::string> set_link_address(Netlink& netlink, const Link& link,
                                                  const std::array<std::uint8_t, 6>& address) {
    NetlinkMessage message = link_change(link);
    message.put(IFLA_ADDRESS, std::span<const std::uint8_t>(address));
    return apply(netlink, link, std::move(message), "set its link address");
}

std::expected<void, std::string> rename_link(Netlink& netlink, const Link& link, const std::string& name) {
    NetlinkMessage message = link_change(link);
    message.put(IFLA_IFNAME, std::string_view(name));
    return apply(netlink, link, std::move(message), "rename it to \"" + name + "\"");
}

std::expected<void, std::string> disable_link_local(Netlink& netlink, const Link& link) {
    NetlinkMessage message = link_change(link);
    message.begin_nest(IFLA_AF_SPEC);
    message.begin_nest(AF_INET6);
    message.put(IFLA_INET6_ADDR_GEN_MODE, static_cast<std::uint8_t>(IN6_ADDR_GEN_MODE_NONE));
    message.end_nest();
    message.end_nest();
    const auto done = netlink.request(message);
    // disable_ipv6=1 on the kernel's command line, or a kernel without IPv6
    if (done || done.error().number == EAFNOSUPPORT)
        return {};
    return std::unexpected(sentence(link, "turn its IPv6 link-local address off", done.error()));
}

namespace {

/// Sets one of the link's IPv4 switches (net.ipv4.conf.LINK.*).
std::expected<void, std::string> switch_on(Netlink& netlink, const Link& link, std::uint16_t which,
                                           const char* purpose) {
    NetlinkMessage message = link_change(link);
    message.begin_nest(IFLA_AF_SPEC);
    message.begin_nest(AF_INET);
    message.begin_nest(IFLA_INET_CONF);
    message.put(which, std::uint32_t{1});
    message.end_nest();
    message.end_nest();
    message.end_nest();
    return apply(netlink, link, std::move(message), purpose);
}

} // namespace

std::expected<void, std::string> promote_secondaries(Netlink& netlink, const Link& link) {
    return switch_on(netlink, link, IPV4_DEVCONF_PROMOTE_SECONDARIES, "have it promote secondary addresses");
}

std::expected<void, std::string> accept_own_source(Netlink& netlink, const Link& link) {
    return switch_on(netlink, link, IPV4_DEVCONF_ACCEPT_LOCAL, "have it accept our own ICMP answers");
}

std::expected<void, std::string> detach_xdp(Netlink& netlink, const Link& link) {
    NetlinkMessage message = link_change(link);
    message.begin_nest(IFLA_XDP);
    message.put(IFLA_XDP_FD, ~std::uint32_t{0}); // −1: none
    message.end_nest();
    return apply(netlink, link, std::move(message), "take an old XDP program off it");
}

std::expected<void, std::string> disable_multicast(Netlink& netlink, const Link& link) {
    return apply(netlink, link, link_change(link, 0, IFF_MULTICAST), "turn multicast off");
}

std::expected<void, std::string> move_to_namespace(Netlink& netlink, const Link& link, const std::string& name) {
    const auto target = open_network_namespace(name);
    if (!target)
        return std::unexpected(link.name + ": " + target.error());
    NetlinkMessage message = link_change(link);
    message.put(IFLA_NET_NS_FD, static_cast<std::uint32_t>(target->get()));
    return apply(netlink, link, std::move(message), "move it to network namespace \"" + name + "\"");
}

std::expected<void, std::string> add_address(Netlink& netlink, const Link& link, const Prefix& address) {
    NetlinkMessage message = address_change(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, link, address);
    const auto done = netlink.request(message);
    if (done || done.error().number == EEXIST)
        return {};
    return std::unexpected(sentence(link, "add the address " + address.text(), done.error()));
}

std::expected<void, std::string> remove_address(Netlink& netlink, const Link& link, const Prefix& address) {
    NetlinkMessage message = address_change(RTM_DELADDR, 0, link, address);
    const auto done = netlink.request(message);
    if (done || done.error().number == EADDRNOTAVAIL)
        return {};
    return std::unexpected(sentence(link, "remove the address " + address.text(), done.error()));
}

std::expected<std::vector<Prefix>, std::string> list_addresses(Netlink& netlink, const Link& link) {
    NetlinkMessage message(RTM_GETADDR, 0);
    message.header<ifaddrmsg>();
    std::vector<Prefix> addresses;
    const auto collect = [&](const nlmsghdr& answer) {
        const auto& info = *static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(&answer));
        if (info.ifa_index != link.index || (info.ifa_family != AF_INET && info.ifa_family != AF_INET6))
            return;
        Prefix address{{}, info.ifa_prefixlen};
        bool local =
            false; // IFA_ADDRESS is the far end of a point-to-point address, if IFA_LOCAL is there as well
        for_each_attribute(answer, sizeof(ifaddrmsg), [&](const nlattr& attribute) {
            const auto type = mnl_attr_get_type(&attribute);
            if (type == IFA_LOCAL || (type == IFA_ADDRESS && !local))
                address.address = address_of(&attribute);
            local |= type == IFA_LOCAL;
        });
        addresses.push_back(address);
    };
    const auto done = netlink.dump(message, collect, [&] { addresses.clear(); });
    if (!done)
        return std::unexpected(sentence(link, "list its addresses", done.error()));
    return addresses;
}

} // namespace culvert::tun_bridge
