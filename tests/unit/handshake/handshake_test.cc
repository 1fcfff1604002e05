#include "tests/unit/handshake/wire.h"

#include <gtest/gtest.h>
#include <set>

namespace culvert::control::tests {
namespace {

void expect_session(Wire& wire) {
    wire.initiate();
    const Established initiator = wire.initiator().wait_established();
    const Established responder = wire.responder().wait_established();
    expect_matching(initiator, responder);
    wire.expect_sealed(initiator);
    wire.expect_sealed(responder);
    EXPECT_EQ(initiator.peer, paris_handle);
    EXPECT_EQ(responder.peer, tokyo_handle);
    EXPECT_EQ(initiator.attempt, AttemptId{1});
    EXPECT_EQ(initiator.local, tokyo);
    EXPECT_EQ(initiator.remote, paris);
    EXPECT_EQ(responder.local, paris);
    EXPECT_EQ(responder.remote, tokyo);
    EXPECT_EQ(responder.worker, responders_worker);
    EXPECT_EQ(initiator.worker, initiators_worker);
}

TEST(Handshake, EcdsaCertificatesAndPins) {
    Wire wire;
    wire.use_certificates(KeyKind::p256);
    expect_session(wire);
    const Established session = wire.initiator().wait_established();
    EXPECT_EQ(session.cipher, "ECDHE-ECDSA-AES256-GCM-SHA384");
    EXPECT_EQ(session.algorithm, crypto::Algorithm::aes_256_gcm);
}

TEST(Handshake, RsaCertificates) {
    Wire wire;
    wire.use_certificates(KeyKind::rsa2048);
    expect_session(wire);
    EXPECT_EQ(wire.initiator().wait_established().cipher, "ECDHE-RSA-AES256-GCM-SHA384");
}

TEST(Handshake, P384Certificates) {
    Wire wire;
    wire.use_certificates(KeyKind::p384);
    expect_session(wire);
}

TEST(Handshake, PreSharedKey) {
    Wire wire;
    wire.use_psk(7, 7);
    expect_session(wire);
    const Established session = wire.initiator().wait_established();
    EXPECT_EQ(session.cipher, "DHE-PSK-AES256-GCM-SHA384");
    EXPECT_FALSE(session.peer_certificate_expiry);
}

TEST(Handshake, Aes128WithCertificates) {
    HandshakeSettings settings = quick_settings();
    settings.algorithms = {crypto::Algorithm::aes_128_gcm};
    Wire wire({}, settings);
    wire.use_certificates();
    expect_session(wire);
    const Established session = wire.initiator().wait_established();
    EXPECT_EQ(session.cipher, "ECDHE-ECDSA-AES128-GCM-SHA256");
    EXPECT_EQ(session.algorithm, crypto::Algorithm::aes_128_gcm);
}

TEST(Handshake, Aes128WithPreSharedKey) {
    HandshakeSettings settings = quick_settings();
    settings.algorithms = {crypto::Algorithm::aes_128_gcm};
    Wire wire({}, settings);
    wire.use_psk(7, 7);
    expect_session(wire);
    EXPECT_EQ(wire.initiator().wait_established().cipher, "DHE-PSK-AES128-GCM-SHA256");
}

TEST(Handshake, ExpiredCertificateIsReportedNotRefused) {
    Wire wire;
    wire.use_certificates();
    const Identity expired = make_identity(KeyKind::p256, -2);
    ASSERT_TRUE(wire.responder().handshaker().set_own_credentials(expired.own));
    wire.initiator().handshaker().set_peer(by_pin(paris_handle, "paris", expired));
    wire.initiate();
    const Established session = wire.initiator().wait_established();
    ASSERT_TRUE(session.peer_certificate_expiry);
    EXPECT_LT(*session.peer_certificate_expiry, std::chrono::system_clock::now() - std::chrono::hours(24));
}

TEST(Handshake, PeerMayHaveSeveralPins) {
    Wire wire;
    wire.use_certificates();
    PeerCredentials two = by_pin(paris_handle, "paris", make_identity());
    two.pins.push_back(wire.responders().pin);
    wire.initiator().handshaker().set_peer(two);
    expect_session(wire);
}

TEST(Handshake, ManyAtOnceHaveKeysOfTheirOwn) {
    constexpr std::uint16_t lanes = 64;
    Wire wire;
    wire.use_certificates();
    // The wire has one tuple only, so lanes go one after another here; each is a session of its own all the same.
    std::set<std::vector<std::uint8_t>> keys;
    for (std::uint64_t lane = 0; lane < lanes; ++lane) {
        wire.initiate(AttemptId{lane});
        const Established session = wire.initiator().wait_established(lane);
        expect_matching(session, wire.responder().wait_established(lane));
        keys.insert({session.tx_key.bytes().begin(), session.tx_key.bytes().end()});
    }
    EXPECT_EQ(keys.size(), lanes);
}

TEST(Handshake, CancelledAttemptEndsWithoutAWord) {
    Wire wire([](const Sent&) { return Fate{.copies = 0}; });
    wire.use_certificates();
    wire.initiate();
    wire.initiator().handshaker().cancel(AttemptId{1});
    EXPECT_TRUE(wire.initiator().wait_figures([](const auto& f) { return f.attempts == 0 && f.datagrams == 0; }));
    EXPECT_EQ(wire.initiator().failed_count(), 0U);
    EXPECT_EQ(wire.initiator().established_count(), 0U);
}

TEST(Handshake, NobodyThere) {
    HandshakeSettings settings = quick_settings();
    settings.initiator_lifetime = std::chrono::milliseconds(1000);
    Wire wire([](const Sent&) { return Fate{.copies = 0}; }, settings);
    wire.use_certificates();
    wire.initiate();
    EXPECT_EQ(wire.initiator().wait_failed(), "no answer");
    EXPECT_GE(wire.log().size(), 4U) << "the first flight is repeated";
}

} // namespace
} // namespace culvert::control::tests
