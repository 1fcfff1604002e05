#include "control/cli/doctor/checks.h"
#include "control/configuration/cores.h"
#include "dataplane/memory_need.h"

#include <algorithm>

namespace culvert::control::doctor {
namespace {

constexpr const char* hugepage_sizes = "/sys/kernel/mm/hugepages";

/// "2,3", as the kernel's command line has it
std::string listed(const std::vector<unsigned>& cores) {
    std::string out;
    for (const unsigned core : cores)
        out += (out.empty() ? "" : ",") + std::to_string(core);
    return out;
}

std::string cores_are(const std::vector<unsigned>& cores) {
    return (cores.size() == 1 ? "core " : "cores ") + listed(cores) + (cores.size() == 1 ? " is" : " are");
}

struct Pages {
    std::uint64_t reserved_mib = 0, free_mib = 0;
};

Pages pages_of(const SystemFiles& system) {
    Pages pages;
    for (const auto& size : system.names(hugepage_sizes)) { // hugepages-2048kB
        const std::string folder = std::string(hugepage_sizes) + "/" + size + "/";
        const auto kib =
            size.find('-') == size.npos ? 0 : std::strtoull(size.c_str() + size.find('-') + 1, nullptr, 10);
        pages.reserved_mib +=
            static_cast<std::uint64_t>(system.number(folder + "nr_hugepages").value_or(0)) * kib / 1024;
        pages.free_mib +=
            static_cast<std::uint64_t>(system.number(folder + "free_hugepages").value_or(0)) * kib / 1024;
    }
    return pages;
}

std::vector<unsigned> without(const std::vector<unsigned>& cores, const std::vector<unsigned>& taken) {
    std::vector<unsigned> left;
    std::ranges::copy_if(cores, std::back_inserter(left),
                         [&](unsigned core) { return std::ranges::find(taken, core) == taken.end(); });
    return left;
}

std::vector<unsigned> cores_in(const SystemFiles& system, const char* file) {
    const std::string text = system.text(file);
    return parse_core_list(text.substr(0, text.find('\n')));
}

} // namespace

bool is_pci(const dataplane::PortSettings& port) {
    return port.device.size() == 12 && port.device[4] == ':' && port.device[10] == '.';
}

bool polls_without_rest(const dataplane::Settings& settings) {
    return settings.idle == dataplane::Idle::busy ||
           (settings.idle == dataplane::Idle::automatic && !settings.ports.empty() &&
            std::ranges::all_of(settings.ports, &is_pci));
}

void check_hugepages(const Patient& patient, Findings& findings) {
    using Hugepages = dataplane::Settings::Hugepages;
    const auto& settings = patient.configuration.dataplane;
    const bool pci = std::ranges::any_of(settings.ports, &is_pci);
    if (settings.hugepages == Hugepages::no) {
        if (pci)
            findings.warning("hugepages", "dataplane.hugepages is false, though a port is a PCI device",
                             "write hugepages = \"auto\" in [dataplane]");
        else
            findings.ok("hugepages", "not wanted by the configuration");
        return;
    }
    const std::uint64_t needed = dataplane::memory_need_mib(settings);
    const Pages pages = pages_of(patient.system);
    // A gateway that runs has its share already.
    const std::uint64_t usable = patient.gateway ? pages.reserved_mib : pages.free_mib;
    const std::string figures = std::to_string(needed) + " MiB needed, " + std::to_string(pages.reserved_mib) +
                                " MiB reserved, " + std::to_string(pages.free_mib) + " MiB free";
    const std::string remedy =
        "sysctl -w vm.nr_hugepages=" + std::to_string((needed + pages.reserved_mib - pages.free_mib + 1) / 2 + 16);
    if (usable >= needed)
        findings.ok("hugepages", figures);
    else if (pci || settings.hugepages == Hugepages::yes)
        findings.problem("hugepages", "too few: " + figures, remedy);
    else
        findings.warning("hugepages", "too few, so ordinary pages are used, which costs some speed: " + figures,
                         remedy);
}

void check_cores(const Patient& patient, Findings& findings) {
    const auto& settings = patient.configuration.dataplane;
    const auto& workers = settings.cores;
    const auto online = cores_in(patient.system, "/sys/devices/system/cpu/online");
    const auto isolated = cores_in(patient.system, "/sys/devices/system/cpu/isolated");
    const auto gone = without(workers, online), shared = without(workers, isolated),
               left = without(online, workers);
    if (!gone.empty()) {
        findings.problem("cores", cores_are(gone) + " not online",
                         "list others in dataplane.workers: see \"lscpu\"");
        return;
    }
    if (!polls_without_rest(settings)) {
        findings.ok("cores", "workers on " + listed(workers) + ", which sleep when there is nothing to do");
        return;
    }
    if (left.empty())
        findings.problem("cores",
                         "workers poll on every core, so nothing is left for the kernel, the bridge and control",
                         "leave a core out of dataplane.workers, or write idle = \"event\"");
    else if (!shared.empty())
        findings.warning("cores", cores_are(shared) + " not isolated, so other programs interrupt the workers",
                         "add isolcpus=" + listed(workers) +
                             " to GRUB_CMDLINE_LINUX in /etc/default/grub, then update-grub and reboot");
    else
        findings.ok("cores", "workers on " + listed(workers) + ", isolated");
}

} // namespace culvert::control::doctor
