#include "control/handshake/dtls_record.h"
#include "tests/unit/handshake/wire.h"

#include <cstring>
#include <gtest/gtest.h>
#include <map>
#include <set>

namespace culvert::control::tests {
namespace {

/// The explicit nonces of the records in epoch 1, by sequence number.
std::map<std::uint64_t, std::uint64_t> sealed_on(const Wire& wire, bool by_initiator) {
    std::map<std::uint64_t, std::uint64_t> sealed;
    for (const Sent& sent : wire.log()) {
        std::span<const std::uint8_t> rest = sent.bytes;
        while (const auto record = take_record(rest)) {
            if (sent.by_initiator != by_initiator || record->epoch != 1)
                continue;
            dataplane::be64 nonce;
            std::memcpy(&nonce, record->fragment.data(), sizeof nonce);
            sealed[record->sequence] = nonce;
        }
    }
    return sealed;
}

/// What the session says of OpenSSL's records is what was seen on the wire.
void expect_sealed(const Wire& wire, const Established& session) {
    const auto sealed = sealed_on(wire, session.initiator);
    ASSERT_FALSE(sealed.empty());
    EXPECT_EQ(session.tx_next, sealed.rbegin()->first + 1);
    std::set<std::uint64_t> nonces;
    for (const auto& [sequence, nonce] : sealed)
        nonces.insert(nonce);
    EXPECT_EQ(std::set<std::uint64_t>(session.used_nonces.begin(), session.used_nonces.end()), nonces);
}

void expect_session(Wire& wire) {
    wire.initiate();
    const Established initiator = wire.initiator().wait_established();
    const Established responder = wire.responder().wait_established();
    expect_matching(initiator, responder);
    expect_sealed(wire, initiator);
    expect_sealed(wire, responder);
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
    Wire wire([](const Sent&) { return Fate{.copies = 0}; });
    wire.use_certificates();
    wire.initiate();
    EXPECT_EQ(wire.initiator().wait_failed(), "no answer");
    EXPECT_GE(wire.log().size(), 5U) << "the first flight is repeated";
}

} // namespace
} // namespace culvert::control::tests
