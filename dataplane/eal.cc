#include "dataplane/eal.h"

#include "dataplane/memory_need.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <mutex>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <sched.h>
#include <unistd.h>
#include <vector>

namespace culvert::dataplane {
namespace {

bool is_pci(const std::string& device) { // 0000:3b:00.0
    return device.size() >= 12 && device[4] == ':' && device[7] == ':' && device[10] == '.';
}

/// Free hugepages of all sizes, in MiB.
std::uint64_t free_huge_mib() {
    std::uint64_t total = 0;
    std::error_code error;
    for (const auto& size : std::filesystem::directory_iterator("/sys/kernel/mm/hugepages", error)) {
        const std::string name = size.path().filename(); // hugepages-2048kB
        std::uint64_t kilobytes = 0, free = 0;
        if (name.size() > 10)
            kilobytes = std::strtoull(name.c_str() + 10, nullptr, 10);
        std::ifstream(size.path() / "free_hugepages") >> free;
        total += free * kilobytes / 1024;
    }
    return total;
}

/// "0,1,5": the cores that this process may run on.
std::string allowed_cores() {
    cpu_set_t set;
    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof set, &set);
    std::string list;
    for (int core = 0; core < CPU_SETSIZE; ++core)
        if (CPU_ISSET(core, &set))
            list += (list.empty() ? "" : ",") + std::to_string(core);
    return list;
}

std::expected<bool, std::string> use_hugepages(const Settings& settings) {
    const std::uint64_t needed = memory_need_mib(settings), free = free_huge_mib();
    const bool enough = free >= needed;
    const bool pci = std::ranges::any_of(settings.ports, [](const auto& port) { return is_pci(port.device); });
    if (settings.hugepages == Settings::Hugepages::no)
        return false;
    if (!enough && (settings.hugepages == Settings::Hugepages::yes || pci))
        return std::unexpected(fmt::format(
            "{} MiB of hugepages are needed and {} are free; reserve them with `sysctl -w vm.nr_hugepages={}`",
            needed, free, (needed + 1) / 2 + 16));
    return enough;
}

std::expected<std::vector<std::string>, std::string> arguments(const Settings& settings) {
    const auto huge = use_hugepages(settings);
    if (!huge)
        return std::unexpected(huge.error());
    std::vector<std::string> list{"culvert",
                                  "--lcores=0@(" + allowed_cores() + ")", // workers are threads of our own
                                  fmt::format("--file-prefix=culvert-{}", getpid()),
                                  "--iova-mode=va",
                                  "--no-telemetry",
                                  "--log-level=lib.eal:4",
                                  "--log-level=pmd:4"};
    if (*huge)
        list.insert(list.end(), {"--in-memory"});
    else
        list.insert(list.end(), {"--no-huge", "--no-shconf", "-m", std::to_string(memory_need_mib(settings))});
    bool pci = false;
    for (const PortSettings& port : settings.ports)
        if (is_pci(port.device)) {
            list.insert(list.end(), {"-a", port.device});
            pci = true;
        }
    if (!pci)
        list.emplace_back("--no-pci");
    list.insert(list.end(), settings.eal.begin(), settings.eal.end());
    return list;
}

} // namespace

std::expected<void, std::string> start_eal(const Settings& settings) {
    static std::mutex once;
    static bool started = false;
    const std::lock_guard lock(once);
    if (started)
        return {};
    auto list = arguments(settings);
    if (!list)
        return std::unexpected(list.error());
    std::vector<char*> argv;
    for (std::string& argument : *list)
        argv.push_back(argument.data());
    if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0)
        return std::unexpected(fmt::format("DPDK does not start: {}; `culvertctl doctor` shows what is missing",
                                           rte_strerror(rte_errno)));
    started = true;
    return {};
}

EalThread::EalThread() {
    rte_thread_register();
}
EalThread::~EalThread() {
    rte_thread_unregister();
}

} // namespace culvert::dataplane
