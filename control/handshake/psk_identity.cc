#include "control/handshake/psk_identity.h"

#include "control/handshake/base64.h"

#include <array>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string_view>

namespace culvert::control {

std::string psk_identity(std::span<const std::uint8_t> psk) {
    constexpr std::string_view label = "culvert psk identity";
    std::array<std::uint8_t, 32> digest{};
    HMAC(EVP_sha256(), psk.data(), static_cast<int>(psk.size()),
         reinterpret_cast<const unsigned char*>(label.data()), label.size(), digest.data(), nullptr);
    return base64(std::span(digest).first<16>());
}

} // namespace culvert::control
