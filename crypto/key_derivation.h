#pragma once

#include "crypto/aead.h"
#include "crypto/secret.h"

#include <array>
#include <expected>
#include <span>
#include <string>

namespace culvert::crypto {

/// The TLS 1.2 key block of an AES-GCM cipher suite (RFC 5246 §6.3, RFC 5288 §3).
struct KeyBlock {
    Secret<max_key_bytes> client_key, server_key;
    std::array<std::uint8_t, 4> client_salt{}, server_salt{};
};

/// `digest`: the PRF hash of the cipher suite by its OpenSSL name ("SHA256", "SHA384").
/// `master` is 48 bytes, the randoms are 32 each.
std::expected<KeyBlock, std::string> derive_tls12_keys(Algorithm algorithm, std::string_view digest,
                                                       std::span<const std::uint8_t> master,
                                                       std::span<const std::uint8_t> client_random,
                                                       std::span<const std::uint8_t> server_random);

} // namespace culvert::crypto
