#include "tun_bridge/tun_device.h"

#include "tun_bridge/network_namespace.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#ifndef TUN_F_USO4 // Linux 6.2; Debian 12's headers are older
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

namespace culvert::tun_bridge {

using dataplane::Prefix;

namespace {

std::string open_problem(int error) {
    if (error == ENOENT || error == ENODEV || error == ENXIO)
        return "cannot open /dev/net/tun: the kernel has no TUN driver or no device node; try 'modprobe tun'";
    return std::string("cannot open /dev/net/tun: ") + std::strerror(error);
}

std::string attach_problem(const std::string& name, int error) {
    switch (error) {
    case EBUSY:
    case EEXIST:
        return name +
               ": a network interface of that name exists already, of another program or left over; choose "
               "another name or remove it with 'ip link delete " +
               name + "'";
    case EPERM:
        return name + ": creating a TUN device needs CAP_NET_ADMIN; run as root or grant it";
    case EINVAL:
        return name + ": the kernel refuses to create a TUN device of that name";
    default:
        return name + ": cannot create the TUN device: " + std::strerror(error);
    }
}

std::expected<FileDescriptor, std::string> open_queue(const std::string& name, bool first, bool several) {
    FileDescriptor fd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
    if (!fd)
        return std::unexpected(name + ": " + open_problem(errno));
    ifreq request{};
    name.copy(request.ifr_name, IFNAMSIZ - 1);
    // Without IFF_TUN_EXCL the first queue would silently join somebody's persistent device.
    const unsigned flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | (several ? unsigned{IFF_MULTI_QUEUE} : 0U) |
                           (first ? unsigned{IFF_TUN_EXCL} : 0U);
    request.ifr_flags = static_cast<short>(flags);
    if (::ioctl(fd.get(), TUNSETIFF, &request) != 0)
        return std::unexpected(attach_problem(name, errno));
    return fd;
}

/// Asks for all, then for less, as far as the kernel goes along.
TunOffloads negotiate(int fd, bool wanted) {
    constexpr unsigned long tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
    constexpr unsigned long udp = TUN_F_USO4 | TUN_F_USO6;
    if (wanted && ::ioctl(fd, TUNSETOFFLOAD, tcp | udp) == 0)
        return {.tcp = true, .udp = true};
    if (wanted && ::ioctl(fd, TUNSETOFFLOAD, tcp) == 0)
        return {.tcp = true, .udp = false};
    ::ioctl(fd, TUNSETOFFLOAD, 0UL);
    return {};
}

std::expected<std::vector<FileDescriptor>, std::string> open_queues(const TunSettings& settings) {
    if (settings.name.empty() || settings.name.size() >= IFNAMSIZ ||
        settings.name.find_first_of("/% \t") != std::string::npos)
        return std::unexpected("\"" + settings.name +
                               "\" is no interface name: 1 to 15 characters without blanks, '/' and '%'");
    std::expected<std::vector<FileDescriptor>, std::string> queues;
    const auto entered = run_in_network_namespace(settings.network_namespace, [&] {
        for (std::uint16_t i = 0; i < settings.queues; ++i) {
            auto queue = open_queue(settings.name, i == 0, settings.queues > 1);
            if (!queue) {
                queues = std::unexpected(queue.error());
                return;
            }
            queues->push_back(std::move(*queue));
        }
    });
    if (!entered)
        return std::unexpected(settings.name + ": " + entered.error());
    return queues;
}

} // namespace

std::expected<std::unique_ptr<TunDevice>, std::string> TunDevice::open(const TunSettings& settings) {
    auto netlink = Netlink::open(settings.network_namespace);
    if (!netlink)
        return std::unexpected(settings.name + ": " + netlink.error());
    auto queues = open_queues(settings);
    if (!queues)
        return std::unexpected(queues.error());
    if (queues->empty())
        return std::unexpected(settings.name + ": a TUN device has at least one queue");
    const TunOffloads offloads = negotiate(queues->front().get(), settings.offloads); // one setting for all queues
    auto link = find_link(*netlink, settings.name);
    if (!link)
        return std::unexpected(link.error());
    std::unique_ptr<TunDevice> device(
        new TunDevice(std::move(*queues), offloads, std::move(*netlink), std::move(*link)));
    if (const auto configured = device->configure(settings); !configured)
        return std::unexpected(configured.error());
    return device;
}

std::expected<void, std::string> TunDevice::configure(const TunSettings& settings) {
    // The tunnel has no link-local scope and carries no multicast: nothing but noise would come out of the device.
    std::expected<void, std::string> done = disable_link_local(netlink_, link_);
    if (done)
        done = disable_multicast(netlink_, link_);
    if (done)
        done = promote_secondaries(netlink_, link_);
    if (done)
        done = accept_own_source(netlink_, link_);
    if (done)
        done = change_mtu(settings.mtu);
    if (done)
        done = set_transmit_queue_length(netlink_, link_, settings.transmit_queue_length);
    if (done)
        done = set_up(netlink_, link_, true);
    if (done)
        done = change_addresses(settings.addresses);
    return done;
}

std::expected<void, std::string> TunDevice::change_mtu(std::uint32_t mtu) {
    const auto done = set_mtu(netlink_, link_, mtu);
    if (done)
        link_.mtu = mtu;
    return done;
}

std::expected<void, std::string> TunDevice::change_addresses(const std::vector<Prefix>& addresses) {
    const std::vector<Prefix> before = addresses_;
    for (const Prefix& address : addresses) {
        if (std::ranges::find(before, address) != before.end())
            continue;
        if (const auto added = add_address(netlink_, link_, address); !added)
            return added;
        addresses_.push_back(address);
    }
    for (const Prefix& address : before) {
        if (std::ranges::find(addresses, address) != addresses.end())
            continue;
        if (const auto removed = remove_address(netlink_, link_, address); !removed)
            return removed;
        std::erase(addresses_, address);
    }
    return {};
}

} // namespace culvert::tun_bridge
