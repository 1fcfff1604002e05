#include "crypto/key_derivation.h"

#include <memory>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

namespace culvert::crypto {
namespace {

constexpr std::size_t master_bytes = 48; ///< RFC 5246 §8.1
constexpr std::size_t random_bytes = 32; ///< RFC 5246 §7.4.1.2
constexpr std::size_t salt_bytes = 4;    ///< RFC 5288 §3
constexpr std::size_t max_block_bytes = 2 * (max_key_bytes + salt_bytes);

struct FreeKdf {
    void operator()(EVP_KDF* kdf) const { EVP_KDF_free(kdf); }
    void operator()(EVP_KDF_CTX* context) const { EVP_KDF_CTX_free(context); }
};

/// OpenSSL's parameters aren't const, though it only reads these.
OSSL_PARAM octets(const char* key, std::span<const std::uint8_t> bytes) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast)
    return OSSL_PARAM_construct_octet_string(key, const_cast<std::uint8_t*>(bytes.data()), bytes.size());
}

std::span<const std::uint8_t> bytes_of(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

} // namespace

std::expected<KeyBlock, std::string> derive_tls12_keys(Algorithm algorithm, std::string_view digest,
                                                       std::span<const std::uint8_t> master,
                                                       std::span<const std::uint8_t> client_random,
                                                       std::span<const std::uint8_t> server_random) {
    if (master.size() != master_bytes || client_random.size() != random_bytes ||
        server_random.size() != random_bytes)
        return std::unexpected("TLS key derivation: the master secret has 48 bytes, a random 32");

    const std::unique_ptr<EVP_KDF, FreeKdf> kdf(EVP_KDF_fetch(nullptr, OSSL_KDF_NAME_TLS1_PRF, nullptr));
    const std::unique_ptr<EVP_KDF_CTX, FreeKdf> context(kdf ? EVP_KDF_CTX_new(kdf.get()) : nullptr);
    if (!context)
        return std::unexpected("TLS key derivation: OpenSSL offers no TLS1-PRF");

    // RFC 5246 §6.3: the server's random comes first here, unlike in the master secret.
    std::string digest_name(digest);
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest_name.data(), 0),
        octets(OSSL_KDF_PARAM_SECRET, master),
        octets(OSSL_KDF_PARAM_SEED, bytes_of("key expansion")),
        octets(OSSL_KDF_PARAM_SEED, server_random),
        octets(OSSL_KDF_PARAM_SEED, client_random),
        OSSL_PARAM_construct_end(),
    };
    struct Block {
        std::array<std::uint8_t, max_block_bytes> bytes;
        ~Block() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
    } block{};
    const std::size_t key = key_bytes(algorithm);
    ERR_set_mark(); // the caller gets the error here, not from the thread's queue at its next TLS call
    const bool derived =
        EVP_KDF_derive(context.get(), block.bytes.data(), 2 * (key + salt_bytes), parameters) == 1;
    ERR_pop_to_mark();
    if (!derived)
        return std::unexpected("TLS key derivation: no PRF with digest " + digest_name);

    // RFC 5288 §3: AEAD suites have no MAC keys; keys, then the implicit parts of the nonces.
    const std::span<const std::uint8_t> bytes(block.bytes);
    KeyBlock keys;
    keys.client_key = Secret<max_key_bytes>(bytes.first(key));
    keys.server_key = Secret<max_key_bytes>(bytes.subspan(key, key));
    std::ranges::copy(bytes.subspan(2 * key, salt_bytes), keys.client_salt.begin());
    std::ranges::copy(bytes.subspan(2 * key + salt_bytes, salt_bytes), keys.server_salt.begin());
    return keys;
}

} // namespace culvert::crypto
