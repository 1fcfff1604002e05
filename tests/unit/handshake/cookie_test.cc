#include "control/handshake/cookies.h"
#include "tests/unit/handshake/client_hello.h"
#include "tests/unit/handshake/rehearsal.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <random>

namespace culvert::control::tests {
namespace {

using namespace std::chrono_literals;

dataplane::Endpoint stranger(std::uint32_t number) {
    return {dataplane::IpAddress::v4(0x0a000000U + number), 50'000};
}

/// A responder with a certificate and a peer, and an initiator to prove that it still answers.
class CookieTest : public ::testing::Test {
  protected:
    explicit CookieTest(const HandshakeSettings& settings = quick_settings()) : rehearsal_(settings) {
        rehearsal_.use_certificates(make_identity(), make_identity());
    }

    HandshakeFigures figures() { return rehearsal_.responder().exchanges->figures(); }

    /// What the responder answers to `bytes`.
    std::vector<std::vector<std::uint8_t>> answer(std::span<const std::uint8_t> bytes,
                                                  const dataplane::Endpoint& remote) {
        auto& sent = rehearsal_.responder().sent;
        sent.clear();
        rehearsal_.to_responder(bytes, remote);
        return {sent.begin(), sent.end()};
    }

    std::vector<std::uint8_t> cookie_for(const dataplane::Endpoint& remote) {
        const auto answers = answer(genuine_hello(), remote);
        return answers.size() == 1 ? cookie_in(answers[0]) : std::vector<std::uint8_t>{};
    }

    void expect_handshake() {
        rehearsal_.responder().sent.clear();
        rehearsal_.initiate();
        rehearsal_.run();
        ASSERT_EQ(rehearsal_.initiator().established.size(), 1U);
        ASSERT_EQ(rehearsal_.responder().established.size(), 1U);
        expect_matching(rehearsal_.initiator().established[0], rehearsal_.responder().established[0]);
    }

    Rehearsal rehearsal_;
};

TEST_F(CookieTest, NoStateBeforeTheCookie) {
    const auto answers = answer(genuine_hello(), tokyo);
    ASSERT_EQ(answers.size(), 1U);
    EXPECT_EQ(cookie_in(answers[0]).size(), cookie_bytes);
    EXPECT_LT(answers[0].size(), genuine_hello().size()) << "no amplification";
    EXPECT_EQ(figures().half_open, 0U);
    EXPECT_EQ(figures().cookies_sent, 1U);

    const auto flight = answer(with_cookie(genuine_hello(), cookie_in(answers[0])), tokyo);
    EXPECT_FALSE(flight.empty());
    EXPECT_EQ(figures().half_open, 1U);
}

TEST_F(CookieTest, ForgedCookiesGetANewOneAndNoState) {
    std::mt19937 random(1);
    const auto good = cookie_for(tokyo);
    for (const std::size_t length : {1U, 20U, 31U, 32U, 33U, 255U}) {
        std::vector<std::uint8_t> forged(length);
        for (auto& byte : forged)
            byte = static_cast<std::uint8_t>(random());
        const auto answers = answer(with_cookie(genuine_hello(), forged), tokyo);
        ASSERT_EQ(answers.size(), 1U);
        EXPECT_EQ(cookie_in(answers[0]), good);
    }
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
        auto forged = good;
        forged[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
        EXPECT_EQ(answer(with_cookie(genuine_hello(), forged), tokyo).size(), 1U);
    }
    EXPECT_EQ(figures().half_open, 0U);
}

TEST_F(CookieTest, CookieIsGoodForItsEndpointOnly) {
    const auto cookie = cookie_for(tokyo);
    dataplane::Endpoint other_port = tokyo;
    ++other_port.port;
    answer(with_cookie(genuine_hello(), cookie), other_port);
    answer(with_cookie(genuine_hello(), cookie), stranger(1));
    EXPECT_EQ(figures().half_open, 0U);
    answer(with_cookie(genuine_hello(), cookie), tokyo);
    EXPECT_EQ(figures().half_open, 1U);
}

TEST_F(CookieTest, CookieOutlivesOneChangeOfTheSecret) {
    Cookies cookies(60s, rehearsal_.now);
    const auto cookie = cookies.make(tokyo, rehearsal_.now).value();
    EXPECT_TRUE(cookies.valid(tokyo, cookie, rehearsal_.now + 59s));
    EXPECT_TRUE(cookies.valid(tokyo, cookie, rehearsal_.now + 61s));
    EXPECT_NE(cookies.make(tokyo, rehearsal_.now + 61s).value(), cookie);
    EXPECT_TRUE(cookies.valid(tokyo, cookie, rehearsal_.now + 119s));
    EXPECT_FALSE(cookies.valid(tokyo, cookie, rehearsal_.now + 122s));
}

TEST_F(CookieTest, CookieDiesWhenNobodyAskedForLong) {
    Cookies cookies(60s, rehearsal_.now);
    const auto cookie = cookies.make(tokyo, rehearsal_.now).value();
    EXPECT_FALSE(cookies.valid(tokyo, cookie, rehearsal_.now + 120s));
}

TEST_F(CookieTest, OnlyWholeHellosAreAnswered) {
    const auto& hello = genuine_hello();
    for (std::size_t length = 0; length < hello.size(); ++length)
        EXPECT_TRUE(answer(std::span(hello).first(length), tokyo).empty()) << length;

    auto first_fragment = hello; // says that the message is longer than this record
    first_fragment[13 + 2] = static_cast<std::uint8_t>(first_fragment[13 + 2] + 1);
    EXPECT_TRUE(answer(first_fragment, tokyo).empty());
    auto later_fragment = hello;
    later_fragment[13 + 8] = 1;
    EXPECT_TRUE(answer(later_fragment, tokyo).empty());

    std::vector<std::uint8_t> oversized = hello;
    oversized.resize(16385);
    EXPECT_TRUE(answer(oversized, tokyo).empty());

    std::mt19937 random(2);
    for (int i = 0; i < 2000; ++i) {
        std::vector<std::uint8_t> garbage(random() % 300);
        for (auto& byte : garbage)
            byte = static_cast<std::uint8_t>(random());
        EXPECT_TRUE(answer(garbage, tokyo).empty());
    }
    EXPECT_EQ(figures().half_open, 0U);
    EXPECT_EQ(figures().cookies_sent, 0U);
    expect_handshake();
}

TEST_F(CookieTest, TenThousandSpoofedHellosLeaveNothing) {
    answer(genuine_hello(), stranger(0)); // what is made once is there now
    const std::size_t before = mallinfo2().uordblks;
    for (std::uint32_t i = 0; i < 10'000; ++i)
        EXPECT_EQ(answer(with_random(genuine_hello(), i), stranger(i)).size(), 1U);
    EXPECT_LT(mallinfo2().uordblks, before + 65536);
    EXPECT_EQ(figures().half_open, 0U);
    EXPECT_EQ(figures().cookies_sent, 10'001U);
    expect_handshake();
}

TEST_F(CookieTest, HalfOpenHandshakeIsNotDisplacedWithoutACookie) {
    rehearsal_.initiate();
    for (int flight = 0; flight < 2; ++flight)
        ASSERT_TRUE(rehearsal_.step(rehearsal_.initiator()) && rehearsal_.step(rehearsal_.responder()));
    ASSERT_EQ(figures().half_open, 1U);
    // Somebody forges the initiator's address, without having seen its cookie.
    rehearsal_.to_responder(with_random(genuine_hello(), 1));
    rehearsal_.to_responder(with_cookie(with_random(genuine_hello(), 2), std::vector<std::uint8_t>(32, 1)));
    EXPECT_EQ(figures().half_open, 1U);
    while (rehearsal_.step(rehearsal_.initiator()) || rehearsal_.step(rehearsal_.responder()))
        continue;
    EXPECT_EQ(rehearsal_.initiator().established.size(), 1U);
    EXPECT_EQ(rehearsal_.responder().established.size(), 1U);
}

TEST_F(CookieTest, RestartedInitiatorDisplacesItsOwnHalfOpenHandshake) {
    const auto cookie = cookie_for(tokyo);
    const auto first = with_cookie(with_random(genuine_hello(), 1), cookie);
    EXPECT_FALSE(answer(first, tokyo).empty());
    EXPECT_TRUE(answer(first, tokyo).empty()) << "a duplicate";
    EXPECT_FALSE(answer(with_cookie(with_random(genuine_hello(), 2), cookie), tokyo).empty());
    EXPECT_EQ(figures().half_open, 1U);
    EXPECT_EQ(figures().displaced, 0U);
}

class CrowdTest : public CookieTest {
  protected:
    static HandshakeSettings small() {
        HandshakeSettings settings = quick_settings();
        settings.max_half_open = 20;
        settings.max_half_open_per_source = 6;
        return settings;
    }
    CrowdTest() : CookieTest(small()) {}

    void knock(const dataplane::Endpoint& remote) {
        answer(with_cookie(genuine_hello(), cookie_for(remote)), remote);
    }
};

TEST_F(CrowdTest, OneSourceHasFew) {
    dataplane::Endpoint remote = stranger(1);
    for (remote.port = 1000; remote.port < 1050; ++remote.port)
        knock(remote);
    EXPECT_EQ(figures().half_open, 6U);
    EXPECT_EQ(figures().displaced, 44U);
    // All of an IPv6 /64 is one source.
    for (int host = 1; host < 50; ++host)
        knock({dataplane::IpAddress::parse("2001:db8:1:2::" + std::to_string(host)).value(), 1000});
    EXPECT_EQ(figures().half_open, 12U);
    expect_handshake();
}

TEST_F(CrowdTest, ManySourcesPushOutTheGreediest) {
    knock(stranger(100));
    for (std::uint32_t source = 0; source < 10; ++source)
        for (std::uint16_t port = 1000; port < 1006; ++port)
            knock({dataplane::IpAddress::v4(0x0a000000U + source), port});
    EXPECT_EQ(figures().half_open, 20U);
    // The one that has just one is still there: its duplicate is known as such.
    EXPECT_TRUE(answer(with_cookie(genuine_hello(), cookie_for(stranger(100))), stranger(100)).empty());
    expect_handshake();
}

TEST_F(CrowdTest, HalfOpenHandshakesEndByThemselves) {
    for (std::uint32_t source = 0; source < 10; ++source)
        knock(stranger(source));
    EXPECT_EQ(figures().half_open, 10U);
    rehearsal_.now += quick_settings().responder_lifetime;
    rehearsal_.responder().exchanges->expire(rehearsal_.now);
    EXPECT_EQ(figures().half_open, 0U);
    EXPECT_EQ(rehearsal_.responder().refused.size(), 10U);
    EXPECT_EQ(rehearsal_.responder().exchanges->deadline(), Rehearsal::Time::max());
}

} // namespace
} // namespace culvert::control::tests
