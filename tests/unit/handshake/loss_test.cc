#include "control/handshake/dtls_record.h"
#include "tests/unit/handshake/wire.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <random>

namespace culvert::control::tests {
namespace {

bool has_change_cipher_spec(const Sent& sent) {
    std::span<const std::uint8_t> rest = sent.bytes;
    while (const auto record = take_record(rest))
        if (record->type == ContentType::change_cipher_spec)
            return true;
    return false;
}

void expect_session(Wire& wire) {
    wire.initiate();
    const Established initiator = wire.initiator().wait_established();
    const Established responder = wire.responder().wait_established();
    expect_matching(initiator, responder);
    wire.expect_sealed(initiator);
    wire.expect_sealed(responder);
}

const Identity& rsa_identity() {
    static const Identity identity = make_identity(KeyKind::rsa2048);
    return identity;
}

struct Lost {
    bool by_initiator;
    std::size_t ordinal;
};

class LostOnce : public ::testing::TestWithParam<Lost> {};

Wire::Judge loses(const Lost& lost) {
    return [lost](const Sent& sent) {
        return Fate{.copies = sent.by_initiator == lost.by_initiator && sent.ordinal == lost.ordinal ? 0U : 1U};
    };
}

TEST_P(LostOnce, WithCertificates) {
    Wire wire(loses(GetParam()));
    wire.use_certificates();
    expect_session(wire);
}

TEST_P(LostOnce, WithFlightsOfSeveralDatagrams) {
    Wire wire(loses(GetParam()));
    wire.use_identities(rsa_identity(), rsa_identity());
    expect_session(wire);
    EXPECT_TRUE(std::ranges::all_of(wire.log(), [](const Sent& sent) { return sent.bytes.size() <= 1200; }));
}

TEST_P(LostOnce, WithPreSharedKey) {
    Wire wire(loses(GetParam()));
    wire.use_psk(7, 7);
    expect_session(wire);
}

INSTANTIATE_TEST_SUITE_P(Handshake, LostOnce,
                         ::testing::Values(Lost{true, 0}, Lost{true, 1}, Lost{true, 2}, Lost{true, 3},
                                           Lost{false, 0}, Lost{false, 1}, Lost{false, 2}, Lost{false, 3}),
                         [](const auto& lost) {
                             return (lost.param.by_initiator ? "Initiators" : "Responders") +
                                    std::to_string(lost.param.ordinal);
                         });

/// The initiator's Finished, sealed by OpenSSL, goes out several times: our first record comes after the last of
/// them.
TEST(Loss, FinishedSentAgainCountsInTheSequence) {
    std::size_t flights = 0;
    Wire wire([&flights](const Sent& sent) {
        const bool lost = sent.by_initiator && has_change_cipher_spec(sent) && ++flights <= 2;
        return Fate{.copies = lost ? 0U : 1U};
    });
    wire.use_certificates();
    expect_session(wire);
    const Established session = wire.initiator().wait_established();
    EXPECT_GE(session.tx_next, 3U);
    EXPECT_EQ(session.used_nonces.size(), session.tx_next);
}

/// The responder's OpenSSL is gone by then: its last flight is sent again byte for byte.
TEST(Loss, LastFlightIsRepeated) {
    for (const std::size_t times : {1U, 3U}) {
        std::size_t flights = 0;
        Wire wire([&flights, times](const Sent& sent) {
            const bool lost = !sent.by_initiator && has_change_cipher_spec(sent) && ++flights <= times;
            return Fate{.copies = lost ? 0U : 1U};
        });
        wire.use_certificates();
        expect_session(wire);
        EXPECT_GE(wire.responder().handshaker().figures().flights_repeated, times);
        EXPECT_EQ(wire.responder().wait_established().tx_next, 1U) << "a repetition seals nothing";
        std::vector<Sent> last_flights = wire.log();
        std::erase_if(last_flights, [](const Sent& s) { return s.by_initiator || !has_change_cipher_spec(s); });
        ASSERT_GT(last_flights.size(), times);
        for (const Sent& sent : last_flights)
            EXPECT_EQ(sent.bytes, last_flights.front().bytes);
    }
}

TEST(Loss, EverythingTwice) {
    Wire wire([](const Sent&) { return Fate{.copies = 2}; });
    wire.use_certificates();
    expect_session(wire);
    EXPECT_EQ(wire.responder().established_count(), 1U);
    EXPECT_EQ(wire.initiator().established_count(), 1U);
    EXPECT_EQ(wire.responder().handshaker().figures().half_open, 0U) << "a duplicate ClientHello makes no state";
}

class Weather : public ::testing::TestWithParam<unsigned> {};

TEST_P(Weather, LossDuplicatesAndReordering) {
    std::mt19937 random(GetParam());
    Wire wire([&random](const Sent&) {
        const auto dice = static_cast<unsigned>(random() % 100);
        return Fate{.copies = dice < 20 ? 0U : dice < 40 ? 2U : 1U, .behind = dice % 3 == 0 ? dice % 4 : 0};
    });
    if (GetParam() % 3 == 0)
        wire.use_identities(rsa_identity(), rsa_identity());
    else if (GetParam() % 3 == 1)
        wire.use_certificates();
    else
        wire.use_psk(7, 7);
    expect_session(wire);
}

INSTANTIATE_TEST_SUITE_P(Handshake, Weather, ::testing::Range(1U, 31U));

} // namespace
} // namespace culvert::control::tests
