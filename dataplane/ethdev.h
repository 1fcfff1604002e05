#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <string>

struct rte_mempool;

/// DPDK's ethdev calls, with errors that say what was wrong.
namespace culvert::dataplane {

/// Attaches a device by its PCI address or vdev string; gives its port id.
std::expected<std::uint16_t, std::string> probe_ethdev(const std::string& device);

struct EthdevStart {
    std::uint16_t queues; ///< rx and tx
    std::uint16_t mtu;
    rte_mempool* packets;
};
struct EthdevStarted {
    std::string driver;
    std::array<std::uint8_t, 6> link_address;
};
/// Configures all queues, with RSS over addresses and UDP ports where there are several, and starts.
std::expected<EthdevStarted, std::string> start_ethdev(std::uint16_t port, const EthdevStart& start);

/// Stops, closes and detaches.
void remove_ethdev(std::uint16_t port);

} // namespace culvert::dataplane
