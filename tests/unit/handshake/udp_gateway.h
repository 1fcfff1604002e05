#pragma once

#include "tests/unit/handshake/gateway.h"

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

namespace culvert::control::tests {

/// A gateway on a UDP socket of 127.0.0.1. Application data that comes in is kept for the test.
class UdpGateway {
  public:
    using Loses = std::function<bool(std::span<const std::uint8_t>)>; ///< whether a datagram to be sent gets lost

    explicit UdpGateway(Loses loses = {}, const HandshakeSettings& settings = quick_settings());
    ~UdpGateway();

    Gateway& gateway() { return *gateway_; }
    const dataplane::Endpoint& local() const { return local_; }
    void send(const dataplane::Endpoint& remote, std::span<const std::uint8_t> bytes) const;

    /// Waits for a record that opens with the session's keys; what it says.
    std::string wait_data(const Established& session);

  private:
    void receive();

    int socket_;
    dataplane::Endpoint local_;
    Loses loses_;
    std::atomic<bool> stopping_{false};
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::vector<std::uint8_t>> data_;
    std::unique_ptr<Gateway> gateway_;
    std::thread receiver_;
};

/// A UDP port of 127.0.0.1 that nobody has.
std::uint16_t free_udp_port();

} // namespace culvert::control::tests
