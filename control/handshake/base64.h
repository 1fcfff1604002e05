#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace culvert::control {

/// With padding, on one line (RFC 4648 §4).
std::string base64(std::span<const std::uint8_t> bytes);

} // namespace culvert::control
