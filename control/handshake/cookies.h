#pragma once

#include "crypto/secret.h"
#include "dataplane/address.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>

namespace culvert::control {

inline constexpr std::size_t cookie_bytes = 32;

/// Stateless cookies (RFC 6347 §4.2.1): HMAC-SHA256 of the remote endpoint under a secret of this process. The
/// secret changes once a lifetime; cookies of the one before it still count. One thread.
class Cookies {
  public:
    using Time = std::chrono::steady_clock::time_point;
    using Cookie = std::array<std::uint8_t, cookie_bytes>;

    /// Throws std::runtime_error when OpenSSL has no randomness.
    Cookies(std::chrono::milliseconds lifetime, Time now);

    /// None when OpenSSL has no memory.
    std::optional<Cookie> make(const dataplane::Endpoint& remote, Time now);
    bool valid(const dataplane::Endpoint& remote, std::span<const std::uint8_t> cookie, Time now);

  private:
    using Key = crypto::Secret<32>;
    void rotate(Time now);

    std::chrono::milliseconds lifetime_;
    Time since_;
    Key current_, previous_;
};

} // namespace culvert::control
