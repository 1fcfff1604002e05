#include "tests/unit/handshake/client_hello.h"
#include "tests/unit/handshake/rehearsal.h"

#include <gtest/gtest.h>
#include <random>

namespace culvert::control::tests {
namespace {

enum class Mutation { truncate, flip, lengthen, overwrite };

std::vector<std::uint8_t> mutate(std::vector<std::uint8_t> bytes, std::mt19937& random) {
    const std::size_t at = random() % bytes.size();
    switch (static_cast<Mutation>(random() % 4)) {
    case Mutation::truncate:
        bytes.resize(at);
        break;
    case Mutation::flip:
        for (int flips = 0; flips < 3; ++flips)
            bytes[random() % bytes.size()] ^= static_cast<std::uint8_t>(1U << random() % 8);
        break;
    case Mutation::lengthen:
        bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), random() % 64,
                     static_cast<std::uint8_t>(random()));
        break;
    case Mutation::overwrite:
        // Headers are where the lengths are.
        bytes[random() % std::min<std::size_t>(bytes.size(), 60)] = static_cast<std::uint8_t>(random());
        break;
    }
    return bytes;
}

/// Begins anew and goes on until the next datagram is number `flight`, counting both ends'.
void rehearse(Rehearsal& rehearsal, std::size_t flight) {
    static std::uint64_t attempts = 0;
    rehearsal.now += std::chrono::minutes(1); // whatever was half-open is over
    for (Rehearsal::End* end : {&rehearsal.initiator(), &rehearsal.responder()}) {
        end->exchanges->expire(rehearsal.now);
        end->sent.clear();
        end->established.clear();
    }
    rehearsal.initiate(AttemptId{++attempts});
    for (std::size_t i = 0; i < flight; ++i)
        rehearsal.step(i % 2 == 0 ? rehearsal.initiator() : rehearsal.responder());
}

class Malformed : public ::testing::TestWithParam<bool> {};

/// Each datagram of a handshake, damaged in many ways, at the moment when it would be expected. Nothing may crash,
/// nobody may end up with other keys than the other end, and the next handshake goes well.
TEST_P(Malformed, DamagedFlights) {
    const bool psk = GetParam();
    const int damaged_per_flight = psk ? 100 : 400;
    std::mt19937 random(psk ? 3 : 4);
    Rehearsal rehearsal;
    if (psk)
        rehearsal.use_psk(7);
    else
        rehearsal.use_certificates(make_identity(), make_identity());
    for (std::size_t flight = 0; flight < 6; ++flight) {
        const bool by_initiator = flight % 2 == 0;
        auto& from = by_initiator ? rehearsal.initiator() : rehearsal.responder();
        auto& to = by_initiator ? rehearsal.responder() : rehearsal.initiator();
        rehearse(rehearsal, flight);
        for (int i = 0; i < damaged_per_flight; ++i) {
            ASSERT_FALSE(from.sent.empty());
            const auto damaged = mutate(from.sent.front(), random);
            const auto before = to.exchanges->figures();
            if (by_initiator)
                rehearsal.to_responder(damaged);
            else
                rehearsal.to_initiator(damaged);
            const auto after = to.exchanges->figures();
            const bool ended = after.half_open != before.half_open || after.attempts != before.attempts;
            if (!ended && to.sent.empty())
                continue;
            rehearsal.run();
            if (!rehearsal.initiator().established.empty() && !rehearsal.responder().established.empty())
                expect_matching(rehearsal.initiator().established[0], rehearsal.responder().established[0]);
            rehearse(rehearsal, flight);
        }
        rehearse(rehearsal, 0);
        rehearsal.run();
        EXPECT_EQ(rehearsal.initiator().established.size(), 1U);
        EXPECT_EQ(rehearsal.responder().established.size(), 1U);
    }
}

INSTANTIATE_TEST_SUITE_P(Handshake, Malformed, ::testing::Bool(),
                         [](const auto& psk) { return psk.param ? "Psk" : "Certificates"; });

TEST(MalformedHello, EveryTruncationAndEveryBitFlip) {
    Rehearsal rehearsal;
    rehearsal.use_certificates(make_identity(), make_identity());
    const auto hello = genuine_hello();
    for (std::size_t length = 0; length < hello.size(); ++length)
        rehearsal.to_responder(std::span(hello).first(length));
    for (std::size_t bit = 0; bit < hello.size() * 8; ++bit) {
        auto flipped = hello;
        flipped[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
        rehearsal.to_responder(flipped);
    }
    EXPECT_EQ(rehearsal.responder().exchanges->figures().half_open, 0U);
    for (const auto& answer : rehearsal.responder().sent)
        EXPECT_EQ(cookie_in(answer).size(), 32U) << "nothing but cookies";
}

/// With a good cookie OpenSSL itself parses the rest of the ClientHello.
TEST(MalformedHello, EveryBitFlipBehindAGoodCookie) {
    Rehearsal rehearsal;
    rehearsal.use_certificates(make_identity(), make_identity());
    rehearsal.to_responder(genuine_hello());
    const auto hello = with_cookie(genuine_hello(), cookie_in(rehearsal.responder().sent.at(0)));
    for (std::size_t bit = 0; bit < hello.size() * 8; ++bit) {
        auto flipped = hello;
        flipped[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
        rehearsal.to_responder(flipped);
    }
    EXPECT_LE(rehearsal.responder().exchanges->figures().half_open, 1U);
    EXPECT_TRUE(rehearsal.responder().established.empty());
}

/// Records that arrive before their keys would fill OpenSSL's queues.
TEST(MalformedRecords, SealedRecordsBeforeTheKeysAreNotKept) {
    Rehearsal rehearsal;
    rehearsal.use_certificates(make_identity(), make_identity());
    rehearse(rehearsal, 4);
    std::vector<std::uint8_t> sealed{22, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0, 0, 40};
    sealed.resize(13 + 40, 0x55);
    for (std::uint16_t i = 0; i < 1000; ++i) {
        sealed[9] = static_cast<std::uint8_t>(i >> 8);
        sealed[10] = static_cast<std::uint8_t>(i);
        rehearsal.to_responder(sealed);
    }
    rehearsal.run();
    EXPECT_EQ(rehearsal.responder().established.size(), 1U);
}

} // namespace
} // namespace culvert::control::tests
