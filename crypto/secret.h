#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <openssl/crypto.h>
#include <span>

namespace culvert::crypto {

/// Up to `Capacity` bytes that are wiped when they go out of scope. Copies are deliberate and wiped, too.
template <std::size_t Capacity>
class Secret {
  public:
    Secret() = default;
    explicit Secret(std::span<const std::uint8_t> from) : size_(std::min(from.size(), Capacity)) {
        std::copy_n(from.begin(), size_, bytes_.begin());
    }
    Secret(const Secret&) = default;
    Secret& operator=(const Secret&) = default;
    ~Secret() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

    std::span<const std::uint8_t> bytes() const { return {bytes_.data(), size_}; }
    bool empty() const { return size_ == 0; }

  private:
    std::array<std::uint8_t, Capacity> bytes_{};
    std::size_t size_ = 0;
};

} // namespace culvert::crypto
