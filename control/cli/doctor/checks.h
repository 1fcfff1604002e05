#pragma once

#include "control/cli/doctor/finding.h"
#include "control/cli/doctor/system_files.h"
#include "control/configuration/configuration.h"

#include <chrono>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

/// The single checks of `culvertctl doctor`. Each adds what it finds; one that can't look says so as a warning.
namespace culvert::control::doctor {

/// What is examined.
struct Patient {
    Configuration configuration;
    std::filesystem::path file;
    std::optional<pid_t> gateway; ///< the running culvertd's
    SystemFiles system;
};

/// Who listens on the gateway's socket.
std::optional<pid_t> find_gateway(const std::filesystem::path& socket);

bool is_pci(const dataplane::PortSettings& port);
/// Workers never sleep, so their cores had better be theirs alone.
bool polls_without_rest(const dataplane::Settings& settings);

// memory_and_cores.cc
void check_hugepages(const Patient& patient, Findings& findings);
void check_cores(const Patient& patient, Findings& findings);

// devices.cc
void check_pci_port(const Patient& patient, const dataplane::PortSettings& port, Findings& findings);
void check_kernel_port(const Patient& patient, const PortSection& port, Findings& findings);
void check_tun_device(const Patient& patient, Findings& findings);

// permissions.cc
void check_capabilities(const Patient& patient, Findings& findings);
void check_files(const Patient& patient, Findings& findings);
void check_certificate(const Patient& patient, std::chrono::system_clock::time_point now, Findings& findings);

// forwarding.cc
/// The kernel's forwarding between the TUN devices of one namespace (empty: the gateway's own) and the hosts
/// behind them. To be called inside that namespace.
void check_forwarding(const Patient& patient, const std::string& network_namespace, Findings& findings);

// firewall.cc
/// As `check_forwarding`: chains that drop what is forwarded.
void check_firewall(const Patient& patient, const std::string& network_namespace, Findings& findings);
/// `ruleset`: what `nft -j list ruleset` wrote.
void judge_ruleset(const std::string& ruleset, const std::vector<std::string>& tuns, Findings& findings);

// udp_ports.cc
void check_udp_ports(const Patient& patient, Findings& findings);

} // namespace culvert::control::doctor
