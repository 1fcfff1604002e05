#include "tests/unit/crypto/sealed_packet.h"

#include "crypto/key_limits.h"

#include <limits>
#include <thread>

namespace culvert::crypto::test {
namespace {

TEST(Engines, AreMadeByName) {
    for (const auto* name : {"ipsec-mb", "libcrypto"}) {
        const auto engine = make_engine(name);
        EXPECT_EQ(engine ? (*engine)->name() : name, name);
    }
    EXPECT_TRUE(make_engine("libcrypto")) << "the reference runs everywhere";
}

TEST(Engines, OfUnknownNameAreRefusedWithTheKnownOnes) {
    const auto engine = make_engine("openssl");
    ASSERT_FALSE(engine);
    for (const auto* part : {"openssl", "ipsec-mb", "libcrypto"})
        EXPECT_NE(engine.error().find(part), std::string::npos) << engine.error();
}

TEST(Engines, AreChosenByMeasuring) {
    const EngineChoice choice = choose_engine();
    ASSERT_FALSE(choice.figures.empty());
    EXPECT_EQ(choice.name, choice.figures.front().engine);
    EXPECT_TRUE(std::ranges::is_sorted(choice.figures, {}, &EngineFigure::nanoseconds));
    EXPECT_EQ(choice.figures.size(), make_engine("ipsec-mb") ? 2U : 1U);
    for (const EngineFigure& figure : choice.figures) {
        EXPECT_GT(figure.nanoseconds, 0);
        EXPECT_TRUE(make_engine(figure.engine));
    }
}

TEST(Algorithms, HaveTheNamesOfTheirRegistration) {
    EXPECT_EQ(name(Algorithm::aes_128_gcm), "AES-128-GCM");
    EXPECT_EQ(name(Algorithm::aes_256_gcm), "AES-256-GCM");
}

class OneEngine : public EngineTest {};

TEST_P(OneEngine, TakesAnEmptyBurst) {
    engine_->seal({});
    EXPECT_EQ(engine_->open({}), 0U);
}

TEST_P(OneEngine, KeepsTheAlgorithmInTheKey) {
    const Bytes secret(max_key_bytes, 1);
    EXPECT_EQ(engine_->expand(Algorithm::aes_256_gcm, secret)->algorithm(), Algorithm::aes_256_gcm);
    EXPECT_EQ(engine_->expand(Algorithm::aes_128_gcm, std::span(secret).first(16))->algorithm(),
              Algorithm::aes_128_gcm);
}

// Control expands the keys of new sessions while the worker seals under those of old ones.
TEST_P(OneEngine, ExpandsOnOneThreadWhileItSealsOnAnother) {
    const Bytes secret(max_key_bytes, 1);
    const auto key = engine_->expand(Algorithm::aes_256_gcm, secret);
    Packet packet{Bytes(200), Bytes(13), {}, {}};
    const Packet plain = packet;
    std::thread control([&] {
        for (int i = 0; i < 2000; ++i)
            engine_->expand(i % 2 == 0 ? Algorithm::aes_128_gcm : Algorithm::aes_256_gcm,
                            std::span(secret).first(i % 2 == 0 ? 16 : 32));
    });
    for (int i = 0; i < 2000; ++i) {
        Operation operation = packet.operation(*key);
        engine_->seal({&operation, 1});
        EXPECT_EQ(engine_->open({&operation, 1}), 1U);
    }
    control.join();
    EXPECT_EQ(packet.data, plain.data);
}

INSTANTIATE_TEST_SUITE_P(Engines, OneEngine, both_engines, engine_label);

TEST(KeyLimits, CountBlocksAndThePacketItself) {
    using key_limits::cost;
    EXPECT_EQ(cost(0), 1U);
    EXPECT_EQ(cost(1), 2U);
    EXPECT_EQ(cost(16), 2U);
    EXPECT_EQ(cost(17), 3U);
    EXPECT_EQ(cost(1400), 88U + 1U);
    EXPECT_EQ(cost(std::numeric_limits<std::uint32_t>::max()), (std::uint64_t{1} << 28) + 1U);
}

TEST(KeyLimits, AskForANewKeyBeforeTheOldOneEnds) {
    EXPECT_LT(key_limits::rekey_at_blocks, key_limits::sealed_blocks);
    // Enough for minutes of the largest packets at 100 Gbit/s while the handshake goes on.
    const auto left = (key_limits::sealed_blocks - key_limits::rekey_at_blocks) / key_limits::cost(1400);
    EXPECT_GT(left, 8'000'000U * 10);
}

} // namespace
} // namespace culvert::crypto::test
