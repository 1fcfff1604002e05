#include "control/kernel/route_lookup.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

namespace culvert::control {
namespace {

using dataplane::IpAddress;
using tun_bridge::Netlink;
using tun_bridge::NetlinkMessage;

/// States in which the kernel sends to the link address it knows (its NUD_VALID).
constexpr unsigned usable_states = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY;

NetlinkMessage route_question(const IpAddress& remote, std::uint32_t over, unsigned flags) {
    NetlinkMessage message(RTM_GETROUTE, 0);
    auto& header = message.header<rtmsg>();
    header.rtm_family = tun_bridge::address_family(remote);
    header.rtm_dst_len = remote.is_v4() ? 32 : 128;
    header.rtm_flags = flags;
    message.put(RTA_DST, remote);
    if (over != 0)
        message.put(RTA_OIF, over);
    return message;
}

/// RTA_VIA: a gateway of the other family (RFC 5549).
IpAddress gateway_in_via(const nlattr& attribute) {
    const auto* via = static_cast<const rtvia*>(mnl_attr_get_payload(&attribute));
    const std::size_t length = mnl_attr_get_payload_len(&attribute);
    IpAddress gateway;
    if (length >= sizeof(rtvia) + 16 && via->rtvia_family == AF_INET6)
        std::memcpy(gateway.bytes.data(), via->rtvia_addr, 16);
    else if (length >= sizeof(rtvia) + 4 && via->rtvia_family == AF_INET) {
        gateway.bytes[10] = gateway.bytes[11] = 0xff;
        std::memcpy(gateway.bytes.data() + 12, via->rtvia_addr, 4);
    }
    return gateway;
}

NetlinkMessage neighbour_question(std::uint16_t type, std::uint16_t flags, std::uint32_t interface,
                                  const IpAddress& address, std::uint8_t entry_flags) {
    NetlinkMessage message(type, flags);
    auto& header = message.header<ndmsg>();
    header.ndm_family = tun_bridge::address_family(address);
    header.ndm_ifindex = static_cast<std::int32_t>(interface);
    header.ndm_flags = entry_flags;
    message.put(NDA_DST, address);
    return message;
}

} // namespace

std::expected<RouteToRemote, std::string> look_up_route(Netlink& netlink, const IpAddress& remote,
                                                        std::uint32_t over) {
    const auto no_route = [&](const std::string& why) {
        return std::unexpected("there is no route to " + remote.text() + " (" + why + ")");
    };
    if (over != 0) {
        // For an interface that is given, IPv4 would take any address for on-link: ask whether a route matches.
        auto question = route_question(remote, over, RTM_F_FIB_MATCH);
        if (const auto answer = netlink.request(question); !answer)
            return no_route(answer.error().text);
    }
    RouteToRemote route;
    route.gateway = remote;
    unsigned type = RTN_UNICAST;
    auto question = route_question(remote, over, 0);
    const auto answer = netlink.request(question, [&](const nlmsghdr& message) {
        if (message.nlmsg_type != RTM_NEWROUTE || message.nlmsg_len < mnl_nlmsg_size(sizeof(rtmsg)))
            return;
        type = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(&message))->rtm_type;
        tun_bridge::for_each_attribute(message, sizeof(rtmsg), [&](const nlattr& attribute) {
            switch (mnl_attr_get_type(&attribute)) {
            case RTA_OIF:
                route.interface = mnl_attr_get_u32(&attribute);
                break;
            case RTA_GATEWAY:
                route.gateway = tun_bridge::address_of(&attribute);
                break;
            case RTA_VIA:
                route.gateway = gateway_in_via(attribute);
                break;
            case RTA_PREFSRC:
                route.source = tun_bridge::address_of(&attribute);
                break;
            default:
                break;
            }
        });
    });
    if (!answer)
        return no_route(answer.error().text);
    if (type == RTN_LOCAL)
        return std::unexpected(remote.text() + " is an address of this machine itself");
    if (type != RTN_UNICAST || route.interface == 0)
        return no_route("it is not for one host");
    return route;
}

std::optional<Neighbour> neighbour_in(const nlmsghdr& message) {
    if ((message.nlmsg_type != RTM_NEWNEIGH && message.nlmsg_type != RTM_DELNEIGH) ||
        message.nlmsg_len < mnl_nlmsg_size(sizeof(ndmsg)))
        return std::nullopt;
    const auto& header = *static_cast<const ndmsg*>(mnl_nlmsg_get_payload(&message));
    if (header.ndm_family != AF_INET && header.ndm_family != AF_INET6)
        return std::nullopt;
    Neighbour neighbour{static_cast<std::uint32_t>(header.ndm_ifindex), {}, std::nullopt};
    const bool usable = message.nlmsg_type == RTM_NEWNEIGH && (header.ndm_state & usable_states) != 0;
    tun_bridge::for_each_attribute(message, sizeof(ndmsg), [&](const nlattr& attribute) {
        const std::uint16_t type = mnl_attr_get_type(&attribute);
        if (type == NDA_DST)
            neighbour.address = tun_bridge::address_of(&attribute);
        if (type == NDA_LLADDR && usable && mnl_attr_get_payload_len(&attribute) == sizeof(LinkAddress))
            std::memcpy(neighbour.link_address.emplace().data(), mnl_attr_get_payload(&attribute),
                        sizeof(LinkAddress));
    });
    return neighbour;
}

Neighbour look_up_neighbour(Netlink& netlink, std::uint32_t interface, const IpAddress& address) {
    Neighbour neighbour{interface, address, std::nullopt};
    auto question = neighbour_question(RTM_GETNEIGH, 0, interface, address, 0);
    // An error says that there is no entry yet.
    (void)netlink.request(question, [&](const nlmsghdr& message) {
        if (const auto found = neighbour_in(message))
            neighbour.link_address = found->link_address;
    });
    return neighbour;
}

void solicit(Netlink& netlink, std::uint32_t interface, const IpAddress& address) {
    auto order = neighbour_question(RTM_NEWNEIGH, NLM_F_CREATE, interface, address, NTF_USE);
    // Refused only while the interface is down; its coming up is an event.
    (void)netlink.request(order);
}

bool needs_no_neighbours(Netlink& netlink, std::uint32_t interface) {
    NetlinkMessage question(RTM_GETLINK, 0);
    question.header<ifinfomsg>().ifi_index = static_cast<std::int32_t>(interface);
    unsigned flags = 0;
    (void)netlink.request(question, [&](const nlmsghdr& message) {
        if (message.nlmsg_type == RTM_NEWLINK && message.nlmsg_len >= mnl_nlmsg_size(sizeof(ifinfomsg)))
            flags = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(&message))->ifi_flags;
    });
    return (flags & (IFF_NOARP | IFF_POINTOPOINT | IFF_LOOPBACK)) != 0;
}

} // namespace culvert::control
