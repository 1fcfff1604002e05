#include "tests/unit/handshake/udp_gateway.h"

#include <arpa/inet.h>
#include <cstring>
#include <netinet/in.h>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace culvert::control::tests {
namespace {

sockaddr_in socket_address(const dataplane::Endpoint& endpoint) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(endpoint.port);
    address.sin_addr.s_addr = htonl(endpoint.address.as_v4());
    return address;
}

dataplane::Endpoint endpoint_of(const sockaddr_in& address) {
    return {dataplane::IpAddress::v4(ntohl(address.sin_addr.s_addr)), ntohs(address.sin_port)};
}

int open_socket() {
    const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const sockaddr_in any_port = socket_address({dataplane::IpAddress::v4(INADDR_LOOPBACK), 0});
    if (socket < 0 || ::bind(socket, reinterpret_cast<const sockaddr*>(&any_port), sizeof any_port) != 0)
        throw std::runtime_error(std::string("no UDP socket: ") + std::strerror(errno));
    return socket;
}

dataplane::Endpoint name_of(int socket) {
    sockaddr_in address{};
    socklen_t length = sizeof address;
    ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length);
    return endpoint_of(address);
}

} // namespace

std::uint16_t free_udp_port() {
    const int socket = open_socket();
    const std::uint16_t port = name_of(socket).port;
    ::close(socket);
    return port;
}

UdpGateway::UdpGateway(Loses loses, const HandshakeSettings& settings)
    : socket_(open_socket()), local_(name_of(socket_)), loses_(std::move(loses)),
      gateway_(std::make_unique<Gateway>(
          [this](const dataplane::Datagram& d) {
              if (!loses_ || !loses_(d.payload))
                  send(d.remote, d.payload);
          },
          settings)),
      receiver_([this] { receive(); }) {}

UdpGateway::~UdpGateway() {
    gateway_->handshaker().stop();
    stopping_ = true;
    receiver_.join();
    ::close(socket_);
}

void UdpGateway::send(const dataplane::Endpoint& remote, std::span<const std::uint8_t> bytes) const {
    const sockaddr_in to = socket_address(remote);
    ::sendto(socket_, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
}

void UdpGateway::receive() {
    std::array<std::uint8_t, 65536> buffer{};
    while (!stopping_) {
        pollfd readable{.fd = socket_, .events = POLLIN, .revents = 0};
        if (::poll(&readable, 1, 20) <= 0)
            continue;
        sockaddr_in from{};
        socklen_t length = sizeof from;
        const ssize_t size = ::recvfrom(socket_, buffer.data(), buffer.size(), MSG_DONTWAIT,
                                        reinterpret_cast<sockaddr*>(&from), &length);
        if (size <= 0)
            continue;
        const auto bytes = std::span(buffer).first(static_cast<std::size_t>(size));
        if (bytes[0] == 23) { // application data is the workers' business
            const std::lock_guard lock(mutex_);
            data_.emplace_back(bytes.begin(), bytes.end());
            changed_.notify_all();
            continue;
        }
        gateway_->handshaker().deliver({.port = dataplane::PortId{0},
                                        .worker = dataplane::WorkerId{0},
                                        .local = local_,
                                        .remote = endpoint_of(from),
                                        .payload = bytes});
    }
}

std::string UdpGateway::wait_data(const Established& session) {
    std::unique_lock lock(mutex_);
    std::string said;
    changed_.wait_for(lock, patience, [&] {
        for (; said.empty() && !data_.empty(); data_.erase(data_.begin()))
            said = open_record(session, data_.front());
        return !said.empty();
    });
    return said;
}

} // namespace culvert::control::tests
