#include "control/daemon/outer_ports.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace culvert::control {

std::expected<OuterPorts, std::string> OuterPorts::bring_up(dataplane::Dataplane& dataplane,
                                                            const std::vector<PortSection>& sections) {
    auto netlink = tun_bridge::Netlink::open();
    if (!netlink)
        return std::unexpected(netlink.error());
    OuterPorts ports(dataplane, std::move(*netlink));
    const auto figures = dataplane.ports();
    for (std::size_t i = 0; i < sections.size(); ++i)
        if (const auto added = ports.add(sections[i], figures[i]); !added)
            return std::unexpected(fmt::format("port {}: {}", figures[i].name, added.error()));
    ports.refresh();
    return ports;
}

std::expected<void, std::string> OuterPorts::add(const PortSection& section, const dataplane::PortFigures& port) {
    Entry entry{section, port, {}, {}, {}};
    if (port.kernel_interface.empty()) {
        spdlog::warn("port {} has no kernel_port: nobody answers ARP for it and its neighbours can't be found",
                     port.name);
    } else if (port.shared_with_kernel) {
        auto link = tun_bridge::find_link(netlink_, port.kernel_interface);
        if (!link)
            return std::unexpected(link.error());
        if (!link->up)
            return std::unexpected(fmt::format("interface {0} is down; `ip link set {0} up`", link->name));
        entry.link = std::move(*link);
    } else {
        auto kernel_port = tun_bridge::KernelPort::open({.name = port.kernel_interface,
                                                         .addresses = section.addresses,
                                                         .mtu = port.mtu,
                                                         .link_address = port.link_address});
        if (!kernel_port)
            return std::unexpected(kernel_port.error());
        entry.kernel_port = std::move(*kernel_port);
        entry.link = entry.kernel_port->link();
    }
    entries_.push_back(std::move(entry));
    return {};
}

std::vector<PortInterface> OuterPorts::refresh() {
    std::vector<PortInterface> interfaces;
    for (Entry& entry : entries_) {
        std::vector<dataplane::IpAddress> addresses;
        if (!entry.section.addresses.empty()) {
            for (const dataplane::Prefix& address : entry.section.addresses)
                addresses.push_back(address.address);
        } else if (entry.link.index != 0) {
            if (const auto listed = tun_bridge::list_addresses(netlink_, entry.link))
                for (const dataplane::Prefix& address : *listed)
                    addresses.push_back(address.address);
        }
        if (addresses != entry.addresses)
            dataplane_->set_port_addresses(entry.port.port, addresses);
        entry.addresses = addresses;
        if (entry.link.index != 0)
            interfaces.push_back({entry.port.port, entry.link.index, std::move(addresses)});
    }
    return interfaces;
}

} // namespace culvert::control
