#pragma once

#include "crypto/aead.h"
#include "crypto/secret.h"
#include "dataplane/dataplane.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace culvert::control {

/// Number of a peer of the configuration, for the handshakes; never used twice.
enum class PeerHandle : std::uint32_t {};
/// Number of one attempt to initiate; never used twice.
enum class AttemptId : std::uint64_t {};

/// How a peer proves who it is: one of its pins, or the shared secret.
struct PeerCredentials {
    PeerHandle peer{};
    std::string name;
    std::vector<std::array<std::uint8_t, 32>> pins; ///< SHA-256 of SubjectPublicKeyInfo
    crypto::Secret<64> psk;                         ///< empty when by pin
};

/// The certificate and key of this gateway, in PEM. Empty: PSK only.
struct OwnCredentials {
    std::string certificate_chain, private_key;
};

/// A finished handshake: everything that a session is made of. OpenSSL's own object is gone by now and has sealed
/// under these keys for the last time.
struct Established {
    PeerHandle peer{};
    bool initiator = false;
    AttemptId attempt{}; ///< when initiator
    dataplane::PortId port{};
    dataplane::WorkerId worker{}; ///< that received the last datagram: the NIC steers this session's packets to it
    dataplane::Endpoint local, remote;
    crypto::Algorithm algorithm{};
    crypto::Secret<crypto::max_key_bytes> rx_key, tx_key;
    std::array<std::uint8_t, 4> rx_salt{}, tx_salt{};
    std::uint64_t tx_next = 0;              ///< highest sequence number sent in epoch 1, plus one
    std::vector<std::uint64_t> used_nonces; ///< explicit nonces of our own records in epoch 1, host order
    std::string cipher;                     ///< OpenSSL's name of the suite
    /// When the peer's certificate expires, or has expired: for a warning only, its pin alone decides. None with
    /// PSK.
    std::optional<std::chrono::system_clock::time_point> peer_certificate_expiry;
};

/// What the handshaker asks of its surroundings. Called on the handshake thread.
struct HandshakeOutputs {
    std::function<void(const dataplane::Datagram&)> send;
    std::function<void(Established)> established;
    std::function<void(AttemptId, std::string reason)>
        failed; ///< an initiated attempt has ended without a session
    std::function<void(const dataplane::Endpoint& remote, std::string reason)>
        refused; ///< as a responder, for events
};

} // namespace culvert::control
