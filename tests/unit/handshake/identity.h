#pragma once

#include "control/handshake/certified_key.h"
#include "control/handshake/handshake.h"

#include <string>

namespace culvert::control::tests {

/// A key and a self-signed certificate made for a test.
struct Identity {
    OwnCredentials own;
    Pin pin{};
};

enum class KeyKind { p256, p384, rsa2048, ed25519 };

/// Valid from a day ago to `valid_days` from now, which may be in the past.
Identity make_identity(KeyKind kind = KeyKind::p256, int valid_days = 30);

PeerCredentials by_pin(PeerHandle handle, const std::string& name, const Identity& identity);
PeerCredentials by_psk(PeerHandle handle, const std::string& name, std::uint8_t fill);

} // namespace culvert::control::tests
