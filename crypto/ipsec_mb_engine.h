#pragma once

#include "crypto/aead.h"

namespace culvert::crypto {

/// AES-GCM by libipsec-mb. The error says what the CPU lacks.
std::expected<std::unique_ptr<Engine>, std::string> make_ipsec_mb_engine();

} // namespace culvert::crypto
