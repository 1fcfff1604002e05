#include "control/cli/doctor/checks.h"
#include "control/cli/doctor/interface_facts.h"
#include "tun_bridge/link.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace culvert::control::doctor {
namespace {

/// Drivers by which a user-space program takes a device over.
constexpr std::array user_space_drivers{"vfio-pci", "uio_pci_generic", "igb_uio"};
/// Kernel drivers that share their device with DPDK.
constexpr std::array bifurcated_drivers{"mlx4_core", "mlx5_core"};

template <typename Names>
bool is_one_of(const Names& names, const std::string& name) {
    return std::ranges::find(names, name) != names.end();
}

void check_vfio(const Patient& patient, const std::string& area, Findings& findings) {
    const auto groups = patient.system.names("/sys/kernel/iommu_groups");
    const std::string no_iommu = patient.system.text("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
    if (groups.empty() && !no_iommu.starts_with('Y'))
        findings.problem(
            area, "vfio-pci has no IOMMU to work with",
            "add intel_iommu=on (or amd_iommu=on) to the kernel's command line and reboot; in a virtual machine "
            "without one: echo Y > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
}

void check_addresses(const PortSection& port, const tun_bridge::Link& link, tun_bridge::Netlink& netlink,
                     Findings& findings) {
    const std::string area = "port " + link.name;
    const auto addresses = tun_bridge::list_addresses(netlink, link);
    // The kernel gives an interface fe80:: by itself, which no tunnel uses.
    const bool any =
        addresses && std::ranges::any_of(*addresses, [](const dataplane::Prefix& each) {
            return each.is_v4() || each.address.bytes[0] != 0xfe || (each.address.bytes[1] & 0xc0) != 0x80;
        });
    for (const auto& wanted : port.addresses)
        if (addresses &&
            std::ranges::find(*addresses, wanted.address, &dataplane::Prefix::address) == addresses->end())
            findings.problem(area, "it doesn't have the address " + wanted.text() + " of the configuration",
                             "ip address add " + wanted.text() + " dev " + link.name);
    if (!any && port.addresses.empty())
        findings.problem(area, "it has no address", "ip address add ADDRESS/LENGTH dev " + link.name);
}

void check_link(const Patient& patient, const PortSection& port, const tun_bridge::Link& link,
                tun_bridge::Netlink& netlink, Findings& findings) {
    const std::string area = "port " + link.name;
    if (!link.up)
        findings.problem(area, "the interface is down", "ip link set dev " + link.name + " up");
    if (link.mtu < port.settings.mtu)
        findings.problem(area,
                         "its MTU is " + std::to_string(link.mtu) + ", but port." + link.name + ".mtu is " +
                             std::to_string(port.settings.mtu),
                         "ip link set dev " + link.name + " mtu " + std::to_string(port.settings.mtu));
    if (port.settings.shared_with_kernel()) // or else they belong to the kernel port
        check_addresses(port, link, netlink, findings);
    const auto facts = interface_facts(link.name);
    const std::size_t workers = patient.configuration.dataplane.cores.size();
    if (port.settings.driver == "af_xdp" && facts.receive_queues != workers)
        findings.problem(
            area,
            "af_xdp takes a queue for each worker: there are " + std::to_string(facts.receive_queues) +
                " queues and " + std::to_string(workers) + " workers",
            facts.driver == "veth" ? "make the veth with numrxqueues and numtxqueues of " +
                                         std::to_string(workers) + ", or list as many workers as it has queues"
                                   : "ethtool -L " + link.name + " combined " + std::to_string(workers));
    if (facts.driver == "veth" && facts.checksums_left_to_device)
        findings.warning(
            area,
            "a veth leaves checksums and segmentation to a device that isn't there, so TCP and UDP of the "
            "kernel's own don't survive the port",
            "on both ends of the veth: ethtool -K " + link.name +
                " tx off tso off gso off tx-udp-segmentation off");
}

} // namespace

void check_pci_port(const Patient& patient, const dataplane::PortSettings& port, Findings& findings) {
    const std::string area = "port " + port.device, folder = "/sys/bus/pci/devices/" + port.device;
    if (!patient.system.exists(folder)) {
        findings.problem(area, "there is no such PCI device", "dpdk-devbind.py --status-dev net");
        return;
    }
    const std::string driver = patient.system.link_name(folder + "/driver");
    if (is_one_of(bifurcated_drivers, driver)) {
        findings.ok(area, "shared with its kernel driver " + driver);
    } else if (is_one_of(user_space_drivers, driver)) {
        findings.ok(area, "bound to " + driver);
        if (driver == "vfio-pci")
            check_vfio(patient, area, findings);
    } else {
        findings.problem(area, driver.empty() ? "no driver has it" : "the kernel's driver " + driver + " has it",
                         "modprobe vfio-pci && dpdk-devbind.py --bind=vfio-pci " + port.device);
    }
    const auto node = patient.system.number(folder + "/numa_node").value_or(-1);
    for (const unsigned core : patient.configuration.dataplane.cores)
        if (const std::string place = "/sys/devices/system/cpu/cpu" + std::to_string(core) + "/node";
            node >= 0 && patient.system.exists("/sys/devices/system/node/node0") &&
            !patient.system.exists(place + std::to_string(node)))
            findings.warning(area,
                             "worker core " + std::to_string(core) + " is on another NUMA node than the device (" +
                                 std::to_string(node) + ")",
                             "list cores of /sys/devices/system/node/node" + std::to_string(node) +
                                 "/cpulist in dataplane.workers");
}

void check_kernel_port(const Patient& patient, const PortSection& port, Findings& findings) {
    const std::string& name = port.settings.name;
    const std::size_t before = findings.all().size();
    auto netlink = tun_bridge::Netlink::open();
    if (!netlink) {
        findings.warning("port " + name, "can't be looked at: " + netlink.error(), "run as root");
        return;
    }
    const auto link = tun_bridge::find_link(*netlink, name);
    if (!link) {
        findings.problem("port " + name, "there is no such interface", "ip -brief link shows those there are");
        return;
    }
    check_link(patient, port, *link, *netlink, findings);
    if (findings.all().size() == before)
        findings.ok("port " + name, "up, MTU " + std::to_string(link->mtu));
}

void check_tun_device(const Patient& patient, Findings& findings) {
    const auto device = patient.system.path("/dev/net/tun");
    const int descriptor = open(device.c_str(), O_RDWR | O_CLOEXEC);
    const int error = errno;
    if (descriptor >= 0)
        close(descriptor);
    if (descriptor >= 0)
        findings.ok("/dev/net/tun", "there");
    else if (error == ENOENT || error == ENODEV || error == ENXIO)
        findings.problem("/dev/net/tun", "not there", "modprobe tun");
    else
        findings.problem("/dev/net/tun", std::string("can't be opened: ") + std::strerror(error),
                         "chmod 666 /dev/net/tun; in a container, pass the device in");
}

} // namespace culvert::control::doctor
