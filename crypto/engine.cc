#include "crypto/aead.h"

#include "crypto/ipsec_mb_engine.h"
#include "crypto/libcrypto_engine.h"

#include <algorithm>
#include <chrono>

namespace culvert::crypto {

std::string_view name(Algorithm algorithm) {
    switch (algorithm) {
    case Algorithm::aes_128_gcm:
        return "AES-128-GCM";
    case Algorithm::aes_256_gcm:
        return "AES-256-GCM";
    }
    return "unknown";
}

namespace {

using Made = std::expected<std::unique_ptr<Engine>, std::string>;

struct Known {
    std::string_view name;
    Made (*make)();
};
constexpr Known known_engines[] = {{"ipsec-mb", make_ipsec_mb_engine}, {"libcrypto", make_libcrypto_engine}};

constexpr std::size_t sample_packets = 32; ///< a worker's burst
constexpr std::size_t sample_bytes = 512;
constexpr auto sample_time = std::chrono::milliseconds(2);

/// A burst under one key, as a worker would hand it over. The key is no secret.
class Sample {
  public:
    explicit Sample(Engine& engine) : engine_(engine), packets_(sample_packets), burst_(sample_packets) {
        const std::array<std::uint8_t, max_key_bytes> key{};
        key_ = engine.expand(Algorithm::aes_256_gcm, key);
        for (std::size_t i = 0; i < sample_packets; ++i)
            burst_[i] =
                Operation{packets_[i].data, packets_[i].aad,     packets_[i].tag, key_.get(),
                          sample_bytes,     sizeof(Packet::aad), false,           {static_cast<std::uint8_t>(i)}};
    }

    /// Nanoseconds per packet. The best round: others had company on the core.
    double measure() {
        using Clock = std::chrono::steady_clock;
        round(); // caches and branch predictors learn here
        auto best = Clock::duration::max();
        for (const auto end = Clock::now() + sample_time; Clock::now() < end;) {
            const auto start = Clock::now();
            round();
            best = std::min(best, Clock::now() - start);
        }
        return std::chrono::duration<double, std::nano>(best).count() / (2.0 * sample_packets);
    }

  private:
    struct Packet {
        std::uint8_t data[sample_bytes], aad[13], tag[tag_bytes];
    };

    void round() {
        engine_.seal(burst_);
        engine_.open(burst_);
    }

    Engine& engine_;
    std::unique_ptr<Key> key_;
    std::vector<Packet> packets_;
    std::vector<Operation> burst_;
};

} // namespace

std::expected<std::unique_ptr<Engine>, std::string> make_engine(std::string_view name) {
    for (const Known& known : known_engines)
        if (known.name == name)
            return known.make();
    std::string error = "unknown engine \"" + std::string(name) + "\"; known are";
    for (const Known& known : known_engines)
        error.append(" ").append(known.name);
    return std::unexpected(std::move(error));
}

EngineChoice choose_engine() {
    EngineChoice choice;
    for (const Known& known : known_engines)
        if (Made engine = known.make())
            choice.figures.push_back({std::string(known.name), Sample(**engine).measure()});
    std::ranges::sort(choice.figures, {}, &EngineFigure::nanoseconds);
    if (!choice.figures.empty())
        choice.name = choice.figures.front().engine;
    return choice;
}

} // namespace culvert::crypto
