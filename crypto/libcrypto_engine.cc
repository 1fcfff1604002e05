#include "crypto/libcrypto_engine.h"

#include <algorithm>
#include <cassert>
#include <new>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <utility>

namespace culvert::crypto {
namespace {

struct FreeCipher {
    void operator()(EVP_CIPHER* cipher) const { EVP_CIPHER_free(cipher); }
};
struct FreeContext {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); } // wipes the key schedule
};
using Cipher = std::unique_ptr<EVP_CIPHER, FreeCipher>;
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

/// The context holds the expanded key for both directions: GCM runs the block cipher forwards in either.
class LibcryptoKey final : public Key {
  public:
    LibcryptoKey(Algorithm algorithm, Context context) : Key(algorithm), context_(std::move(context)) {}
    EVP_CIPHER_CTX* context() const { return context_.get(); }

  private:
    Context context_;
};

EVP_CIPHER_CTX* context_of(const Operation& operation) noexcept {
    return static_cast<const LibcryptoKey*>(operation.key)->context();
}

/// Reads or sets the tag in place: EVP_CIPHER_CTX_ctrl would build the same parameter, more slowly.
struct TagParameter {
    explicit TagParameter(std::uint8_t* tag) noexcept
        : parameters{OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, tag_bytes),
                     OSSL_PARAM_construct_end()} {}
    OSSL_PARAM parameters[2];
};

/// Nonce, associated data, data: all but the tag. Only the nonce is set anew; the key stays in the context.
bool run(EVP_CIPHER_CTX* context, const Operation& operation, int direction) noexcept {
    int written = 0;
    if (EVP_CipherInit_ex(context, nullptr, nullptr, nullptr, operation.nonce.data(), direction) != 1)
        return false;
    if (operation.aad_length != 0 &&
        EVP_CipherUpdate(context, nullptr, &written, operation.aad, operation.aad_length) != 1)
        return false;
    return operation.length == 0 || EVP_CipherUpdate(context, operation.data, &written, operation.data,
                                                     static_cast<int>(operation.length)) == 1;
}

bool seal_one(Operation& operation) noexcept {
    EVP_CIPHER_CTX* context = context_of(operation);
    std::uint8_t nothing[16];
    int written = 0;
    TagParameter tag(operation.tag);
    return run(context, operation, 1) && EVP_CipherFinal_ex(context, nothing, &written) == 1 &&
           EVP_CIPHER_CTX_get_params(context, tag.parameters) == 1;
}

bool open_one(Operation& operation) noexcept {
    EVP_CIPHER_CTX* context = context_of(operation);
    std::uint8_t nothing[16];
    int written = 0;
    TagParameter tag(operation.tag);
    return run(context, operation, 0) && EVP_CIPHER_CTX_set_params(context, tag.parameters) == 1 &&
           EVP_CipherFinal_ex(context, nothing, &written) == 1; // compares in constant time
}

class LibcryptoEngine final : public Engine {
  public:
    LibcryptoEngine(Cipher aes_128_gcm, Cipher aes_256_gcm)
        : aes_128_gcm_(std::move(aes_128_gcm)), aes_256_gcm_(std::move(aes_256_gcm)) {}

    std::string_view name() const noexcept override { return "libcrypto"; }

    std::unique_ptr<Key> expand(Algorithm algorithm, std::span<const std::uint8_t> key) override {
        assert(key.size() == key_bytes(algorithm));
        const Cipher& cipher = algorithm == Algorithm::aes_128_gcm ? aes_128_gcm_ : aes_256_gcm_;
        Context context(EVP_CIPHER_CTX_new());
        // The cipher is there and the length is right, so what remains to fail is memory.
        if (!context || EVP_CipherInit_ex(context.get(), cipher.get(), nullptr, key.data(), nullptr, 1) != 1)
            throw std::bad_alloc();
        return std::make_unique<LibcryptoKey>(algorithm, std::move(context));
    }

    void seal(std::span<Operation> burst) noexcept override {
        for (Operation& operation : burst) {
            if (seal_one(operation)) [[likely]]
                continue;
            // Nothing here can fail by input. Should the library fail all the same, no plaintext goes out.
            std::fill_n(operation.data, operation.length, std::uint8_t{0});
            std::fill_n(operation.tag, tag_bytes, std::uint8_t{0});
        }
    }

    std::size_t open(std::span<Operation> burst) noexcept override {
        std::size_t verified = 0;
        for (Operation& operation : burst) {
            operation.verified = open_one(operation);
            if (operation.verified) [[likely]]
                ++verified;
            else // SP 800-38D §5.2.2: plaintext that doesn't verify is not to be had
                std::fill_n(operation.data, operation.length, std::uint8_t{0});
        }
        return verified;
    }

  private:
    Cipher aes_128_gcm_, aes_256_gcm_;
};

} // namespace

std::expected<std::unique_ptr<Engine>, std::string> make_libcrypto_engine() {
    Cipher aes_128_gcm(EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr));
    Cipher aes_256_gcm(EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr));
    if (!aes_128_gcm || !aes_256_gcm)
        return std::unexpected("libcrypto: no OpenSSL provider offers AES-GCM; see openssl list -providers");
    return std::make_unique<LibcryptoEngine>(std::move(aes_128_gcm), std::move(aes_256_gcm));
}

} // namespace culvert::crypto
