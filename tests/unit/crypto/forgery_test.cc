#include "tests/unit/crypto/sealed_packet.h"

#include <functional>
#include <openssl/err.h>
#include <random>

namespace culvert::crypto::test {
namespace {

constexpr std::size_t burst_size = 32;
constexpr std::size_t data_bytes = 100;

class Forgery : public EngineTest {
  protected:
    void SetUp() override {
        EngineTest::SetUp();
        ERR_clear_error();
        if (IsSkipped())
            return;
        std::mt19937 random(7);
        const auto fill = [&](auto& bytes) {
            for (auto& byte : bytes)
                byte = static_cast<std::uint8_t>(random());
        };
        std::array<std::uint8_t, max_key_bytes> secret;
        fill(secret);
        key_ = engine_->expand(Algorithm::aes_256_gcm, secret);
        fill(secret);
        other_key_ = engine_->expand(Algorithm::aes_256_gcm, secret);
        for (Packet& packet : plain_) {
            packet.data.resize(data_bytes);
            packet.aad.resize(13);
            fill(packet.data), fill(packet.aad), fill(packet.nonce);
        }
        sealed_ = plain_;
        auto burst = operations(sealed_);
        engine_->seal(burst);
    }

    std::vector<Operation> operations(std::vector<Packet>& packets) const {
        std::vector<Operation> burst;
        burst.reserve(packets.size());
        for (Packet& packet : packets)
            burst.push_back(packet.operation(*key_));
        return burst;
    }

    /// Forges one operation of a sealed burst and opens it: that one is refused and its plaintext not to be had,
    /// all others are as if nothing had been.
    void expect_refused(
        std::size_t forged, const std::function<void(Packet&)>& forge_packet,
        const std::function<void(Operation&)>& forge_operation = [](Operation&) {}) {
        auto packets = sealed_;
        forge_packet(packets[forged]);
        auto burst = operations(packets);
        forge_operation(burst[forged]);
        burst[forged].verified = true; // what an earlier burst left there must not count
        EXPECT_EQ(engine_->open(burst), burst_size - 1);
        for (std::size_t i = 0; i < burst_size; ++i) {
            EXPECT_EQ(burst[i].verified, i != forged);
            EXPECT_EQ(packets[i].data == plain_[i].data, i != forged);
        }
        const std::span worthless(burst[forged].data, burst[forged].length);
        EXPECT_TRUE(std::ranges::all_of(worthless, [](std::uint8_t byte) { return byte == 0; }));
        EXPECT_EQ(ERR_peek_error(), 0U) << "a forger must not leave errors to the thread's next TLS call";
    }

    std::unique_ptr<Key> key_, other_key_;
    std::vector<Packet> plain_{burst_size};
    std::vector<Packet> sealed_;
};

void flip(std::uint8_t& byte, std::size_t bit) {
    byte = static_cast<std::uint8_t>(byte ^ (1U << bit));
}

TEST_P(Forgery, OfAnyBitOfTheTagIsRefused) {
    for (std::size_t bit = 0; bit < 8 * tag_bytes; ++bit)
        expect_refused(bit % burst_size, [&](Packet& packet) { flip(packet.tag[bit / 8], bit % 8); });
}

TEST_P(Forgery, OfAnyByteOfTheDataIsRefused) {
    for (std::size_t byte = 0; byte < data_bytes; ++byte)
        expect_refused(byte % burst_size, [&](Packet& packet) { flip(packet.data[byte], byte % 8); });
}

TEST_P(Forgery, OfAnyByteOfTheAssociatedDataIsRefused) {
    for (std::size_t byte = 0; byte < plain_[0].aad.size(); ++byte)
        expect_refused(byte, [&](Packet& packet) { flip(packet.aad[byte], byte % 8); });
}

TEST_P(Forgery, OfAnyByteOfTheNonceIsRefused) {
    for (std::size_t byte = 0; byte < nonce_bytes; ++byte)
        expect_refused(byte, [&](Packet& packet) { flip(packet.nonce[byte], byte % 8); });
}

TEST_P(Forgery, ByCuttingOrLengtheningIsRefused) {
    const auto untouched = [](Packet&) {};
    expect_refused(0, untouched, [](Operation& operation) { --operation.length; });
    expect_refused(1, untouched, [](Operation& operation) { operation.length = 0; });
    expect_refused(2, [](Packet& packet) { packet.data.push_back(0); });
    expect_refused(3, untouched, [](Operation& operation) { --operation.aad_length; });
    expect_refused(burst_size - 1, [](Packet& packet) { packet.aad.push_back(0); });
}

TEST_P(Forgery, ByAnotherKeyIsRefused) {
    expect_refused(5, [](Packet&) {}, [&](Operation& operation) { operation.key = other_key_.get(); });
}

TEST_P(Forgery, OfAWholeBurstIsRefused) {
    auto packets = sealed_;
    for (Packet& packet : packets)
        packet.tag = {};
    auto burst = operations(packets);
    EXPECT_EQ(engine_->open(burst), 0U);
    for (std::size_t i = 0; i < burst_size; ++i) {
        EXPECT_FALSE(burst[i].verified);
        EXPECT_EQ(packets[i].data, Bytes(data_bytes, 0));
    }
    EXPECT_EQ(ERR_peek_error(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Engines, Forgery, both_engines, engine_label);

} // namespace
} // namespace culvert::crypto::test
