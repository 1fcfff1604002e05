#pragma once

#include <cstdint>

/// How long one AES-GCM key may serve. Counted by the worker that owns the session.
namespace culvert::crypto::key_limits {

/// RFC 9001 §6.6 style confidentiality bound, over blocks and packets together: sealing stops here.
inline constexpr std::uint64_t sealed_blocks = (std::uint64_t{1} << 36) - 1;
/// A new key is asked for here, an eighth of the way before the end at the latest.
inline constexpr std::uint64_t rekey_at_blocks = sealed_blocks - sealed_blocks / 8;
/// RFC 9147 §4.5.3: so many forgeries may be refused under one key. High, so that a forger cannot end a key
/// cheaply.
inline constexpr std::uint64_t failed_tags = std::uint64_t{1} << 36;

/// What one packet of `bytes` plaintext costs: its blocks, and one for itself.
constexpr std::uint64_t cost(std::uint32_t bytes) {
    return (std::uint64_t{bytes} + 15U) / 16U + 1U;
}

} // namespace culvert::crypto::key_limits
