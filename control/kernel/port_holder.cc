#include "control/kernel/port_holder.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace culvert::control {
namespace {

using dataplane::IpAddress;
using tun_bridge::FileDescriptor;

union SocketAddress {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
};

SocketAddress socket_address(const IpAddress& address, std::uint16_t port) {
    SocketAddress out{};
    if (address.is_v4()) {
        out.v4.sin_family = AF_INET;
        out.v4.sin_port = htons(port);
        std::memcpy(&out.v4.sin_addr, address.bytes.data() + 12, 4);
    } else {
        out.v6.sin6_family = AF_INET6;
        out.v6.sin6_port = htons(port);
        std::memcpy(&out.v6.sin6_addr, address.bytes.data(), 16);
    }
    return out;
}

/// Before the socket is bound, so that not one packet is queued.
bool drop_everything(int socket) {
    sock_filter drop{BPF_RET | BPF_K, 0, 0, 0};
    const sock_fprog program{1, &drop};
    return setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0;
}

/// 0, or errno. `number`: the port it was given.
int bind_dropping(int socket, const IpAddress& address, bool both_families, std::uint16_t& number) {
    const int v6_only = both_families ? 0 : 1;
    if (!address.is_v4() && setsockopt(socket, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only)) != 0)
        return errno;
    SocketAddress name = socket_address(address, number);
    socklen_t length = address.is_v4() ? sizeof(name.v4) : sizeof(name.v6);
    if (!drop_everything(socket) || bind(socket, &name.any, length) != 0 ||
        getsockname(socket, &name.any, &length) != 0)
        return errno;
    number = ntohs(address.is_v4() ? name.v4.sin_port : name.v6.sin6_port);
    return 0;
}

std::string in_words(int error, std::uint16_t port, const std::optional<IpAddress>& address) {
    const std::string what = port == 0 ? "a UDP port" : "UDP port " + std::to_string(port);
    const std::string where = address ? " of " + address->text() : "";
    if (error == EADDRINUSE && port != 0)
        return what + where + " is in use by another process; `ss -lunp sport = :" + std::to_string(port) +
               "` shows by which";
    if (error == EADDRINUSE)
        return "every UDP port of the ephemeral range" + where +
               " is in use; widen it: sysctl net.ipv4.ip_local_port_range=\"10240 65535\"";
    if (error == EADDRNOTAVAIL)
        return what + where + " can't be held, as this host has no such address; `ip address` shows those it has";
    if (error == EACCES)
        return what + where + " can't be held without CAP_NET_BIND_SERVICE; take one from 1024 on";
    return what + where + " can't be held: " + std::strerror(error);
}

/// A held port that the filter knows.
class FilteredPort final : public HeldPort {
  public:
    FilteredPort(PortHolder holder, SharedPortFilter& filter) : holder_(std::move(holder)), filter_(filter) {
        filter_.add(number());
    }
    ~FilteredPort() override {
        filter_.remove(number()); // first: once it is let go, the port may become somebody else's
    }
    FilteredPort(const FilteredPort&) = delete;
    FilteredPort& operator=(const FilteredPort&) = delete;

    std::uint16_t number() const override { return holder_.number(); }

  private:
    PortHolder holder_;
    SharedPortFilter& filter_;
};

} // namespace

std::expected<PortHolder, std::string> PortHolder::hold(std::uint16_t port, std::optional<IpAddress> address) {
    IpAddress local = address.value_or(IpAddress{}); // ::, which takes IPv4 as well
    FileDescriptor socket(::socket(local.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket && !address) { // a kernel without IPv6
        local = IpAddress::v4({});
        socket = FileDescriptor(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    }
    std::uint16_t number = port;
    const int error = socket ? bind_dropping(socket.get(), local, !address, number) : errno;
    if (error != 0)
        return std::unexpected(in_words(error, port, address));
    return PortHolder(std::move(socket), number);
}

std::expected<std::unique_ptr<HeldPort>, std::string> LocalPortHolders::hold_any() {
    auto held = PortHolder::hold(0);
    if (!held)
        return std::unexpected(held.error());
    if (filter_ != nullptr)
        return std::make_unique<FilteredPort>(std::move(*held), *filter_);
    return std::make_unique<PortHolder>(std::move(*held));
}

} // namespace culvert::control
