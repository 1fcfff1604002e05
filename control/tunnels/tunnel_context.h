#pragma once

#include "control/tunnels/handshake_shards.h"
#include "control/tunnels/path_book.h"
#include "control/tunnels/route_book.h"
#include "control/tunnels/timer_wheel.h"
#include "control/tunnels/tunnels.h"

#include <cstdint>
#include <random>
#include <unordered_map>

namespace culvert::control {

class Session;
class Tunnel;

/// What all tunnels share. Built by Tunnels::Core, outlives every tunnel; control thread only.
struct TunnelContext {
    dataplane::Dataplane& dataplane;
    Names& names;
    LocalPorts& local_ports;
    const TunnelsSettings& settings;
    HandshakeShards& handshakes;
    PathBook& paths;
    RouteBook& routes;
    TimerWheel& wheel;
    std::function<void(Event::Kind, const std::string& peer, std::string text)> tell;

    std::unordered_map<dataplane::SessionIndex, Session*> sessions{}; ///< every installed one
    std::unordered_map<AttemptId, Tunnel*> attempts{};                ///< every handshake under way

    std::uint64_t last_order = 0, last_attempt = 0;
    std::uint64_t frames_ignored = 0;                                 ///< control frames that made no sense
    std::mt19937 random{std::random_device{}()};                      ///< for jitter only
    std::vector<std::uint8_t> frame{};                                ///< scratch
    std::unordered_map<dataplane::PortId, std::uint16_t> port_mtus{}; ///< see port_mtu(): they don't change

    const Timing& timing() const { return settings.timing; }
    static TimePoint now() { return std::chrono::steady_clock::now(); }
    std::uint32_t any_number() { return static_cast<std::uint32_t>(random()); }
    /// Largest outer packet of a port; 1500 for one that is gone.
    std::uint16_t port_mtu(dataplane::PortId port);
};

} // namespace culvert::control
