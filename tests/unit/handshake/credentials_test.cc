#include "control/handshake/credential_store.h"
#include "control/handshake/handshaker.h"
#include "tests/unit/handshake/wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace culvert::control::tests {
namespace {

using ::testing::UnorderedElementsAre;

TEST(CredentialStore, FindsByPinByIdentityAndByName) {
    const Identity identity = make_identity();
    CredentialStore store;
    EXPECT_FALSE(store.set(by_pin(PeerHandle{1}, "paris", identity)));
    EXPECT_FALSE(store.set(by_psk(PeerHandle{2}, "tokyo", 7)));
    EXPECT_EQ(store.by_pin(identity.pin)->name, "paris");
    EXPECT_EQ(store.by_psk_identity("tokyo")->peer, PeerHandle{2});
    EXPECT_EQ(store.by_psk_identity(psk_identity(by_psk(PeerHandle{2}, "tokyo", 7).psk))->peer, PeerHandle{2});
    EXPECT_EQ(store.by_psk_identity("paris"), nullptr) << "has no PSK";
    EXPECT_EQ(store.by_psk_identity(""), nullptr);
}

TEST(CredentialStore, EveryBitOfAPinCounts) {
    const Identity identity = make_identity();
    CredentialStore store;
    store.set(by_pin(PeerHandle{1}, "paris", identity));
    for (std::size_t bit = 0; bit < 256; ++bit) {
        Pin other = identity.pin;
        other[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
        EXPECT_EQ(store.by_pin(other), nullptr);
    }
}

TEST(CredentialStore, APinMovesFromOnePeerToAnother) {
    const Identity identity = make_identity();
    CredentialStore store;
    store.set(by_pin(PeerHandle{1}, "paris", identity));
    store.set(by_pin(PeerHandle{2}, "lyon", identity));
    EXPECT_TRUE(store.remove(PeerHandle{1}));
    ASSERT_NE(store.by_pin(identity.pin), nullptr);
    EXPECT_EQ(store.by_pin(identity.pin)->name, "lyon");
    EXPECT_TRUE(store.remove(PeerHandle{2}));
    EXPECT_FALSE(store.remove(PeerHandle{2}));
    EXPECT_FALSE(store.any_by_pin());
}

TEST(CredentialStore, ReplacingAllTellsWhoIsGoneOrChanged) {
    CredentialStore store;
    store.replace(
        {by_psk(PeerHandle{1}, "one", 1), by_psk(PeerHandle{2}, "two", 2), by_psk(PeerHandle{3}, "three", 3)});
    EXPECT_THAT(store.replace({by_psk(PeerHandle{1}, "one", 1), by_psk(PeerHandle{2}, "two", 22),
                               by_psk(PeerHandle{4}, "four", 4)}),
                UnorderedElementsAre(PeerHandle{2}, PeerHandle{3}));
    EXPECT_EQ(store.by_psk_identity(psk_identity(by_psk(PeerHandle{2}, "two", 2).psk)), nullptr);
    EXPECT_EQ(store.by_psk_identity("four")->peer, PeerHandle{4});
}

TEST(OwnCertificate, TellsWhenItExpires) {
    const auto now = std::chrono::system_clock::now();
    const auto expiry = certificate_expiry(make_identity(KeyKind::p256, 20).own);
    ASSERT_TRUE(expiry);
    EXPECT_GT(*expiry, now + std::chrono::hours(24 * 19));
    EXPECT_LT(*expiry, now + std::chrono::hours(24 * 21));
    EXPECT_FALSE(certificate_expiry({.certificate_chain = "nonsense", .private_key = ""}));
}

/// A new certificate serves the next handshake; the one that is under way ends with what it began with.
TEST(OwnCertificate, ReloadCutsNothing) {
    Wire* on_the_way = nullptr;
    const Identity next = make_identity();
    bool reloaded = false;
    Wire wire([&](const Sent& sent) {
        if (!sent.by_initiator && sent.ordinal == 1 &&
            !reloaded) { // its ServerHello and certificate are on the way
            reloaded = true;
            EXPECT_TRUE(on_the_way->responder().handshaker().set_own_credentials(next.own));
        }
        return Fate{};
    });
    on_the_way = &wire;
    wire.use_certificates();
    wire.initiate(AttemptId{1});
    expect_matching(wire.initiator().wait_established(0), wire.responder().wait_established(0));
    EXPECT_TRUE(reloaded);

    wire.initiate(AttemptId{2});
    EXPECT_EQ(wire.initiator().wait_failed(),
              "paris's certificate has " + pin_text(next.pin) + ", which is none of its pins");
    PeerCredentials both = by_pin(paris_handle, "paris", next);
    both.pins.push_back(wire.responders().pin);
    wire.initiator().handshaker().set_peer(both);
    wire.initiate(AttemptId{3});
    expect_matching(wire.initiator().wait_established(1), wire.responder().wait_established(1));
}

} // namespace
} // namespace culvert::control::tests
