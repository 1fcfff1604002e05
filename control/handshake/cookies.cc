#include "control/handshake/cookies.h"

#include <cstring>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdexcept>

namespace culvert::control {
namespace {

std::optional<crypto::Secret<32>> random_key() {
    std::array<std::uint8_t, 32> bytes{};
    if (RAND_priv_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1)
        return std::nullopt;
    const crypto::Secret<32> key(bytes);
    OPENSSL_cleanse(bytes.data(), bytes.size());
    return key;
}

std::optional<Cookies::Cookie> seal(const crypto::Secret<32>& key, const dataplane::Endpoint& remote) {
    std::array<std::uint8_t, 18> endpoint{};
    std::memcpy(endpoint.data(), remote.address.bytes.data(), 16);
    const dataplane::be16 port = remote.port;
    std::memcpy(endpoint.data() + 16, &port, 2);
    Cookies::Cookie cookie{};
    if (HMAC(EVP_sha256(), key.bytes().data(), static_cast<int>(key.bytes().size()), endpoint.data(),
             endpoint.size(), cookie.data(), nullptr) == nullptr)
        return std::nullopt;
    return cookie;
}

} // namespace

Cookies::Cookies(std::chrono::milliseconds lifetime, Time now) : lifetime_(lifetime), since_(now) {
    const auto current = random_key(), previous = random_key();
    if (!current || !previous)
        throw std::runtime_error("OpenSSL has no randomness for the handshake cookies");
    current_ = *current;
    previous_ = *previous;
}

void Cookies::rotate(Time now) {
    const auto age = now - since_;
    if (age < lifetime_)
        return;
    const auto next = random_key(), other = random_key();
    if (!next || !other)
        return; // the old secrets serve until there is randomness again
    previous_ = age < 2 * lifetime_ ? current_ : *other;
    current_ = *next;
    since_ = now;
}

std::optional<Cookies::Cookie> Cookies::make(const dataplane::Endpoint& remote, Time now) {
    rotate(now);
    return seal(current_, remote);
}

bool Cookies::valid(const dataplane::Endpoint& remote, std::span<const std::uint8_t> cookie, Time now) {
    rotate(now);
    if (cookie.size() != cookie_bytes)
        return false;
    const auto now_right = seal(current_, remote), before_right = seal(previous_, remote);
    if (!now_right || !before_right)
        return false;
    // Both are compared, whatever the first says: the time it takes tells nothing.
    const int now_differs = CRYPTO_memcmp(now_right->data(), cookie.data(), cookie_bytes);
    const int before_differs = CRYPTO_memcmp(before_right->data(), cookie.data(), cookie_bytes);
    return now_differs == 0 || before_differs == 0;
}

} // namespace culvert::control
