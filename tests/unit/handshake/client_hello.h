#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace culvert::control::tests {

/// A first ClientHello as OpenSSL writes it for a gateway with certificates.
const std::vector<std::uint8_t>& genuine_hello();

/// The same with another random.
std::vector<std::uint8_t> with_random(std::span<const std::uint8_t> hello, std::uint64_t random);

/// The second ClientHello, which brings `cookie` back.
std::vector<std::uint8_t> with_cookie(std::span<const std::uint8_t> hello, std::span<const std::uint8_t> cookie);

/// The cookie in a HelloVerifyRequest; empty: it is none.
std::vector<std::uint8_t> cookie_in(std::span<const std::uint8_t> datagram);

} // namespace culvert::control::tests
