#include "control/kernel/service_notify.h"

#include "tun_bridge/file_descriptor.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>

namespace culvert::control {
namespace {

/// Assignments end at a newline.
std::string on_one_line(std::string text) {
    std::ranges::replace(text, '\n', ' ');
    return text;
}

bool notify(const std::string& assignments) {
    const char* path = std::getenv("NOTIFY_SOCKET");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string_view name = path == nullptr ? "" : path;
    if (name.empty() || name.size() >= sizeof(address.sun_path))
        return false;
    std::ranges::copy(name, address.sun_path);
    if (name.front() == '@') // a name in the abstract namespace
        address.sun_path[0] = '\0';
    const tun_bridge::FileDescriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    return socket &&
           sendto(socket.get(), assignments.data(), assignments.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                  reinterpret_cast<const sockaddr*>(&address), length) == static_cast<ssize_t>(assignments.size());
}

} // namespace

bool notify_ready(const std::string& status) {
    return notify("READY=1\nSTATUS=" + on_one_line(status));
}

bool notify_reloading() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now); // Type=notify-reload wants to know which reload this is about
    const long long microseconds = static_cast<long long>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000;
    return notify("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(microseconds));
}

bool notify_stopping() {
    return notify("STOPPING=1");
}

bool notify_status(const std::string& status) {
    return notify("STATUS=" + on_one_line(status));
}

} // namespace culvert::control
