#include "dataplane/port.h"

#include "dataplane/ethdev.h"
#include "dataplane/pmd_descriptors.h"

#include <algorithm>
#include <fmt/format.h>
#include <net/if.h>
#include <rte_ethdev.h>

namespace culvert::dataplane {
namespace {

/// Ring options measured best on a veth (docs/performance.md): small blocks, frames that hold a full packet.
std::string kernel_device(const PortSettings& settings, const std::string& interface, std::uint16_t queues) {
    if (settings.driver == "af_xdp")
        return fmt::format("net_af_xdp_{0},iface={0},busy_budget=0", interface);
    return fmt::format(
        "net_af_packet_{0},iface={0},blocksz=65536,framesz=2048,framecnt=2048,qdisc_bypass=1,qpairs={1}",
        interface, queues);
}

std::string mac_text(const std::array<std::uint8_t, 6>& mac) {
    return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", mac[0], mac[1], mac[2], mac[3], mac[4],
                       mac[5]);
}

} // namespace

std::expected<std::unique_ptr<Port>, std::string> Port::open(const PortSettings& settings, std::uint8_t ordinal,
                                                             std::uint16_t workers, rte_mempool* packets) {
    std::unique_ptr<Port> port(new Port(settings, ordinal, workers));
    if (const auto attached = port->attach(packets); !attached)
        return std::unexpected(fmt::format("port {}: {}", settings.name, attached.error()));
    if (!settings.kernel_port.empty())
        if (const auto attached = port->attach_kernel_port(packets); !attached)
            return std::unexpected(
                fmt::format("port {}: kernel port {}: {}", settings.name, settings.kernel_port, attached.error()));
    return port;
}

std::expected<void, std::string> Port::attach(rte_mempool* packets) {
    const std::vector<int> before = pmd_descriptors();
    std::string device = settings_.device;
    if (settings_.is_kernel_interface()) {
        const std::string interface = device.substr(7);
        if (if_nametoindex(interface.c_str()) == 0)
            return std::unexpected(fmt::format("there is no interface {}; see `ip link`", interface));
        device = kernel_device(settings_, interface, queues_);
    }
    if (device.starts_with("ethdev:")) { // one that exists already, by its name
        if (rte_eth_dev_get_port_by_name(device.substr(7).c_str(), &id_) != 0)
            return std::unexpected(fmt::format("there is no ethdev {}", device.substr(7)));
    } else {
        const auto probed = probe_ethdev(device);
        if (!probed)
            return std::unexpected(probed.error());
        id_ = *probed;
        ours_ = true;
    }
    const auto started = start_ethdev(id_, {.queues = queues_, .mtu = settings_.mtu, .packets = packets});
    if (!started)
        return std::unexpected(started.error());
    driver_ = started->driver;
    link_address_ = started->link_address;
    has_descriptors_ = assign_descriptors(new_descriptors(before, pmd_descriptors()), descriptors_);
    return {};
}

std::expected<void, std::string> Port::attach_kernel_port(rte_mempool* packets) {
    const std::vector<int> before = pmd_descriptors();
    const auto probed =
        probe_ethdev(fmt::format("net_tap_{0},iface={0},mac={1}", settings_.kernel_port, mac_text(link_address_)));
    if (!probed)
        return std::unexpected(probed.error());
    kernel_port_ = *probed;
    const auto started =
        start_ethdev(*kernel_port_, {.queues = queues_, .mtu = settings_.mtu, .packets = packets});
    if (!started)
        return std::unexpected(started.error());
    has_descriptors_ =
        assign_descriptors(new_descriptors(before, pmd_descriptors()), descriptors_) && has_descriptors_;
    return {};
}

Port::~Port() {
    if (kernel_port_)
        remove_ethdev(*kernel_port_);
    if (id_ != 0xffff && ours_)
        remove_ethdev(id_);
    else if (id_ != 0xffff)
        rte_eth_dev_stop(id_);
}

PortFigures Port::figures() const {
    rte_eth_stats stats{};
    rte_eth_stats_get(id_, &stats);
    PortFigures figures;
    figures.port = PortId{ordinal_};
    figures.name = settings_.name;
    figures.device = settings_.device;
    figures.driver = driver_;
    figures.link_address = link_address_;
    figures.mtu = settings_.mtu;
    figures.vlan = settings_.vlan;
    figures.queues = queues_;
    figures.shared_with_kernel = settings_.shared_with_kernel();
    figures.kernel_interface = settings_.shared_with_kernel() ? settings_.device.substr(7) : settings_.kernel_port;
    figures.rx_packets = stats.ipackets;
    figures.rx_bytes = stats.ibytes;
    figures.tx_packets = stats.opackets;
    figures.tx_bytes = stats.obytes;
    figures.rx_missed = stats.imissed;
    figures.rx_errors = stats.ierrors;
    figures.tx_errors = stats.oerrors;
    return figures;
}

} // namespace culvert::dataplane
