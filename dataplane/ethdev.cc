#include "dataplane/ethdev.h"

#include <algorithm>
#include <fmt/format.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

namespace culvert::dataplane {
namespace {

constexpr std::uint16_t ring_descriptors = 1024;

rte_eth_conf configuration(const rte_eth_dev_info& info, const EthdevStart& start) {
    rte_eth_conf conf{};
    if (start.mtu != RTE_ETHER_MTU) // drivers that size their rings by it want it now
        conf.rxmode.mtu = std::clamp<std::uint32_t>(start.mtu, info.min_mtu, info.max_mtu);
    conf.rxmode.offloads = info.rx_offload_capa & (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM);
    conf.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
    if (start.queues > 1) {
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf.rss_hf = info.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP);
        if (conf.rx_adv_conf.rss_conf.rss_hf == 0)
            conf.rxmode.mq_mode = RTE_ETH_MQ_RX_NONE; // the driver spreads in its own way (af_packet: by fanout)
    }
    return conf;
}

std::expected<void, std::string> set_up_queues(std::uint16_t port, const rte_eth_conf& conf,
                                               const rte_eth_dev_info& info, const EthdevStart& start) {
    std::uint16_t rx_descriptors = ring_descriptors, tx_descriptors = ring_descriptors;
    rte_eth_dev_adjust_nb_rx_tx_desc(port, &rx_descriptors, &tx_descriptors);
    rte_eth_rxconf rx = info.default_rxconf;
    rx.offloads = conf.rxmode.offloads;
    rte_eth_txconf tx = info.default_txconf;
    tx.offloads = conf.txmode.offloads;
    for (std::uint16_t queue = 0; queue < start.queues; ++queue) {
        const unsigned socket = static_cast<unsigned>(std::max(rte_eth_dev_socket_id(port), 0));
        // Drivers for rings have their memory already and say so by ENOTSUP or not at all.
        if (const int error = rte_eth_rx_queue_setup(port, queue, rx_descriptors, socket, &rx, start.packets);
            error < 0)
            return std::unexpected(fmt::format("receive queue {} refused: {}", queue, rte_strerror(-error)));
        if (const int error = rte_eth_tx_queue_setup(port, queue, tx_descriptors, socket, &tx); error < 0)
            return std::unexpected(fmt::format("transmit queue {} refused: {}", queue, rte_strerror(-error)));
    }
    return {};
}

} // namespace

std::expected<std::uint16_t, std::string> probe_ethdev(const std::string& device) {
    const std::string name = device.substr(0, device.find(','));
    std::uint16_t port = 0;
    if (rte_eth_dev_get_port_by_name(name.c_str(), &port) == 0 && device == name)
        return port; // a PCI device that EAL attached at start
    if (const int error = rte_dev_probe(device.c_str()); error != 0)
        return std::unexpected(fmt::format("device \"{}\" could not be attached ({}); run as root or with "
                                           "CAP_NET_RAW and CAP_NET_ADMIN; `culvertctl "
                                           "doctor` shows bindings and permissions",
                                           device, rte_strerror(-error)));
    if (rte_eth_dev_get_port_by_name(name.c_str(), &port) != 0) // a failed vdev probe doesn't always report it
        return std::unexpected(
            fmt::format("device \"{}\" came up without a port; see DPDK's messages above", device));
    return port;
}

std::expected<EthdevStarted, std::string> start_ethdev(std::uint16_t port, const EthdevStart& start) {
    rte_eth_dev_info info{};
    if (const int error = rte_eth_dev_info_get(port, &info); error != 0)
        return std::unexpected(fmt::format("no information about it: {}", rte_strerror(-error)));
    const std::uint16_t most = std::min(info.max_rx_queues, info.max_tx_queues);
    if (most < start.queues)
        return std::unexpected(
            fmt::format("{} has {} queue(s) for {} workers; set dataplane.workers to {} core(s)", info.driver_name,
                        most, start.queues, most));
    const rte_eth_conf conf = configuration(info, start);
    if (const int error = rte_eth_dev_configure(port, start.queues, start.queues, &conf); error != 0)
        return std::unexpected(fmt::format("not configurable: {}", rte_strerror(-error)));
    if (const auto queues = set_up_queues(port, conf, info, start); !queues)
        return std::unexpected(queues.error());
    std::uint16_t mtu = 0;
    if (rte_eth_dev_get_mtu(port, &mtu) == 0 && mtu != start.mtu && rte_eth_dev_set_mtu(port, start.mtu) != 0 &&
        start.mtu > mtu)
        return std::unexpected(
            fmt::format("{} doesn't take an MTU of {}; it has {}", info.driver_name, start.mtu, mtu));
    if (const int error = rte_eth_dev_start(port); error != 0)
        return std::unexpected(fmt::format("does not start: {}", rte_strerror(-error)));
    rte_eth_allmulticast_enable(port); // neighbour discovery, for the kernel port
    rte_ether_addr address{};
    rte_eth_macaddr_get(port, &address);
    EthdevStarted started{.driver = info.driver_name, .link_address = {}};
    std::copy_n(address.addr_bytes, started.link_address.size(), started.link_address.begin());
    return started;
}

void remove_ethdev(std::uint16_t port) {
    rte_eth_dev_info info{};
    const bool known = rte_eth_dev_info_get(port, &info) == 0;
    rte_eth_dev_stop(port);
    rte_eth_dev_close(port);
    if (known && info.device != nullptr)
        rte_dev_remove(info.device);
}

} // namespace culvert::dataplane
