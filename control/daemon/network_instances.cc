#include "control/daemon/network_instances.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace culvert::control {
namespace {

/// IPv6 and UDP outside, DTLS and its tag, and some to spare.
constexpr std::uint16_t room_for_outer_headers = 100;

std::uint16_t default_mtu(const Configuration& configuration) {
    std::uint16_t smallest = 1500;
    if (!configuration.ports.empty())
        smallest = std::ranges::min(configuration.ports, {}, [](const auto& port) {
                       return port.settings.mtu;
                   }).settings.mtu;
    return static_cast<std::uint16_t>(smallest - room_for_outer_headers);
}

} // namespace

std::expected<std::unique_ptr<NetworkInstances>, std::string>
NetworkInstances::open(boost::asio::io_context& context, dataplane::Dataplane& dataplane,
                       const Configuration& configuration) {
    std::unique_ptr<NetworkInstances> instances(new NetworkInstances(context, configuration.tuns));
    if (const auto opened = instances->open_devices(configuration); !opened)
        return std::unexpected(opened.error());
    if (const auto started = instances->start_bridge(dataplane); !started)
        return std::unexpected(started.error());
    for (std::uint16_t i = 0; i < instances->sections_.size(); ++i)
        for (const dataplane::Prefix& address : instances->sections_[i].addresses)
            dataplane.set_instance_address(dataplane::InstanceId{i}, address.address);
    return instances;
}

std::expected<void, std::string> NetworkInstances::open_devices(const Configuration& configuration) {
    for (const TunSection& section : sections_) {
        auto device =
            tun_bridge::TunDevice::open({.name = section.name,
                                         .addresses = section.addresses,
                                         .mtu = section.mtu != 0 ? section.mtu : default_mtu(configuration),
                                         .queues = section.queues,
                                         .network_namespace = section.network_namespace,
                                         .offloads = section.offloads});
        if (!device)
            return std::unexpected(device.error());
        devices_.push_back(std::move(*device));
    }
    return {};
}

std::expected<void, std::string> NetworkInstances::start_bridge(dataplane::Dataplane& dataplane) {
    const auto links = tun_bridge::bridge_links(devices_, dataplane.bridge_queues());
    auto bridge = tun_bridge::Bridge::start({}, links, dataplane.packets());
    if (!bridge)
        return std::unexpected(bridge.error());
    bridge_ = std::move(*bridge);
    return {};
}

void NetworkInstances::add_route(dataplane::InstanceId instance, const dataplane::Prefix& prefix) {
    change(instance, {prefix, true});
}

void NetworkInstances::remove_route(dataplane::InstanceId instance, const dataplane::Prefix& prefix) {
    change(instance, {prefix, false});
}

void NetworkInstances::change(dataplane::InstanceId instance, const Change& change) {
    if (raw(instance) >= changes_.size())
        return;
    changes_[raw(instance)].push_back(change);
    if (std::exchange(due_, true))
        return;
    boost::asio::post(context_, [this, alive = std::weak_ptr(alive_)] {
        if (!alive.expired())
            apply();
    });
}

void NetworkInstances::apply() {
    due_ = false;
    for (std::size_t instance = 0; instance < changes_.size(); ++instance)
        apply(instance);
}

/// Runs of additions and of removals go out in one batch each.
void NetworkInstances::apply(std::size_t instance) {
    const std::vector<Change> changes = std::exchange(changes_[instance], {});
    tun_bridge::LinkRoutes& routes = devices_[instance]->routes();
    for (std::size_t first = 0, last = 0; first < changes.size(); first = last) {
        std::vector<tun_bridge::Route> added;
        std::vector<dataplane::Prefix> removed;
        for (; last < changes.size() && changes[last].add == changes[first].add; ++last) {
            if (changes[last].add)
                added.push_back({changes[last].prefix, source(instance, changes[last].prefix)});
            else
                removed.push_back(changes[last].prefix);
        }
        auto failures = changes[first].add ? routes.add(added) : routes.remove(removed);
        for (const auto& failure : failures)
            spdlog::warn("route {} into {}: {}", failure.destination.text(), sections_[instance].name,
                         failure.problem);
    }
}

/// What the gateway itself sends into the tunnel comes from the device's own address.
std::optional<dataplane::IpAddress> NetworkInstances::source(std::size_t instance,
                                                             const dataplane::Prefix& prefix) const {
    const auto& addresses = sections_[instance].addresses;
    const auto own = std::ranges::find(addresses, prefix.is_v4(), &dataplane::Prefix::is_v4);
    return own == addresses.end() ? std::nullopt : std::optional(own->address);
}

} // namespace culvert::control
