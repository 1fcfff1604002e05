#pragma once

#include "crypto/aead.h"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>

/// What the AEAD alone costs: the ceiling that a worker's cycles per packet are held against.
namespace culvert::perf {

enum class Direction { open, seal };

struct RawAeadCase {
    std::string engine; ///< as make_engine() takes it
    crypto::Algorithm algorithm = crypto::Algorithm::aes_256_gcm;
    Direction direction = Direction::open;
    std::uint32_t length = 64; ///< bytes of plaintext, at most max_raw_aead_length
    std::size_t keys = 1;      ///< expanded keys; each packet's is drawn at random
};

inline constexpr std::uint32_t max_raw_aead_length = 2048;

struct RawAeadEffort {
    unsigned rounds = 9;             ///< the median of so many counts
    unsigned bursts_per_round = 200; ///< of 32 packets each
};

/// TSC cycles per packet. On a machine whose cores have company, the lowest round is the steadier figure.
struct Cycles {
    double median, lowest;
};

/// Measured in bursts of 32 with 13 bytes of associated data. Packets are hot: each burst is copied
/// in, as a vdev would, before the clock starts. Keys are as hot as their number lets them be. The error says why
/// the engine cannot run here, or that the case is out of bounds.
std::expected<Cycles, std::string> raw_aead_cycles(const RawAeadCase& what, const RawAeadEffort& effort = {});

/// Ticks of the TSC in a second, measured for a few milliseconds.
double tsc_hertz();

} // namespace culvert::perf
