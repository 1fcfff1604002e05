#pragma once

#include "dataplane/big_endian.h"

#include <array>
#include <cstdint>

/// DTLS 1.2 records with AES-GCM as they lie in a datagram: RFC 6347 §4.1, RFC 5246 §6.2.3.3, RFC 5288 §3.
namespace culvert::dataplane::dtls {

inline constexpr std::uint16_t version_1_2 = 0xfefd;
inline constexpr std::uint16_t version_1_0 = 0xfeff; ///< what a first ClientHello's record says

namespace content {
inline constexpr std::uint8_t change_cipher_spec = 20, alert = 21, handshake = 22, data = 23;
}

struct RecordHeader {
    std::uint8_t type;
    be16 version;
    be64 epoch_and_sequence; ///< 16 and 48 bits
    be16 length;

    std::uint16_t epoch() const { return static_cast<std::uint16_t>(epoch_and_sequence >> 48); }
    std::uint64_t sequence() const { return epoch_and_sequence & 0xffffffffffffU; }
};
static_assert(sizeof(RecordHeader) == 13);

/// A protected record's start.
struct ProtectedHeader {
    RecordHeader record;
    be64 explicit_nonce;
};
static_assert(sizeof(ProtectedHeader) == 21);

struct AssociatedData { ///< RFC 5246 §6.2.3.3 with epoch and sequence of RFC 6347 §4.1.2.1
    be64 epoch_and_sequence;
    std::uint8_t type;
    be16 version;
    be16 length; ///< of the plaintext
};
static_assert(sizeof(AssociatedData) == 13);

/// Our explicit nonces: 28 bits of the receiver's session index, 36 of the sequence (docs/wire-format-dtls.md).
inline constexpr unsigned nonce_sequence_bits = 36;
inline constexpr std::uint64_t sequence_limit = (std::uint64_t{1} << nonce_sequence_bits) - 1;

} // namespace culvert::dataplane::dtls
