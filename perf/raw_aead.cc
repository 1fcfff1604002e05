#include "perf/raw_aead.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <random>
#include <span>
#include <vector>
#include <x86intrin.h>

namespace culvert::perf {
namespace {

constexpr std::size_t burst_size = 32;
/// Enough that no branch predictor learns the order of the keys, few enough that the originals of small packets
/// don't push everything else out of the cache.
constexpr std::size_t shortest_sequence = 1024;

/// A packet in memory as in an mbuf: the AEAD's data starts behind Ethernet, IPv4, UDP and record headers.
struct Packet {
    static constexpr std::size_t headers = 14 + 20 + 8 + 13 + 8;
    alignas(64) std::array<std::uint8_t, headers + max_raw_aead_length + crypto::tag_bytes> frame;
    std::array<std::uint8_t, 13> aad;

    std::uint8_t* data() { return frame.data() + headers; }
};

std::uint64_t now() {
    _mm_lfence(); // the TSC may otherwise be read ahead of the work before it
    const std::uint64_t ticks = __rdtsc();
    _mm_lfence();
    return ticks;
}

class Bench {
  public:
    Bench(std::unique_ptr<crypto::Engine> engine, const RawAeadCase& what)
        : what_(what), engine_(std::move(engine)), burst_packets_(burst_size), burst_(burst_size) {
        expand_keys();
        write_originals();
    }

    /// The median burst's: one that was interrupted, or lost its core, says nothing about the engine.
    double cycles_per_packet(unsigned bursts) {
        std::vector<std::uint64_t> ticks(bursts);
        std::ranges::generate(ticks, [this] {
            load_burst();
            return time_burst();
        });
        const auto median = ticks.begin() + bursts / 2;
        std::ranges::nth_element(ticks, median);
        return static_cast<double>(*median) / burst_size;
    }

    bool all_verified() const { return all_verified_; }

  private:
    /// What the timed call works on, each in the state before it, and which key it is under.
    struct Original {
        std::vector<std::uint8_t> data;
        std::array<std::uint8_t, crypto::tag_bytes> tag;
        std::size_t key;
    };

    void expand_keys() {
        std::array<std::uint8_t, crypto::max_key_bytes> secret;
        for (std::size_t i = 0; i < what_.keys; ++i) {
            std::ranges::generate(secret, [this] { return static_cast<std::uint8_t>(random_()); });
            keys_.push_back(engine_->expand(what_.algorithm, std::span(secret).first(key_bytes(what_.algorithm))));
        }
        std::ranges::shuffle(keys_, random_); // the allocator's order is not the one of use
    }

    void write_originals() {
        const std::size_t wanted = what_.keys == 1 ? burst_size : std::max(shortest_sequence, 2 * what_.keys);
        originals_.resize((wanted + burst_size - 1) / burst_size * burst_size);
        std::uniform_int_distribution<std::size_t> any_key(0, what_.keys - 1);
        for (Original& original : originals_) {
            original.data.assign(what_.length, 0x45);
            original.key = any_key(random_);
        }
        if (what_.direction == Direction::seal)
            return;
        for (std::size_t done = 0; done < originals_.size(); done += burst_size) {
            load_burst();
            engine_->seal(burst_);
            for (std::size_t i = 0; i < burst_size; ++i) {
                Original& original = originals_[done + i];
                std::copy_n(burst_[i].data, what_.length, original.data.begin());
                std::copy_n(burst_[i].tag, crypto::tag_bytes, original.tag.begin());
            }
        }
    }

    void load_burst() {
        for (std::size_t i = 0; i < burst_size; ++i) {
            const Original& original = originals_[next_ + i];
            Packet& packet = burst_packets_[i];
            packet.aad.fill(0x17);
            std::copy_n(original.data.begin(), what_.length, packet.data());
            std::copy_n(original.tag.begin(), crypto::tag_bytes, packet.data() + what_.length);
            burst_[i] = crypto::Operation{.data = packet.data(),
                                          .aad = packet.aad.data(),
                                          .tag = packet.data() + what_.length,
                                          .key = keys_[original.key].get(),
                                          .length = what_.length,
                                          .aad_length = sizeof(packet.aad),
                                          .verified = false,
                                          .nonce = {static_cast<std::uint8_t>(i)}};
        }
        next_ = (next_ + burst_size) % originals_.size();
    }

    std::uint64_t time_burst() {
        const std::uint64_t start = now();
        if (what_.direction == Direction::seal)
            engine_->seal(burst_);
        else
            all_verified_ &= engine_->open(burst_) == burst_size;
        return now() - start;
    }

    RawAeadCase what_;
    std::mt19937_64 random_{1};
    std::unique_ptr<crypto::Engine> engine_;
    std::vector<std::unique_ptr<crypto::Key>> keys_;
    std::vector<Original> originals_;
    std::vector<Packet> burst_packets_;
    std::vector<crypto::Operation> burst_;
    std::size_t next_ = 0;
    bool all_verified_ = true;
};

} // namespace

std::expected<Cycles, std::string> raw_aead_cycles(const RawAeadCase& what, const RawAeadEffort& effort) {
    if (what.length > max_raw_aead_length || what.keys == 0 || effort.rounds == 0 || effort.bursts_per_round == 0)
        return std::unexpected("raw AEAD: at most " + std::to_string(max_raw_aead_length) +
                               " bytes, and at least one key, round and burst");
    auto engine = crypto::make_engine(what.engine);
    if (!engine)
        return std::unexpected(engine.error());
    Bench bench(std::move(*engine), what);
    bench.cycles_per_packet(effort.bursts_per_round); // warms caches, predictors and the clock
    std::vector<double> counts(effort.rounds);
    std::ranges::generate(counts, [&] { return bench.cycles_per_packet(effort.bursts_per_round); });
    if (!bench.all_verified())
        return std::unexpected(what.engine + " refused its own packets");
    std::ranges::sort(counts);
    return Cycles{.median = counts[counts.size() / 2], .lowest = counts.front()};
}

double tsc_hertz() {
    using Clock = std::chrono::steady_clock;
    const auto start = Clock::now();
    const std::uint64_t first = now();
    while (Clock::now() - start < std::chrono::milliseconds(20)) {
    }
    const std::chrono::duration<double> passed = Clock::now() - start;
    return static_cast<double>(now() - first) / passed.count();
}

} // namespace culvert::perf
