#pragma once

#include "dataplane/address.h"
#include "tun_bridge/link.h"
#include "tun_bridge/netlink.h"

#include <array>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

namespace culvert::tun_bridge {

struct KernelPortSettings {
    std::string name; ///< of the kernel interface, which exists: net_tap's `iface`
    std::vector<dataplane::Prefix> addresses;
    std::uint16_t mtu = 1500;
    std::array<std::uint8_t, 6> link_address{}; ///< the port's own, so that both answer for one host
};

/// The kernel interface that stands for a port which DPDK owns: through it the kernel does ARP, neighbour
/// discovery, ping, TCP and routing protocols on the port's addresses. The dataplane makes the interface and moves
/// its packets; this sets it up. Control thread.
class KernelPort {
  public:
    /// The error is a sentence; what had been changed by then is undone.
    static std::expected<std::unique_ptr<KernelPort>, std::string> open(const KernelPortSettings& settings);
    /// Takes the interface down and the addresses away, unless it has gone already.
    ~KernelPort();
    KernelPort(const KernelPort&) = delete;
    KernelPort& operator=(const KernelPort&) = delete;

    const Link& link() const { return link_; }

  private:
    KernelPort(Netlink netlink, Link link) : netlink_(std::move(netlink)), link_(std::move(link)) {}
    std::expected<void, std::string> configure(const KernelPortSettings& settings);

    Netlink netlink_;
    Link link_;
    std::vector<dataplane::Prefix> addresses_;
};

} // namespace culvert::tun_bridge
