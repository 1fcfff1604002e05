#include "dataplane/pmd_descriptors.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <iterator>
#include <sys/socket.h>

#ifndef AF_XDP
#define AF_XDP 44
#endif

namespace culvert::dataplane {
namespace {

bool is_packet_source(int fd, const std::filesystem::path& link) {
    int domain = 0;
    socklen_t length = sizeof domain;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0)
        return domain == AF_PACKET || domain == AF_XDP;
    std::error_code error;
    return std::filesystem::read_symlink(link, error) == "/dev/net/tun";
}

} // namespace

std::vector<int> pmd_descriptors() {
    std::vector<int> found;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) {
        const std::string name = entry.path().filename();
        int fd = -1;
        std::from_chars(name.data(), name.data() + name.size(), fd);
        if (is_packet_source(fd, entry.path()))
            found.push_back(fd);
    }
    std::ranges::sort(found);
    return found;
}

std::vector<int> new_descriptors(const std::vector<int>& before, const std::vector<int>& after) {
    std::vector<int> added;
    std::ranges::set_difference(after, before, std::back_inserter(added));
    return added;
}

bool assign_descriptors(const std::vector<int>& found, std::vector<std::vector<int>>& queues) {
    if (found.size() < queues.size())
        return false;
    const std::size_t first = found.size() - queues.size();
    for (std::size_t queue = 0; queue < queues.size(); ++queue)
        queues[queue].push_back(found[first + queue]);
    return true;
}

} // namespace culvert::dataplane
