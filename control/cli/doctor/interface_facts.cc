#include "control/cli/doctor/interface_facts.h"

#include "tun_bridge/file_descriptor.h"

#include <algorithm>
#include <cstring>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace culvert::control::doctor {
namespace {

template <typename Command>
bool ask(int socket, const std::string& name, Command& command) {
    ifreq request{};
    std::copy_n(name.data(), std::min<std::size_t>(name.size(), IFNAMSIZ - 1), request.ifr_name);
    request.ifr_data = reinterpret_cast<char*>(&command);
    return ioctl(socket, SIOCETHTOOL, &request) == 0;
}

} // namespace

InterfaceFacts interface_facts(const std::string& name) {
    InterfaceFacts facts;
    const tun_bridge::FileDescriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ethtool_drvinfo driver{};
    driver.cmd = ETHTOOL_GDRVINFO;
    if (ask(socket.get(), name, driver))
        facts.driver.assign(driver.driver, strnlen(driver.driver, sizeof(driver.driver)));
    ethtool_value checksums{ETHTOOL_GTXCSUM, 0};
    facts.checksums_left_to_device = ask(socket.get(), name, checksums) && checksums.data != 0;
    ethtool_channels channels{};
    channels.cmd = ETHTOOL_GCHANNELS;
    if (ask(socket.get(), name, channels))
        facts.receive_queues = std::max<std::uint32_t>(1, channels.rx_count + channels.combined_count);
    return facts;
}

} // namespace culvert::control::doctor
