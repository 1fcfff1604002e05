#pragma once

#include "dataplane/address.h"
#include "dataplane/settings.h"

#include <chrono>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace culvert::control {

/// Where a value stands in a configuration file, for errors and for what a reload says.
struct Position {
    std::string file;
    std::uint32_t line = 0;
};

/// [gateway]
struct GatewaySection {
    std::string name;
    std::filesystem::path certificate, private_key; ///< empty: this gateway authenticates by PSK only
    bool operator==(const GatewaySection&) const = default;
};

/// [control]
struct ControlSection {
    std::filesystem::path socket = "/run/culvert/culvert.sock";
    std::string socket_group = "culvert"; ///< may open the socket (0660) where the group exists
    std::uint16_t handshake_threads = 1;
    std::string log_level = "info";
    bool operator==(const ControlSection&) const = default;
};

/// [[tun]]
struct TunSection {
    std::string name;
    std::vector<dataplane::Prefix> addresses; ///< with the network's length, host bits kept
    std::uint16_t mtu = 0;                    ///< where not given, the smallest port's MTU less 100
    std::uint16_t queues = 1;
    std::string network_namespace; ///< a name below /run/netns; empty: the gateway's own
    bool offloads = true;          ///< virtio-net headers with TSO/USO
    bool operator==(const TunSection&) const = default;
};

/// [[port]]: dataplane::PortSettings and the addresses
struct PortSection {
    dataplane::PortSettings settings;
    std::vector<dataplane::Prefix> addresses; ///< empty for a shared kernel:IF: those of the interface
};

/// [[listen]]
struct ListenSection {
    std::string format = "dtls";
    std::uint16_t port = 4433;
    bool operator==(const ListenSection&) const = default;
};

/// A peer's endpoint: an address or a name that is resolved when needed, and a port.
struct RemoteEndpoint {
    std::string host;
    std::uint16_t port = 4433;
    std::string text() const; ///< "host:port", IPv6 in brackets
    bool operator==(const RemoteEndpoint&) const = default;
};

/// [[peer]]
struct PeerSection {
    std::string name;
    std::optional<RemoteEndpoint> endpoint; ///< none: waits to be called
    std::vector<std::string> pins;          ///< "pin-sha256:…"; key `pin`, one string or a list
    std::filesystem::path psk_file;         ///< instead of pins
    std::vector<dataplane::Prefix> prefixes;
    std::string tun;                  ///< name of a [[tun]]; the first unless said
    std::uint16_t lanes = 1;          ///< 1–64
    std::uint16_t mtu = 0;            ///< outer path MTU to start from; 0: the port's
    std::optional<std::uint8_t> dscp; ///< fixed DSCP of outer packets; none: copy
    std::chrono::seconds keepalive{20}, rekey_time{3600};
    std::uint64_t rekey_packets = std::uint64_t{1} << 32;
    bool operator==(const PeerSection&) const = default;
};

/// A whole configuration, checked: names unique and resolvable, prefixes disjoint, files there.
struct Configuration {
    GatewaySection gateway;
    ControlSection control;
    dataplane::Settings dataplane; ///< [dataplane]; `ports` and `instances` are filled from the sections below
    std::vector<PortSection> ports;
    std::vector<TunSection> tuns;
    std::vector<ListenSection> listens;
    std::vector<PeerSection> peers;
};

/// What is wrong, where, and what would be right.
struct ConfigurationError {
    Position position;
    std::string key;          ///< "peer.tokyo.prefixes[1]"
    std::string problem;      ///< "10.9.0.0/16 already belongs to peer \"osaka\" (line 31)"
    std::string advice;       ///< "give each prefix to one peer"
    std::string text() const; ///< "paris.toml:42: peer.tokyo.prefixes[1]: …; …"
};

/// Reads and checks a file. Relative paths in it are relative to its folder.
std::expected<Configuration, std::vector<ConfigurationError>>
read_configuration(const std::filesystem::path& file);
/// The same from text; `file` is for messages and relative paths.
std::expected<Configuration, std::vector<ConfigurationError>>
parse_configuration(std::string_view text, const std::filesystem::path& file);

} // namespace culvert::control
