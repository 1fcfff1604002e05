#include "tests/unit/tun_bridge/scratch_namespace.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>

namespace culvert::testing {

std::optional<std::string> kernel_refusal() {
    if (::geteuid() != 0)
        return "network namespaces and TUN devices need root";
    const int fd = ::open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return std::string("/dev/net/tun can't be opened: ") + std::strerror(errno);
    ::close(fd);
    if (std::system("command -v ip >/dev/null") != 0)
        return "iproute2 is not installed";
    return std::nullopt;
}

ScratchNamespace::ScratchNamespace(const std::string& word) {
    static int count = 0;
    name_ = "cvtb-" + std::to_string(::getpid()) + "-" + std::to_string(count++) + "-" + word;
    if (std::system(("ip netns add " + name_).c_str()) != 0 || run("ip link set lo up") != 0)
        throw std::runtime_error("cannot make the network namespace " + name_);
}

ScratchNamespace::~ScratchNamespace() {
    if (std::system(("ip netns delete " + name_).c_str()) != 0)
        std::fprintf(stderr, "cannot remove the network namespace %s\n", name_.c_str());
}

int ScratchNamespace::run(const std::string& command) const {
    const int status = std::system(("ip netns exec " + name_ + " sh -c '" + command + "'").c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string ScratchNamespace::output(const std::string& command) const {
    std::FILE* pipe = ::popen(("ip netns exec " + name_ + " sh -c '" + command + "'").c_str(), "r");
    if (pipe == nullptr)
        throw std::runtime_error("cannot run " + command);
    std::string text;
    std::array<char, 4096> block{};
    while (const std::size_t length = std::fread(block.data(), 1, block.size(), pipe))
        text.append(block.data(), length);
    ::pclose(pipe);
    return text;
}

} // namespace culvert::testing
