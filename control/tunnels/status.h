#pragma once

#include "control/configuration/configuration.h"
#include "dataplane/address.h"
#include "dataplane/counters.h"
#include "dataplane/ids.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace culvert::control {

/// What a peer's tunnel is doing.
enum class TunnelState : std::uint8_t {
    down,       ///< no session, and none wanted now: waits to be called, or for the next attempt
    connecting, ///< no session yet; a name is being resolved or a handshake is running
    up,         ///< at least one lane carries traffic
};
std::string_view name(TunnelState state); ///< "down", "connecting", "up"

/// What a session is doing within its lane.
enum class SessionPhase : std::uint8_t {
    waiting,  ///< receives; sends once the other end has been heard on it
    active,   ///< the lane sends on it
    draining, ///< replaced; receives late packets for a few seconds more
};
std::string_view name(SessionPhase phase);

struct SessionStatus {
    dataplane::SessionIndex index = dataplane::no_session;
    std::uint32_t remote_index = 0; ///< 0: not told yet, or a stranger's end
    std::uint8_t lane = 0;
    std::uint32_t generation = 0;
    bool initiator = false; ///< this end began the handshake
    bool stranger = false;  ///< the other end speaks DTLS, but not HELLO
    SessionPhase phase{};
    dataplane::PortId port{};
    dataplane::WorkerId worker{};
    dataplane::Endpoint local, remote;
    std::string cipher; ///< OpenSSL's name of the suite
    std::chrono::system_clock::time_point since;
    std::chrono::milliseconds age{}, since_rx{}, since_tx{};
    std::uint64_t rx_packets = 0, rx_bytes = 0, tx_packets = 0, tx_bytes = 0; ///< inner
    std::uint16_t path_mtu = 0;                                               ///< outer bytes, IP header included
    bool path_mtu_verified = false; ///< a probe of that size has come back
};

struct PeerStatus {
    std::string name;
    dataplane::PeerId id{};
    TunnelState state{};
    std::chrono::system_clock::time_point since; ///< of the state
    std::optional<RemoteEndpoint> configured_endpoint;
    std::optional<dataplane::Endpoint> endpoint; ///< of lane 0's session; otherwise the address tried last
    std::string authentication;                  ///< "pin" or "psk"
    std::vector<dataplane::Prefix> prefixes;
    std::string tun;
    std::uint16_t lanes_configured = 1, lanes = 1;         ///< what this end offers, and what both ends use
    std::string last_error;                                ///< of the last failed attempt; empty once up
    std::optional<std::chrono::milliseconds> next_attempt; ///< from now
    dataplane::PeerFigures figures;
    std::vector<SessionStatus> sessions; ///< by lane, then the active one first
};

/// Something that happened, for `culvertctl events` and the log.
struct Event {
    enum class Kind : std::uint8_t {
        peer_added,
        peer_changed,
        peer_removed,
        connecting,        ///< a handshake has been started
        handshake_failed,  ///< of ours, with the reason
        handshake_refused, ///< of somebody who called us; `peer` is empty
        session_up,
        session_down,
        rekeyed,
        roamed,
        path_mtu,
        certificate, ///< the peer's certificate expires soon, or has expired: its pin alone decides
        tunnel_up,   ///< the peer's first lane carries traffic
        tunnel_down, ///< its last session is gone
    };
    Kind kind{};
    std::chrono::system_clock::time_point time;
    std::string peer;
    std::string text; ///< one sentence for people
};
std::string_view name(Event::Kind kind); ///< "peer_added", …

} // namespace culvert::control
