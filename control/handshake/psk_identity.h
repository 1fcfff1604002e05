#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace culvert::control {

/// The identity under which a gateway offers a pre-shared key: the base64 of the first 16 bytes of
/// HMAC-SHA256(psk, "culvert psk identity"). It tells which key is meant, and nothing about the key.
std::string psk_identity(std::span<const std::uint8_t> psk);

} // namespace culvert::control
