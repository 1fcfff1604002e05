#include "tun_bridge/network_namespace.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sched.h>
#include <thread>

namespace culvert::tun_bridge {

std::expected<FileDescriptor, std::string> open_network_namespace(const std::string& name) {
    if (name.find('/') != std::string::npos || name == "." || name == "..")
        return std::unexpected("network namespace \"" + name + "\": a name below /run/netns has no slash");
    FileDescriptor fd(::open(("/run/netns/" + name).c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd && errno == ENOENT)
        return std::unexpected("network namespace \"" + name + "\" does not exist: create it with 'ip netns add " +
                               name + "'");
    if (!fd)
        return std::unexpected("network namespace \"" + name + "\": cannot open it: " + std::strerror(errno));
    return fd;
}

std::expected<void, std::string> run_in_network_namespace(const std::string& name,
                                                          const std::function<void()>& work) {
    if (name.empty()) {
        work();
        return {};
    }
    auto target = open_network_namespace(name);
    if (!target)
        return std::unexpected(target.error());
    int failure = 0;
    std::thread([&] {
        if (::setns(target->get(), CLONE_NEWNET) != 0)
            failure = errno;
        else
            work();
    }).join();
    if (failure != 0)
        return std::unexpected("network namespace \"" + name + "\": cannot enter it: " + std::strerror(failure));
    return {};
}

} // namespace culvert::tun_bridge
