#pragma once

#include "control/handshake/credential_store.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace culvert::control {

/// Finds out, for one handshake, who the other end is. The pin or the PSK alone decides; names, issuers and dates
/// in certificates don't. `store` outlives it. One thread.
class Authentication {
  public:
    /// As an initiator, only `expected` is accepted; as a responder (null), everybody in the store.
    Authentication(const CredentialStore& store, PeerPointer expected)
        : store_(store), expected_(std::move(expected)) {}

    /// The other end has shown this certificate; whether it has the key is OpenSSL's to check.
    bool accept_certificate(X509& certificate);

    /// As a responder: writes the PSK that `identity` names; returns its length, 0 if there is none.
    std::size_t look_up_psk(std::string_view identity, std::span<std::uint8_t> psk);

    /// As an initiator: writes the identity, with a zero at its end, and the PSK; returns its length, 0 if it has
    /// none.
    std::size_t offer_psk(std::span<char> identity, std::span<std::uint8_t> psk);

    /// Whom the other end claims to be. Proved once the handshake is complete.
    const PeerPointer& peer() const { return peer_; }
    const PeerPointer& expected() const { return expected_; }
    const std::string& complaint() const { return complaint_; } ///< why nobody; empty: nothing to complain of
    std::optional<std::chrono::system_clock::time_point> certificate_expiry() const { return expiry_; }

  private:
    const CredentialStore& store_;
    PeerPointer expected_, peer_;
    std::string complaint_;
    std::optional<std::chrono::system_clock::time_point> expiry_;
};

} // namespace culvert::control
