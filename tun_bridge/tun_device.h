#pragma once

#include "dataplane/address.h"
#include "tun_bridge/file_descriptor.h"
#include "tun_bridge/link.h"
#include "tun_bridge/netlink.h"
#include "tun_bridge/route.h"

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

namespace culvert::tun_bridge {

struct TunSettings {
    std::string name;
    std::vector<dataplane::Prefix> addresses; ///< with the network's length, host bits kept
    std::uint32_t mtu = 1400;
    std::uint16_t queues = 1;
    std::string network_namespace; ///< a name below /run/netns; empty: the caller's own
    bool offloads = true;          ///< super-packets; without: packets of at most `mtu`, complete checksums
    std::uint32_t transmit_queue_length = 5000; ///< packets the kernel holds for each queue
};

/// What the kernel agreed to hand over and to take.
struct TunOffloads {
    bool tcp = false; ///< TCP super-packets over IPv4 and IPv6
    bool udp = false; ///< UDP ones (Linux 6.2 and later)
};

/// A TUN device of our own, up and with its addresses, with a virtio-net header before each packet. It is not
/// persistent: the kernel removes it, its addresses and its routes with the last descriptor, so also after a
/// crash. Made and used by one control thread; the descriptors of its queues may be used by any.
class TunDevice {
  public:
    /// The error is a sentence. Needs CAP_NET_ADMIN, and CAP_SYS_ADMIN for another network namespace.
    static std::expected<std::unique_ptr<TunDevice>, std::string> open(const TunSettings& settings);
    TunDevice(const TunDevice&) = delete;
    TunDevice& operator=(const TunDevice&) = delete;

    const Link& link() const { return link_; }
    TunOffloads offloads() const { return offloads_; }
    std::uint16_t queues() const { return static_cast<std::uint16_t>(queues_.size()); }
    /// Non-blocking; this object's own. One read() or write() is one virtio-net header and one packet.
    int queue_fd(std::uint16_t queue) const { return queues_.at(queue).get(); }
    /// A netlink socket in the device's network namespace.
    Netlink& netlink() { return netlink_; }
    /// Routes of inner prefixes into this device.
    LinkRoutes& routes() { return routes_; }

    /// Changes a live device to other addresses, touching only those that differ.
    std::expected<void, std::string> change_addresses(const std::vector<dataplane::Prefix>& addresses);
    std::expected<void, std::string> change_mtu(std::uint32_t mtu);

  private:
    TunDevice(std::vector<FileDescriptor> queues, TunOffloads offloads, Netlink netlink, Link link)
        : queues_(std::move(queues)), offloads_(offloads), netlink_(std::move(netlink)), link_(std::move(link)),
          routes_(netlink_, link_) {}
    std::expected<void, std::string> configure(const TunSettings& settings);

    std::vector<FileDescriptor> queues_;
    TunOffloads offloads_;
    Netlink netlink_;
    Link link_;
    LinkRoutes routes_;
    std::vector<dataplane::Prefix> addresses_; ///< that we have given to it
};

} // namespace culvert::tun_bridge
