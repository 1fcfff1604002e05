#include "control/cli/doctor/checks.h"
#include "control/configuration/complaint.h"
#include "control/configuration/credentials.h"

#include <algorithm>
#include <ctime>
#include <grp.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <unistd.h>

namespace culvert::control::doctor {
namespace {

constexpr std::chrono::days certificate_warning{30};

struct Need {
    unsigned capability;
    const char* name;
    const char* why;
};

std::vector<Need> needs_of(const Configuration& configuration) {
    const auto& ports = configuration.ports;
    const auto kernel_interface = [](const PortSection& port) { return port.settings.is_kernel_interface(); };
    const bool raw = std::ranges::any_of(ports, kernel_interface);
    const bool xdp = std::ranges::any_of(ports, [&](const PortSection& port) {
        return kernel_interface(port) && port.settings.driver == "af_xdp";
    });
    const bool spaces =
        std::ranges::any_of(configuration.tuns, [](const auto& tun) { return !tun.network_namespace.empty(); });
    std::vector<Need> needs{{CAP_NET_ADMIN, "CAP_NET_ADMIN", "TUN devices, addresses and routes"}};
    if (raw)
        needs.push_back({CAP_NET_RAW, "CAP_NET_RAW", "ports on kernel interfaces"});
    if (xdp || configuration.dataplane.hugepages != dataplane::Settings::Hugepages::no)
        needs.push_back({CAP_IPC_LOCK, "CAP_IPC_LOCK", "locked memory"});
    if (xdp)
        needs.push_back({CAP_SYS_ADMIN, "CAP_SYS_ADMIN", "af_xdp's programs"});
    else if (spaces)
        needs.push_back({CAP_SYS_ADMIN, "CAP_SYS_ADMIN", "TUN devices in other namespaces"});
    return needs;
}

std::optional<std::uint64_t> effective_capabilities(const SystemFiles& system, const std::string& process) {
    const std::string status = system.text("/proc/" + process + "/status");
    const auto at = status.find("CapEff:");
    if (at == std::string::npos)
        return std::nullopt;
    return std::strtoull(status.c_str() + at + 7, nullptr, 16);
}

std::string date(std::chrono::system_clock::time_point when) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(when);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    std::array<char, 16> text{};
    std::strftime(text.data(), text.size(), "%Y-%m-%d", &parts);
    return text.data();
}

/// Whoever may write it may become whoever it names.
void check_writers(const std::filesystem::path& file, const char* area, Findings& findings) {
    struct stat about{};
    if (!file.empty() && stat(file.c_str(), &about) == 0 && (about.st_mode & S_IWOTH) != 0)
        findings.problem(area, in_quotes(file.string()) + " may be written by everybody",
                         "chmod o-w " + shell_quoted(file.string()));
}

} // namespace

void check_capabilities(const Patient& patient, Findings& findings) {
    if (!patient.gateway && geteuid() != 0) {
        findings.warning("capabilities", "culvertd isn't running, so what it may do can't be seen",
                         "systemctl start culvert, or look again as root");
        return;
    }
    const std::string process = patient.gateway ? std::to_string(*patient.gateway) : "self";
    const auto effective = effective_capabilities(patient.system, process);
    if (!effective) {
        findings.warning("capabilities", "those of process " + process + " can't be seen", "look again as root");
        return;
    }
    const std::size_t before = findings.all().size();
    for (const auto& need : needs_of(patient.configuration))
        if ((*effective >> need.capability & 1) == 0)
            findings.problem("capabilities", std::string(need.name) + " is missing, for " + need.why,
                             "add it to CapabilityBoundingSet: systemctl edit culvert");
    if (findings.all().size() == before)
        findings.ok("capabilities",
                    patient.gateway ? "culvertd has those it needs" : "root has those that culvertd needs");
}

void check_files(const Patient& patient, Findings& findings) {
    const std::size_t before = findings.all().size();
    check_writers(patient.file, "files", findings);
    check_writers(patient.configuration.gateway.certificate, "files", findings);
    // That secrets are closed to others was a condition for the configuration's being read.
    if (findings.all().size() == before)
        findings.ok("files", "closed to those whom they don't concern");
    const std::string& group = patient.configuration.control.socket_group;
    if (getgrnam(group.c_str()) == nullptr)
        findings.warning("files", "there is no group " + in_quotes(group) + ", so only root may use the socket",
                         "groupadd --system " + shell_quoted(group));
}

void check_certificate(const Patient& patient, std::chrono::system_clock::time_point now, Findings& findings) {
    const auto& file = patient.configuration.gateway.certificate;
    if (file.empty())
        return;
    const auto facts = read_certificate(file);
    if (!facts)
        return; // an error of the configuration
    const std::string remedy = "have its key certified anew; a new key would mean a new pin on every peer";
    const std::string until = date(facts->not_after);
    if (facts->not_after <= now)
        findings.warning("certificate", "expired on " + until + "; peers that pin it don't mind, others do",
                         remedy);
    else if (facts->not_after - now < certificate_warning)
        findings.warning("certificate", "expires on " + until, remedy);
    else
        findings.ok("certificate", "valid until " + until);
}

} // namespace culvert::control::doctor
