#include "tests/unit/crypto/aead_vector.h"

#include <charconv>
#include <stdexcept>

namespace culvert::crypto::test {
namespace {

Packet packet_of(const AeadVector& vector, const Bytes& data) {
    Packet packet{data, vector.aad, {}, {}};
    std::copy_n(vector.nonce.begin(), nonce_bytes, packet.nonce.begin());
    return packet;
}

void check_opening(Engine& engine, const Key& key, const AeadVector& vector) {
    Packet packet = packet_of(vector, vector.ciphertext);
    std::copy_n(vector.tag.begin(), tag_bytes, packet.tag.begin());
    Operation operation = packet.operation(key);
    EXPECT_EQ(engine.open({&operation, 1}), vector.valid ? 1U : 0U);
    EXPECT_EQ(operation.verified, vector.valid);
    EXPECT_EQ(packet.data, vector.valid ? vector.plaintext : Bytes(vector.ciphertext.size(), 0));
}

void check_sealing(Engine& engine, const Key& key, const AeadVector& vector) {
    Packet packet = packet_of(vector, vector.plaintext);
    Operation operation = packet.operation(key);
    engine.seal({&operation, 1});
    EXPECT_EQ(packet.data, vector.ciphertext);
    EXPECT_EQ(Bytes(packet.tag.begin(), packet.tag.end()), vector.tag);
}

} // namespace

Bytes from_hex(std::string_view text) {
    if (text.size() % 2 != 0)
        throw std::invalid_argument("odd number of hex digits");
    Bytes bytes(text.size() / 2);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const char* digits = text.data() + 2 * i;
        if (std::from_chars(digits, digits + 2, bytes[i], 16).ptr != digits + 2)
            throw std::invalid_argument("not a hex digit");
    }
    return bytes;
}

void check(Engine& engine, const AeadVector& vector, bool sealing) {
    SCOPED_TRACE(vector.label);
    const auto algorithm = vector.key.size() == 16 ? Algorithm::aes_128_gcm : Algorithm::aes_256_gcm;
    const auto key = engine.expand(algorithm, vector.key);
    check_opening(engine, *key, vector);
    if (sealing && vector.valid)
        check_sealing(engine, *key, vector);
}

} // namespace culvert::crypto::test
