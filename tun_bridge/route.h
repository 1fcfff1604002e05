#pragma once

#include "dataplane/address.h"
#include "tun_bridge/link.h"
#include "tun_bridge/netlink.h"

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace culvert::tun_bridge {

/// Number in a route's `proto` field of all routes that are ours, so that they can be told apart
/// (`ip route show proto 208`). Free in iproute2's rt_protos.
inline constexpr std::uint8_t route_protocol = 208;

/// A unicast route over a link, without a gateway, in the main table.
struct Route {
    dataplane::Prefix destination;
    std::optional<dataplane::IpAddress> preferred_source; ///< of the destination's family
    bool operator==(const Route&) const = default;
};

struct RouteFailure {
    dataplane::Prefix destination;
    std::string problem; ///< one sentence
};

/// The routes of one link that lead inner prefixes into it. Add and remove go out in batches: ten thousand take
/// some tens of milliseconds. The kernel drops them by itself when the link goes. One thread at a time.
class LinkRoutes {
  public:
    /// `netlink` outlives this, and is of the link's namespace.
    LinkRoutes(Netlink& netlink, Link link) : netlink_(&netlink), link_(std::move(link)) {}

    /// Those that fail are told; the others stand. A route that is there already over this same link (as the
    /// network of one of its addresses is) is no failure; one over another link is.
    std::vector<RouteFailure> add(std::span<const Route> routes);
    /// Removes what add() made. One that is not there is no failure.
    std::vector<RouteFailure> remove(std::span<const dataplane::Prefix> destinations);
    /// Ours over this link. Error: a sentence.
    std::expected<std::vector<Route>, std::string> list() { return list(route_protocol); }

  private:
    std::expected<std::vector<Route>, std::string> list(std::optional<std::uint8_t> protocol);
    NetlinkMessage message(std::uint16_t type, std::uint16_t flags, const Route& route) const;

    Netlink* netlink_;
    Link link_;
};

} // namespace culvert::tun_bridge
