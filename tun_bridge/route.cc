#include "tun_bridge/route.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace culvert::tun_bridge {

using dataplane::Prefix;

namespace {

/// The route if it is a plain one over link `index` in the main table.
std::optional<Route> parse_route(const nlmsghdr& message, std::uint32_t index,
                                 std::optional<std::uint8_t> protocol) {
    const auto& info = *static_cast<const rtmsg*>(mnl_nlmsg_get_payload(&message));
    if ((info.rtm_family != AF_INET && info.rtm_family != AF_INET6) || info.rtm_table != RT_TABLE_MAIN ||
        info.rtm_type != RTN_UNICAST || (protocol && info.rtm_protocol != *protocol))
        return {};
    Route route;
    route.destination.length = info.rtm_dst_len;
    if (info.rtm_family == AF_INET) // a default route comes without RTA_DST
        route.destination.address = dataplane::IpAddress::v4(0);
    bool here = false;
    for_each_attribute(message, sizeof(rtmsg), [&](const nlattr& attribute) {
        switch (mnl_attr_get_type(&attribute)) {
        case RTA_OIF:
            here = mnl_attr_get_u32(&attribute) == index;
            break;
        case RTA_DST:
            route.destination.address = address_of(&attribute);
            break;
        case RTA_PREFSRC:
            route.preferred_source = address_of(&attribute);
            break;
        default:
            break;
        }
    });
    return here ? std::optional(route) : std::nullopt;
}

} // namespace

NetlinkMessage LinkRoutes::message(std::uint16_t type, std::uint16_t flags, const Route& route) const {
    NetlinkMessage message(type, flags);
    auto& info = message.header<rtmsg>();
    info.rtm_family = address_family(route.destination.address);
    info.rtm_dst_len = route.destination.length;
    info.rtm_table = RT_TABLE_MAIN;
    info.rtm_protocol = route_protocol;
    // The kernel compares the scope on removal; IPv6 knows none.
    info.rtm_scope = route.destination.is_v4() ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    info.rtm_type = RTN_UNICAST;
    message.put(RTA_DST, route.destination.address);
    message.put(RTA_OIF, link_.index);
    if (route.preferred_source)
        message.put(RTA_PREFSRC, *route.preferred_source);
    return message;
}

std::vector<RouteFailure> LinkRoutes::add(std::span<const Route> routes) {
    std::vector<NetlinkMessage> messages;
    messages.reserve(routes.size());
    for (const Route& route : routes)
        messages.push_back(message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route));
    std::vector<int> results(routes.size());
    netlink_->request_all(messages, results);

    std::vector<Prefix> present;
    if (std::ranges::find(results, EEXIST) != results.end())
        for (const Route& route : list(std::nullopt).value_or(std::vector<Route>{}))
            present.push_back(route.destination);
    std::ranges::sort(present);
    std::vector<RouteFailure> failures;
    for (std::size_t i = 0; i < routes.size(); ++i) {
        const Prefix& destination = routes[i].destination;
        if (results[i] == 0 || (results[i] == EEXIST && std::ranges::binary_search(present, destination)))
            continue;
        const std::string why =
            results[i] == EEXIST
                ? "another route to it exists; remove that one, see 'ip route show " + destination.text() + "'"
                : std::strerror(results[i]);
        failures.push_back(
            {destination, link_.name + ": cannot route " + destination.text() + " into it: " + why});
    }
    return failures;
}

std::vector<RouteFailure> LinkRoutes::remove(std::span<const Prefix> destinations) {
    std::vector<NetlinkMessage> messages;
    messages.reserve(destinations.size());
    for (const Prefix& destination : destinations)
        messages.push_back(message(RTM_DELROUTE, 0, {destination, {}}));
    std::vector<int> results(destinations.size());
    netlink_->request_all(messages, results);

    std::vector<RouteFailure> failures;
    for (std::size_t i = 0; i < destinations.size(); ++i)
        if (results[i] != 0 && results[i] != ESRCH && results[i] != ENODEV)
            failures.push_back({destinations[i], link_.name + ": cannot remove the route to " +
                                                     destinations[i].text() + ": " + std::strerror(results[i])});
    return failures;
}

std::expected<std::vector<Route>, std::string> LinkRoutes::list(std::optional<std::uint8_t> protocol) {
    NetlinkMessage message(RTM_GETROUTE, 0);
    message.header<rtmsg>();
    std::vector<Route> routes;
    const auto collect = [&](const nlmsghdr& answer) {
        if (const auto route = parse_route(answer, link_.index, protocol))
            routes.push_back(*route);
    };
    const auto done = netlink_->dump(message, collect, [&] { routes.clear(); });
    if (!done)
        return std::unexpected(link_.name + ": cannot list its routes: " + done.error().text);
    return routes;
}

} // namespace culvert::tun_bridge
