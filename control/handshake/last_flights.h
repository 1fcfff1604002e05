#pragma once

#include "control/handshake/dtls_channel.h"
#include "control/handshake/dtls_record.h"
#include "control/handshake/udp_tuple.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

namespace culvert::control {

/// The last flights of completed handshakes as a responder. OpenSSL is gone by then, so when the initiator repeats
/// its own last flight, ours is sent again from here, byte for byte (RFC 6347 §4.2.4). One thread.
class LastFlights {
  public:
    using Time = std::chrono::steady_clock::time_point;
    using Random = std::array<std::uint8_t, random_bytes>;

    LastFlights(std::chrono::milliseconds lifetime, std::chrono::milliseconds interval)
        : lifetime_(lifetime), interval_(interval) {}

    void keep(const UdpTuple& tuple, const Random& client_random, std::vector<Bytes> flight, Time now);
    /// The flight, if `datagram` is a repetition of the initiator's last one and it is time again; else empty.
    std::span<const Bytes> repeat(const UdpTuple& tuple, std::span<const std::uint8_t> datagram, Time now);
    /// Whether the completed handshake began with this random: its ClientHello then is a late duplicate.
    bool began_with(const UdpTuple& tuple, std::span<const std::uint8_t, random_bytes> client_random, Time now);

  private:
    struct Flight {
        Random client_random;
        std::vector<Bytes> datagrams;
        Time until, sent;
    };
    void forget_old(Time now);

    std::chrono::milliseconds lifetime_, interval_;
    std::unordered_map<UdpTuple, Flight> flights_;
    std::deque<std::pair<Time, UdpTuple>> ends_; ///< in the order in which they end
};

} // namespace culvert::control
