#pragma once

#include <bit>
#include <compare>
#include <concepts>
#include <cstdint>
#include <cstring>

namespace culvert::dataplane {

/// An integer as it lies on the wire: most significant byte first, no alignment needed.
template <std::unsigned_integral T>
class BigEndian {
  public:
    constexpr BigEndian() = default;
    constexpr BigEndian(T host) : bytes_(std::bit_cast<Bytes>(std::byteswap(host))) {}
    constexpr operator T() const { return std::byteswap(std::bit_cast<T>(bytes_)); }

  private:
    struct Bytes {
        std::uint8_t at[sizeof(T)];
    };
    Bytes bytes_{};
    static_assert(std::endian::native == std::endian::little);
};

using be16 = BigEndian<std::uint16_t>;
using be32 = BigEndian<std::uint32_t>;
using be64 = BigEndian<std::uint64_t>;
static_assert(sizeof(be16) == 2 && sizeof(be32) == 4 && sizeof(be64) == 8 && alignof(be64) == 1);

} // namespace culvert::dataplane
