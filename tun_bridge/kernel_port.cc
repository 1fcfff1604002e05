#include "tun_bridge/kernel_port.h"

namespace culvert::tun_bridge {

std::expected<std::unique_ptr<KernelPort>, std::string> KernelPort::open(const KernelPortSettings& settings) {
    auto netlink = Netlink::open();
    if (!netlink)
        return std::unexpected(settings.name + ": " + netlink.error());
    auto link = find_link(*netlink, settings.name);
    if (!link)
        return std::unexpected(link.error());
    std::unique_ptr<KernelPort> port(new KernelPort(std::move(*netlink), std::move(*link)));
    if (const auto configured = port->configure(settings); !configured)
        return std::unexpected(configured.error());
    return port;
}

std::expected<void, std::string> KernelPort::configure(const KernelPortSettings& settings) {
    // Not every driver takes a new link address while it is up.
    std::expected<void, std::string> done;
    if (link_.link_address != settings.link_address) {
        done = set_up(netlink_, link_, false);
        if (done)
            done = set_link_address(netlink_, link_, settings.link_address);
        link_.link_address = settings.link_address;
    }
    if (done && link_.mtu != settings.mtu) {
        done = set_mtu(netlink_, link_, settings.mtu);
        link_.mtu = settings.mtu;
    }
    if (done)
        done = set_up(netlink_, link_, true);
    for (const dataplane::Prefix& address : settings.addresses) {
        if (!done)
            break;
        done = add_address(netlink_, link_, address);
        if (done)
            addresses_.push_back(address);
    }
    link_.up = done.has_value();
    return done;
}

KernelPort::~KernelPort() {
    // A failure means that the interface is gone, and all this with it.
    for (const dataplane::Prefix& address : addresses_)
        static_cast<void>(remove_address(netlink_, link_, address));
    static_cast<void>(set_up(netlink_, link_, false));
}

} // namespace culvert::tun_bridge
