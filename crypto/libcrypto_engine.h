#pragma once

#include "crypto/aead.h"

namespace culvert::crypto {

/// AES-GCM by OpenSSL's EVP interface. The error names the cipher that its providers don't offer.
std::expected<std::unique_ptr<Engine>, std::string> make_libcrypto_engine();

} // namespace culvert::crypto
