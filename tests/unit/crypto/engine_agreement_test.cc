#include "tests/unit/crypto/sealed_packet.h"

#include <random>
#include <utility>

namespace culvert::crypto::test {
namespace {

constexpr std::size_t max_length = 2100;

/// One key as every engine expands it.
struct SharedKey {
    Algorithm algorithm;
    Bytes bytes;
    std::unique_ptr<Key> one, other;
};

class EnginesAgree : public testing::Test {
  protected:
    void SetUp() override {
        auto one = make_engine("ipsec-mb");
        auto other = make_engine("libcrypto");
        if (!one || !other)
            GTEST_SKIP() << (one ? other.error() : one.error());
        one_ = std::move(*one);
        other_ = std::move(*other);
        for (int i = 0; i < 7; ++i)
            add_key(i % 2 == 0 ? Algorithm::aes_128_gcm : Algorithm::aes_256_gcm);
    }

    Bytes random_bytes(std::size_t count) {
        Bytes bytes(count);
        for (auto& byte : bytes)
            byte = static_cast<std::uint8_t>(random_());
        return bytes;
    }

    std::size_t random_below(std::size_t end) {
        return std::uniform_int_distribution<std::size_t>(0, end - 1)(random_);
    }

    void add_key(Algorithm algorithm) {
        SharedKey key{algorithm, random_bytes(key_bytes(algorithm)), nullptr, nullptr};
        key.one = one_->expand(algorithm, key.bytes);
        key.other = other_->expand(algorithm, key.bytes);
        keys_.push_back(std::move(key));
    }

    Packet random_packet(std::size_t length) {
        Packet packet{random_bytes(length), random_bytes(random_below(40)), {}, {}};
        std::ranges::copy(random_bytes(nonce_bytes), packet.nonce.begin());
        return packet;
    }

    /// The burst's operations on `packets`, each under the key drawn for it.
    std::vector<Operation> burst(std::vector<Packet>& packets, const std::vector<std::size_t>& drawn,
                                 std::unique_ptr<Key> SharedKey::* engine) const {
        std::vector<Operation> operations;
        operations.reserve(packets.size());
        for (std::size_t i = 0; i < packets.size(); ++i)
            operations.push_back(packets[i].operation(*(keys_[drawn[i]].*engine)));
        return operations;
    }

    void seal_and_open_crosswise(const std::vector<Packet>& plain) {
        std::vector<std::size_t> drawn(plain.size());
        std::ranges::generate(drawn, [this] { return random_below(keys_.size()); });

        auto sealed_by_one = plain;
        auto sealed_by_other = plain;
        auto burst_of_one = burst(sealed_by_one, drawn, &SharedKey::one);
        auto burst_of_other = burst(sealed_by_other, drawn, &SharedKey::other);
        one_->seal(burst_of_one);
        other_->seal(burst_of_other);
        ASSERT_EQ(sealed_by_one, sealed_by_other);

        for (auto [engine, keys] : {std::pair(one_.get(), &SharedKey::one), {other_.get(), &SharedKey::other}}) {
            auto opened = sealed_by_one;
            auto operations = burst(opened, drawn, keys);
            ASSERT_EQ(engine->open(operations), plain.size()) << engine->name();
            for (std::size_t i = 0; i < plain.size(); ++i) {
                ASSERT_TRUE(operations[i].verified);
                ASSERT_EQ(opened[i].data, plain[i].data) << engine->name();
            }
        }
    }

    std::mt19937_64 random_{20240917};
    std::unique_ptr<Engine> one_, other_;
    std::vector<SharedKey> keys_;
};

TEST_F(EnginesAgree, OnBurstsOfRandomLengthsAndMixedKeys) {
    for (int round = 0; round < 200; ++round) {
        std::vector<Packet> plain;
        for (auto count = random_below(65); count > 0; --count)
            plain.push_back(random_packet(random_below(max_length + 1)));
        ASSERT_NO_FATAL_FAILURE(seal_and_open_crosswise(plain)) << "round " << round;
    }
}

// Every remainder of a block and of the unrolled loops comes up, each length under both algorithms sooner or
// later.
TEST_F(EnginesAgree, OnEveryLength) {
    std::vector<Packet> plain;
    for (std::size_t length = 0; length <= max_length; ++length)
        plain.push_back(random_packet(length));
    for (int round = 0; round < 4; ++round)
        ASSERT_NO_FATAL_FAILURE(seal_and_open_crosswise(plain));
}

} // namespace
} // namespace culvert::crypto::test
