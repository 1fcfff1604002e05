#pragma once

#include "control/configuration/configuration.h"
#include "control/kernel/next_hops.h"
#include "dataplane/dataplane.h"
#include "tun_bridge/kernel_port.h"
#include "tun_bridge/link.h"
#include "tun_bridge/netlink.h"

#include <expected>
#include <memory>
#include <string>
#include <vector>

namespace culvert::control {

/// The kernel's side of the outer ports: a shared interface's addresses are read from the kernel; a kernel port
/// gets MTU and addresses from the configuration.
class OuterPorts {
  public:
    /// `sections` in the order of the dataplane's ports. The error is one sentence.
    static std::expected<OuterPorts, std::string> bring_up(dataplane::Dataplane& dataplane,
                                                           const std::vector<PortSection>& sections);

    /// Reads the addresses anew, tells the dataplane, and says what the path lookup has to know.
    std::vector<PortInterface> refresh();

  private:
    struct Entry {
        PortSection section;
        dataplane::PortFigures port;
        std::unique_ptr<tun_bridge::KernelPort> kernel_port; ///< of a port that DPDK owns
        tun_bridge::Link link;                               ///< index 0: this port has no interface in the kernel
        std::vector<dataplane::IpAddress> addresses;
    };
    OuterPorts(dataplane::Dataplane& dataplane, tun_bridge::Netlink netlink)
        : dataplane_(&dataplane), netlink_(std::move(netlink)) {}
    std::expected<void, std::string> add(const PortSection& section, const dataplane::PortFigures& port);

    dataplane::Dataplane* dataplane_;
    tun_bridge::Netlink netlink_;
    std::vector<Entry> entries_;
};

} // namespace culvert::control
