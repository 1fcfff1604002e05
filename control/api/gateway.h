#pragma once

#include "control/handshake/handshaker.h"
#include "control/tunnels/status.h"
#include "dataplane/address.h"
#include "dataplane/counters.h"

#include <chrono>
#include <cstdint>
#include <expected>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace culvert::control {

/// The gateway as a whole. Nothing in it is secret.
struct GatewayStatus {
    std::string name, version;
    std::string configuration_file;
    std::string instance; ///< instance id of this start, hexadecimal
    std::string pin;      ///< "pin-sha256:…" of the own certificate; empty without one
    std::optional<std::chrono::system_clock::time_point> certificate_expires;
    std::chrono::system_clock::time_point since;
    std::chrono::milliseconds uptime{};
    std::string engine;                 ///< the workers' crypto engine, and why this one
    std::vector<std::string> listeners; ///< "dtls 4433"
    std::size_t peers = 0, peers_up = 0, sessions = 0;
    HandshakeFigures handshakes;
};

/// One prefix of the routing table of inner packets.
struct RouteStatus {
    dataplane::Prefix prefix;
    enum class Kind : std::uint8_t { peer, tun } kind{};
    std::string destination; ///< the peer's or the TUN device's name
    std::string tun;         ///< the network instance that the route belongs to
};

/// One queue of a TUN device as the bridge sees it.
struct BridgeStatus {
    std::string tun;
    std::string network_namespace;
    std::uint16_t queue = 0;
    bool offloads = false;                      ///< virtio-net headers with TCP segmentation
    bool udp_offloads = false;                  ///< and UDP segmentation
    std::uint64_t reads = 0, writes = 0;        ///< system calls that moved something
    std::uint64_t rx_packets = 0, rx_bytes = 0; ///< from the kernel, after segmentation
    std::uint64_t tx_packets = 0, tx_bytes = 0; ///< to the kernel, before coalescing
    std::uint64_t pauses = 0;                   ///< times that reading stopped because a worker's ring was full
    std::vector<std::pair<std::string, std::uint64_t>> drops; ///< by reason
};

/// Why the gateway says no.
struct Refusal {
    enum class Kind : std::uint8_t {
        invalid,  ///< a value that cannot be
        unknown,  ///< no such peer
        conflict, ///< contradicts what is there, or what cannot be changed while running
    };
    Kind kind = Kind::invalid;
    std::string text; ///< a sentence, or one a line
};

/// What has been done, a line each, for people. Empty: nothing had to be done.
using Deeds = std::vector<std::string>;

/// What the API shows and changes: the running gateway. Called on the control thread; nothing in it blocks.
class Gateway {
  public:
    virtual ~Gateway() = default;

    virtual GatewayStatus status() const = 0;
    virtual std::vector<PeerStatus> peers() const = 0; ///< with their sessions
    virtual std::vector<dataplane::PortFigures> ports() const = 0;
    virtual std::vector<dataplane::WorkerFigures> workers() const = 0;
    virtual std::vector<RouteStatus> routes() const = 0;
    virtual std::vector<BridgeStatus> bridge() const = 0;

    /// Keys of a [[peer]] as a JSON object. What is changed so lasts until the next reload, which goes back to
    /// what the configuration file says.
    virtual std::expected<Deeds, Refusal> add_peer(const nlohmann::json& keys) = 0;
    /// Keys that are absent stay; null takes one back to its default.
    virtual std::expected<Deeds, Refusal> change_peer(const std::string& name, const nlohmann::json& changes) = 0;
    virtual std::expected<Deeds, Refusal> remove_peer(const std::string& name) = 0;
    /// Reads the configuration file again and applies the difference, or changes nothing.
    virtual std::expected<Deeds, Refusal> reload() = 0;
};

} // namespace culvert::control
