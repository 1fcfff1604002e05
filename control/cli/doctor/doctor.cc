#include "control/cli/doctor/doctor.h"

#include "control/cli/doctor/checks.h"
#include "tun_bridge/file_descriptor.h"
#include "tun_bridge/network_namespace.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <ostream>
#include <set>
#include <sys/socket.h>
#include <sys/un.h>

namespace culvert::control::doctor {
namespace {

void check_namespaces(const Patient& patient, Findings& findings) {
    std::set<std::string> spaces;
    for (const auto& tun : patient.configuration.tuns)
        spaces.insert(tun.network_namespace);
    for (const auto& space : spaces) {
        const auto looked = tun_bridge::run_in_network_namespace(space, [&] {
            check_forwarding(patient, space, findings);
            check_firewall(patient, space, findings);
        });
        if (!looked)
            findings.warning("forwarding", "namespace " + space + " can't be looked into: " + looked.error(),
                             "look again as root");
    }
}

} // namespace

std::optional<pid_t> find_gateway(const std::filesystem::path& socket) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = socket.string();
    if (path.size() >= sizeof(address.sun_path))
        return std::nullopt;
    std::ranges::copy(path, address.sun_path);
    const tun_bridge::FileDescriptor descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connect(descriptor.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
        return std::nullopt;
    ucred peer{};
    socklen_t length = sizeof(peer);
    if (getsockopt(descriptor.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0 || peer.pid <= 0)
        return std::nullopt;
    return peer.pid;
}

Findings examine(const std::filesystem::path& configuration_file) {
    Findings findings;
    auto configuration = read_configuration(configuration_file);
    if (!configuration) {
        for (const auto& error : configuration.error()) {
            const std::string place = error.position.line == 0
                                          ? error.position.file
                                          : error.position.file + ":" + std::to_string(error.position.line);
            findings.problem("configuration",
                             place + ": " + (error.key.empty() ? "" : error.key + ": ") + error.problem,
                             error.advice);
        }
        return findings;
    }
    findings.ok("configuration", configuration_file.string() + " is sound");
    Patient patient{std::move(*configuration), configuration_file, {}, SystemFiles()};
    patient.gateway = find_gateway(patient.configuration.control.socket);
    findings.ok("culvertd",
                patient.gateway ? "runs as process " + std::to_string(*patient.gateway) : "doesn't run");
    check_capabilities(patient, findings);
    check_files(patient, findings);
    check_certificate(patient, std::chrono::system_clock::now(), findings);
    check_hugepages(patient, findings);
    check_cores(patient, findings);
    check_tun_device(patient, findings);
    for (const auto& port : patient.configuration.ports) {
        if (port.settings.is_kernel_interface())
            check_kernel_port(patient, port, findings);
        else if (is_pci(port.settings))
            check_pci_port(patient, port.settings, findings);
    }
    check_udp_ports(patient, findings);
    check_namespaces(patient, findings);
    return findings;
}

int run(const std::filesystem::path& configuration_file, bool json, std::ostream& out) {
    const Findings findings = examine(configuration_file);
    if (json)
        out << findings.json().dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
    else
        out << findings.text();
    return findings.count(Finding::Grade::problem) == 0 ? 0 : 1;
}

} // namespace culvert::control::doctor
