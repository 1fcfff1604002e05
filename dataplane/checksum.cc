#include "dataplane/checksum.h"

namespace culvert::dataplane {

OnesSum ones_sum(const void* data, std::size_t length) noexcept {
    const auto* at = static_cast<const std::uint8_t*>(data);
    // Halves of 8-byte words go into two plain 64-bit sums: no carries to chase, so the compiler makes vectors of
    // it. Neither sum overflows below 2^35 bytes.
    std::uint64_t low = 0, high = 0;
    for (; length >= 8; length -= 8, at += 8) {
        std::uint64_t word;
        std::memcpy(&word, at, sizeof word);
        low += word & 0xffffffff;
        high += word >> 32;
    }
    if ((length & 4) != 0) {
        std::uint32_t word;
        std::memcpy(&word, at, sizeof word);
        low += word;
        at += 4;
    }
    if ((length & 2) != 0) {
        std::uint16_t word;
        std::memcpy(&word, at, sizeof word);
        low += word;
        at += 2;
    }
    if ((length & 1) != 0)
        low += *at;
    return OnesSum(low).plus(OnesSum(high));
}

} // namespace culvert::dataplane
