#include "tests/unit/handshake/rehearsal.h"
#include "tests/unit/handshake/wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace culvert::control::tests {
namespace {

using ::testing::HasSubstr;

const std::vector<std::uint8_t> fatal_alert_in_clear{21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 42};

TEST(Refusal, InitiatorRefusesAnotherPin) {
    Wire wire;
    wire.use_certificates();
    wire.initiator().handshaker().set_peer(by_pin(paris_handle, "paris", make_identity()));
    wire.initiate();
    EXPECT_EQ(wire.initiator().wait_failed(),
              "paris's certificate has " + pin_text(wire.responders().pin) + ", which is none of its pins");
    EXPECT_THAT(wire.responder().wait_refused(), HasSubstr("the other end refuses this gateway's certificate"));
    EXPECT_EQ(wire.responder().established_count(), 0U);
}

TEST(Refusal, InitiatorRefusesAnotherPeersPin) {
    Wire wire;
    wire.use_certificates();
    wire.initiator().handshaker().set_peer(by_pin(paris_handle, "paris", make_identity()));
    wire.initiator().handshaker().set_peer(by_pin(PeerHandle{9}, "osaka", wire.responders()));
    wire.initiate();
    EXPECT_THAT(wire.initiator().wait_failed(), HasSubstr("paris's certificate has"));
}

TEST(Refusal, ResponderRefusesAnotherPin) {
    Wire wire;
    wire.use_certificates();
    wire.responder().handshaker().set_peer(by_pin(tokyo_handle, "tokyo", make_identity()));
    wire.initiate();
    EXPECT_EQ(wire.responder().wait_refused(),
              "the initiator's certificate has " + pin_text(wire.initiators().pin) + ", which is no peer's pin");
    EXPECT_EQ(wire.initiator().wait_failed(),
              "the other end refuses this gateway's certificate (alert: bad certificate)");
    EXPECT_EQ(wire.initiator().established_count(), 0U);
    EXPECT_EQ(wire.responder().established_count(), 0U);
}

TEST(Refusal, UnknownPskIdentity) {
    Wire wire;
    wire.use_psk(7, 8);
    wire.initiate();
    EXPECT_THAT(wire.responder().wait_refused(), HasSubstr("the initiator's PSK identity \""));
    EXPECT_THAT(wire.responder().wait_refused(), HasSubstr("\" is no peer's"));
    EXPECT_THAT(wire.initiator().wait_failed(), HasSubstr("the other end doesn't know this gateway's PSK"));
}

TEST(Refusal, KnownIdentityWithAnotherPsk) {
    HandshakeSettings settings = quick_settings();
    settings.initiator_lifetime = settings.responder_lifetime = std::chrono::milliseconds(1500);
    Wire wire({}, settings);
    wire.use_psk(7, 8);
    // A peer's name is an identity, too: this one is called as the initiator's PSK is.
    PeerCredentials impostor = by_psk(tokyo_handle, "", 8);
    impostor.name = psk_identity(by_psk(paris_handle, "paris", 7).psk);
    wire.responder().handshaker().set_peer(impostor);
    wire.initiate();
    EXPECT_EQ(wire.responder().wait_refused(),
              "the initiator's Finished cannot be opened: the two ends have different PSKs");
    EXPECT_EQ(wire.initiator().wait_failed(),
              "no answer to the last flight: perhaps the two ends have different PSKs");
    EXPECT_EQ(wire.initiator().established_count(), 0U);
    EXPECT_EQ(wire.responder().established_count(), 0U);
}

TEST(Refusal, InitiatorWithoutCertificate) {
    Wire wire;
    wire.use_certificates();
    ASSERT_TRUE(wire.initiator().handshaker().set_own_credentials({}));
    wire.initiate();
    EXPECT_EQ(wire.initiator().wait_failed(), "this gateway has no certificate to show");
}

TEST(Refusal, ResponderWithoutCertificate) {
    Wire wire;
    wire.use_certificates();
    ASSERT_TRUE(wire.responder().handshaker().set_own_credentials({}));
    wire.responder().handshaker().set_peer(by_psk(PeerHandle{9}, "osaka", 1));
    wire.initiate();
    EXPECT_THAT(wire.initiator().wait_failed(), HasSubstr("no cipher suite and credentials in common"));
    EXPECT_EQ(wire.responder().wait_refused(), "the handshake failed: no shared cipher");
}

TEST(Refusal, PskInitiatorAtCertificateResponder) {
    Wire wire;
    wire.use_certificates();
    wire.initiator().handshaker().set_peer(by_psk(paris_handle, "paris", 7));
    wire.initiate();
    EXPECT_THAT(wire.initiator().wait_failed(), HasSubstr("no cipher suite and credentials in common"));
}

TEST(Refusal, UnknownPeer) {
    Wire wire;
    wire.initiate();
    EXPECT_EQ(wire.initiator().wait_failed(), "the peer is not known any more");
}

TEST(Refusal, SecondAttemptOnTheSameEndpoints) {
    Wire wire([](const Sent&) { return Fate{.copies = 0}; });
    wire.use_certificates();
    wire.initiate(AttemptId{1});
    wire.initiate(AttemptId{2});
    EXPECT_THAT(wire.initiator().wait_failed(), HasSubstr("another attempt"));
}

TEST(Refusal, RemovedPeersAttemptEnds) {
    Wire wire([](const Sent&) { return Fate{.copies = 0}; });
    wire.use_certificates();
    wire.initiate();
    wire.initiator().handshaker().set_peer(
        by_pin(paris_handle, "paris", wire.responders())); // nothing has changed
    wire.initiator().handshaker().remove_peer(paris_handle);
    EXPECT_EQ(wire.initiator().wait_failed(), "the peer's configuration has changed");
    EXPECT_EQ(wire.initiator().handshaker().figures().attempts, 0U);
}

TEST(Refusal, PeerRemovedWhileItsFinishedIsOnTheWay) {
    Rehearsal rehearsal;
    rehearsal.use_psk(7);
    rehearsal.initiate();
    // ClientHello, HelloVerifyRequest, ClientHello, ServerHello…Done; the last flight is kept back.
    for (int flight = 0; flight < 2; ++flight)
        ASSERT_TRUE(rehearsal.step(rehearsal.initiator()) && rehearsal.step(rehearsal.responder()));
    ASSERT_EQ(rehearsal.responder().exchanges->figures().half_open, 1U);
    rehearsal.responder().exchanges->set_peers({});
    rehearsal.run();
    EXPECT_TRUE(rehearsal.responder().established.empty());
}

TEST(Refusal, CertificateAndKeyThatDontBelongTogether) {
    Wire wire;
    const Identity one = make_identity(), other = make_identity();
    auto& handshaker = wire.initiator().handshaker();
    const auto mixed = handshaker.set_own_credentials(
        {.certificate_chain = one.own.certificate_chain, .private_key = other.own.private_key});
    ASSERT_FALSE(mixed);
    EXPECT_THAT(mixed.error(), HasSubstr("cannot be used"));
    EXPECT_EQ(handshaker.set_own_credentials({.certificate_chain = "no", .private_key = "no"}).error(),
              "the certificate is no PEM certificate");
    EXPECT_EQ(handshaker.set_own_credentials({.certificate_chain = one.own.certificate_chain, .private_key = "no"})
                  .error(),
              "the private key is no PEM private key, or is encrypted");
    EXPECT_THAT(handshaker.set_own_credentials(make_identity(KeyKind::ed25519).own).error(),
                HasSubstr("neither ECDSA nor RSA"));
}

/// Anybody can send an alert in clear from a forged address: it must not end a handshake that goes well.
TEST(Refusal, AlertInClearIsNotBelieved) {
    Rehearsal rehearsal;
    rehearsal.use_certificates(make_identity(), make_identity());
    rehearsal.initiate();
    bool spoken = true;
    while (spoken) {
        rehearsal.to_initiator(fatal_alert_in_clear);
        rehearsal.to_responder(fatal_alert_in_clear);
        spoken = rehearsal.step(rehearsal.initiator()) || rehearsal.step(rehearsal.responder());
    }
    ASSERT_EQ(rehearsal.initiator().established.size(), 1U);
    ASSERT_EQ(rehearsal.responder().established.size(), 1U);
    expect_matching(rehearsal.initiator().established[0], rehearsal.responder().established[0]);
}

TEST(Refusal, AlertInClearShortensSilence) {
    Rehearsal rehearsal;
    rehearsal.use_certificates(make_identity(), make_identity());
    rehearsal.initiate();
    rehearsal.to_initiator(fatal_alert_in_clear);
    rehearsal.initiator().exchanges->expire(rehearsal.now + std::chrono::milliseconds(900));
    EXPECT_TRUE(rehearsal.initiator().failed.empty());
    rehearsal.initiator().exchanges->expire(rehearsal.now + std::chrono::milliseconds(1000));
    ASSERT_EQ(rehearsal.initiator().failed.size(), 1U);
    EXPECT_THAT(rehearsal.initiator().failed[0], HasSubstr("bad certificate"));
}

} // namespace
} // namespace culvert::control::tests
