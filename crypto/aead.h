#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace culvert::crypto {

inline constexpr std::size_t nonce_bytes = 12; ///< 96-bit IV, NIST SP 800-38D §8.2.1
inline constexpr std::size_t tag_bytes = 16;
inline constexpr std::size_t max_key_bytes = 32;

enum class Algorithm : std::uint8_t { aes_128_gcm, aes_256_gcm };

constexpr std::size_t key_bytes(Algorithm algorithm) {
    return algorithm == Algorithm::aes_128_gcm ? 16 : 32;
}
std::string_view name(Algorithm algorithm); ///< "AES-128-GCM"

/// A key expanded by one engine, for that engine. Wiped when destroyed. Used by one thread at a time.
class Key {
  public:
    explicit Key(Algorithm algorithm) : algorithm_(algorithm) {}
    virtual ~Key() = default;
    Key(const Key&) = delete;
    Key& operator=(const Key&) = delete;
    Algorithm algorithm() const { return algorithm_; }

  private:
    Algorithm algorithm_;
};

/// One AEAD operation, in place. The caller owns all memory; nothing is kept after the call. 64 bytes.
struct alignas(64) Operation {
    std::uint8_t* data;      ///< seal: plaintext → ciphertext; open: ciphertext → plaintext
    const std::uint8_t* aad; ///< associated data
    std::uint8_t* tag;       ///< tag_bytes; seal writes it, open compares it in constant time
    const Key* key;          ///< expanded by the engine that is asked
    std::uint32_t length;    ///< bytes at `data`
    std::uint16_t aad_length;
    bool verified; ///< set by open; when false the bytes at `data` are worthless
    std::array<std::uint8_t, nonce_bytes> nonce;
};
static_assert(sizeof(Operation) == 64);

/// What seals and opens bursts. One object per worker: an engine may hold scratch memory.
class Engine {
  public:
    virtual ~Engine() = default;

    virtual std::string_view name() const noexcept = 0;

    /// Any thread. `key` has key_bytes(algorithm) bytes. Throws std::bad_alloc only; a wrong length is a bug.
    virtual std::unique_ptr<Key> expand(Algorithm algorithm, std::span<const std::uint8_t> key) = 0;

    /// Encrypts every operation in place and writes its tag. Keys may differ from operation to operation.
    virtual void seal(std::span<Operation> burst) noexcept = 0;

    /// Verifies and decrypts every operation in place; sets `verified`. Returns the number verified.
    virtual std::size_t open(std::span<Operation> burst) noexcept = 0;
};

/// `name`: "ipsec-mb" or "libcrypto". The error says why the engine cannot run here.
std::expected<std::unique_ptr<Engine>, std::string> make_engine(std::string_view name);

struct EngineFigure {
    std::string engine;
    double nanoseconds; ///< per packet of 512 bytes, AES-256-GCM, seal and open averaged
};
struct EngineChoice {
    std::string name;
    std::vector<EngineFigure> figures; ///< one for each engine that runs here, fastest first
};

/// "auto": measures every engine that runs here for a few milliseconds and picks the fastest.
EngineChoice choose_engine();

} // namespace culvert::crypto
