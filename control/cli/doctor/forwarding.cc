#include "control/cli/doctor/checks.h"

#include <algorithm>

namespace culvert::control::doctor {
namespace {

/// Families of the inner packets that come out of a namespace's TUN devices.
struct Families {
    bool v4 = false, v6 = false;
    void add(const std::vector<dataplane::Prefix>& prefixes) {
        for (const auto& prefix : prefixes)
            (prefix.is_v4() ? v4 : v6) = true;
    }
};

Families families_in(const Configuration& configuration, const std::string& network_namespace) {
    Families families;
    for (const auto& tun : configuration.tuns) {
        if (tun.network_namespace != network_namespace)
            continue;
        families.add(tun.addresses);
        for (const auto& peer : configuration.peers)
            if (peer.tun == tun.name)
                families.add(peer.prefixes);
    }
    return families;
}

std::string inside(const std::string& network_namespace, const std::string& command) {
    return network_namespace.empty() ? command : "ip netns exec " + network_namespace + " " + command;
}

void check_family(const Patient& patient, const std::string& network_namespace, const std::string& family,
                  const std::string& key, Findings& findings) {
    std::string file = "/proc/sys/" + key;
    std::ranges::replace(file, '.', '/');
    const std::string where = network_namespace.empty() ? "" : " in namespace " + network_namespace;
    if (patient.system.number(file).value_or(0) != 0)
        findings.ok("forwarding", family + " is forwarded" + where);
    else
        findings.problem("forwarding",
                         family + " isn't forwarded" + where + ", so hosts behind this gateway can't be reached",
                         inside(network_namespace, "sysctl -w " + key + "=1"));
}

void check_reverse_path(const Patient& patient, const std::string& network_namespace, const std::string& interface,
                        Findings& findings) {
    const std::string folder = "/proc/sys/net/ipv4/conf/";
    const auto all = patient.system.number(folder + "all/rp_filter").value_or(0);
    // Before a TUN device exists, it will have the default.
    const auto own = patient.system.number(folder + interface + "/rp_filter")
                         .value_or(patient.system.number(folder + "default/rp_filter").value_or(0));
    if (std::max(all, own) == 1) // the larger of the two counts
        findings.warning("rp_filter",
                         interface + " drops packets whose answers would take another way (strict reverse path)",
                         inside(network_namespace, "sysctl -w net.ipv4.conf." + interface + ".rp_filter=2"));
}

} // namespace

void check_forwarding(const Patient& patient, const std::string& network_namespace, Findings& findings) {
    const Configuration& configuration = patient.configuration;
    const Families families = families_in(configuration, network_namespace);
    if (families.v4)
        check_family(patient, network_namespace, "IPv4", "net.ipv4.ip_forward", findings);
    if (families.v6)
        check_family(patient, network_namespace, "IPv6", "net.ipv6.conf.all.forwarding", findings);
    for (const auto& tun : configuration.tuns)
        if (tun.network_namespace == network_namespace)
            check_reverse_path(patient, network_namespace, tun.name, findings);
    if (!network_namespace.empty() || configuration.ports.size() < 2)
        return; // with one way out, answers take no other
    for (const auto& port : configuration.ports)
        if (const std::string& name =
                port.settings.shared_with_kernel() ? port.settings.name : port.settings.kernel_port;
            !name.empty())
            check_reverse_path(patient, network_namespace, name, findings);
}

} // namespace culvert::control::doctor
