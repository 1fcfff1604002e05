#pragma once

#include "tests/unit/crypto/sealed_packet.h"

#include <string>
#include <string_view>

namespace culvert::crypto::test {

/// "0aff" → {0x0a, 0xff}. Throws std::invalid_argument: a broken file is no passed test.
Bytes from_hex(std::string_view text);

/// A published test vector of a size that the engines support.
struct AeadVector {
    std::string label;
    Bytes key, nonce, aad, plaintext, ciphertext, tag;
    bool valid = true; ///< false: opening must refuse it

    /// What no session of ours ever uses: AES-192, other nonces than 96 bits, shortened tags.
    bool supported() const {
        return (key.size() == 16 || key.size() == 32) && nonce.size() == nonce_bytes && tag.size() == tag_bytes;
    }
};

/// Opens the vector and, where it is valid and `sealing`, seals it, too.
void check(Engine& engine, const AeadVector& vector, bool sealing);

} // namespace culvert::crypto::test
