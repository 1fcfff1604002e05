#include "control/cli/doctor/checks.h"

#include <charconv>
#include <map>
#include <sstream>

namespace culvert::control::doctor {
namespace {

struct UdpSocket {
    std::uint16_t port = 0;
    std::string inode;
};

/// From /proc/net/udp: "sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode
/// …"
std::vector<UdpSocket> sockets_in(const std::string& table) {
    std::vector<UdpSocket> sockets;
    std::istringstream lines(table);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string number, local, skipped, inode;
        words >> number >> local;
        for (int i = 0; i < 7; ++i)
            words >> skipped;
        words >> inode;
        const auto colon = local.rfind(':');
        UdpSocket socket{0, inode};
        if (colon != local.npos &&
            std::from_chars(local.data() + colon + 1, local.data() + local.size(), socket.port, 16).ec ==
                std::errc{})
            sockets.push_back(std::move(socket));
    }
    return sockets;
}

bool holds(const SystemFiles& system, const std::string& process, const std::string& inode) {
    const std::string folder = "/proc/" + process + "/fd";
    for (const auto& descriptor : system.names(folder))
        if (system.link_name(folder + "/" + descriptor) == "socket:[" + inode + "]")
            return true;
    return false;
}

std::string holder_of(const SystemFiles& system, const std::string& inode) {
    for (const auto& process : system.names("/proc")) {
        if (process.find_first_not_of("0123456789") != process.npos || !holds(system, process, inode))
            continue;
        std::string name = system.text("/proc/" + process + "/comm");
        name.resize(std::min(name.find('\n'), name.size()));
        return name + " (process " + process + ")";
    }
    return "a process that can't be seen from here";
}

} // namespace

void check_udp_ports(const Patient& patient, Findings& findings) {
    const SystemFiles& system = patient.system;
    std::multimap<std::uint16_t, std::string> inodes;
    for (const char* table : {"/proc/thread-self/net/udp", "/proc/thread-self/net/udp6"})
        for (auto& socket : sockets_in(system.text(table)))
            inodes.emplace(socket.port, std::move(socket.inode));
    for (const auto& listen : patient.configuration.listens) {
        const std::string number = std::to_string(listen.port);
        const auto [first, last] = inodes.equal_range(listen.port);
        const bool ours =
            first != last && patient.gateway && holds(system, std::to_string(*patient.gateway), first->second);
        if (first == last)
            findings.ok("udp " + number, patient.gateway ? "free, so culvertd doesn't hold it yet" : "free");
        else if (ours)
            findings.ok("udp " + number, "held by culvertd");
        else
            findings.problem("udp " + number, "in use by " + holder_of(system, first->second),
                             "end that process, or choose another port in [[listen]]");
    }
}

} // namespace culvert::control::doctor
