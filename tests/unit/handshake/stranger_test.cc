#include "control/handshake/dtls_record.h"
#include "tests/unit/handshake/child_process.h"
#include "tests/unit/handshake/udp_gateway.h"

#include <gtest/gtest.h>

/// Handshakes over real UDP sockets: between two of ours, and with the `openssl` command as the other end.
namespace culvert::control::tests {
namespace {

constexpr std::string_view psk_hex = "0707070707070707070707070707070707070707070707070707070707070707";

/// Both directions with keys that are ours alone: OpenSSL's object on our side is gone.
void expect_echo(UdpGateway& ours, const Established& session, ChildProcess& child) {
    ours.send(session.remote, seal_record(session, session.tx_next, "from a worker\n"));
    EXPECT_TRUE(child.wait_output("from a worker\n")) << child.output();
    child.write("from a stranger\n");
    EXPECT_EQ(ours.wait_data(session), "from a stranger\n") << child.output();
}

std::vector<std::string> s_client(const UdpGateway& ours, std::initializer_list<std::string> more) {
    std::vector<std::string> words{"openssl", "s_client", "-dtls1_2",         "-nbio",
                                   "-quiet",  "-connect", ours.local().text()};
    words.insert(words.end(), more);
    return words;
}

std::vector<std::string> s_server(std::uint16_t port, std::initializer_list<std::string> more) {
    std::vector<std::string> words{
        "openssl", "s_server", "-dtls1_2", "-quiet", "-4", "-accept", "127.0.0.1:" + std::to_string(port)};
    words.insert(words.end(), more);
    return words;
}

dataplane::Endpoint loopback(std::uint16_t port) {
    return {dataplane::IpAddress::v4(0x7f000001), port};
}

TEST(Udp, TwoGateways) {
    UdpGateway one, other;
    const Identity ones = make_identity(), others = make_identity();
    ASSERT_TRUE(one.gateway().handshaker().set_own_credentials(ones.own));
    ASSERT_TRUE(other.gateway().handshaker().set_own_credentials(others.own));
    one.gateway().handshaker().set_peer(by_pin(paris_handle, "paris", others));
    other.gateway().handshaker().set_peer(by_pin(tokyo_handle, "tokyo", ones));
    one.gateway().initiate(AttemptId{1}, paris_handle, one.local(), other.local());
    const Established initiator = one.gateway().wait_established(), responder = other.gateway().wait_established();
    expect_matching(initiator, responder);
    other.send(responder.remote, seal_record(responder, responder.tx_next, "hello"));
    EXPECT_EQ(one.wait_data(initiator), "hello");
}

class Stranger : public ::testing::Test {
  protected:
    void use_certificates() {
        ASSERT_TRUE(ours_.gateway().handshaker().set_own_credentials(own_.own));
        ours_.gateway().handshaker().set_peer(by_pin(tokyo_handle, "tokyo", stranger_));
    }
    void use_psk() { ours_.gateway().handshaker().set_peer(by_psk(tokyo_handle, "tokyo", 7)); }

    UdpGateway ours_;
    Identity own_ = make_identity(), stranger_ = make_identity();
    TemporaryFile certificate_{stranger_.own.certificate_chain}, key_{stranger_.own.private_key};
};

TEST_F(Stranger, ClientWithCertificate) {
    use_certificates();
    for (const std::string suite : {"ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256"}) {
        ChildProcess client(
            s_client(ours_, {"-cert", certificate_.path(), "-key", key_.path(), "-cipher", suite}));
        const Established session =
            ours_.gateway().wait_established(suite.find("128") == std::string::npos ? 0 : 1);
        ASSERT_EQ(session.cipher, suite) << client.output();
        expect_echo(ours_, session, client);
    }
}

TEST_F(Stranger, ClientOnEitherCurve) {
    use_certificates();
    std::size_t nth = 0;
    for (const std::string curve : {"P-256", "X25519:P-256"}) {
        ChildProcess client(
            s_client(ours_, {"-cert", certificate_.path(), "-key", key_.path(), "-curves", curve}));
        const Established session = ours_.gateway().wait_established(nth++);
        expect_echo(ours_, session, client);
    }
}

TEST_F(Stranger, ClientWithPreSharedKey) {
    use_psk();
    std::size_t nth = 0;
    const std::string ours = psk_identity(by_psk(tokyo_handle, "tokyo", 7).psk);
    for (const std::string& identity : {ours, std::string("tokyo")}) {
        ChildProcess client(s_client(ours_, {"-psk", std::string(psk_hex), "-psk_identity", identity, "-cipher",
                                             "DHE-PSK-AES256-GCM-SHA384"}));
        const Established session = ours_.gateway().wait_established(nth++);
        ASSERT_EQ(session.cipher, "DHE-PSK-AES256-GCM-SHA384") << client.output();
        EXPECT_EQ(session.peer, tokyo_handle);
        expect_echo(ours_, session, client);
    }
}

TEST_F(Stranger, ClientWithoutCertificateIsRefused) {
    use_certificates();
    ChildProcess client(s_client(ours_, {}));
    EXPECT_EQ(ours_.gateway().wait_refused(), "the handshake failed: peer did not return a certificate");
    EXPECT_TRUE(client.wait_output("alert handshake failure")) << client.output();
}

TEST_F(Stranger, ClientWithAnotherCertificateIsRefused) {
    use_certificates();
    ours_.gateway().handshaker().set_peer(by_pin(tokyo_handle, "tokyo", own_));
    ChildProcess client(s_client(ours_, {"-cert", certificate_.path(), "-key", key_.path()}));
    EXPECT_EQ(ours_.gateway().wait_refused(),
              "the initiator's certificate has " + pin_text(stranger_.pin) + ", which is no peer's pin");
    EXPECT_TRUE(client.wait_output("alert bad certificate")) << client.output();
}

TEST_F(Stranger, OlderDtlsAndPlainPskAreRefused) {
    use_certificates();
    ours_.gateway().handshaker().set_peer(by_psk(paris_handle, "paris", 7));
    {
        ChildProcess client({"openssl", "s_client", "-dtls1", "-cipher", "ALL@SECLEVEL=0", "-nbio", "-connect",
                             ours_.local().text()});
        EXPECT_NE(ours_.gateway().wait_refused(0), "");
    }
    ChildProcess client(s_client(
        ours_, {"-psk", std::string(psk_hex), "-psk_identity", "paris", "-cipher", "PSK-AES256-GCM-SHA384"}));
    EXPECT_EQ(ours_.gateway().wait_refused(1), "the handshake failed: no shared cipher");
    EXPECT_EQ(ours_.gateway().established_count(), 0U);
}

TEST_F(Stranger, ServerWithCertificate) {
    use_certificates();
    const std::uint16_t port = free_udp_port();
    ChildProcess server(s_server(port, {"-cert", certificate_.path(), "-key", key_.path(), "-Verify", "1"}));
    ours_.gateway().initiate(AttemptId{1}, tokyo_handle, ours_.local(), loopback(port));
    const Established session = ours_.gateway().wait_established();
    EXPECT_EQ(session.cipher, "ECDHE-ECDSA-AES256-GCM-SHA384");
    expect_echo(ours_, session, server);
}

TEST_F(Stranger, ServerThatListensWithCookies) {
    use_certificates();
    const std::uint16_t port = free_udp_port();
    ChildProcess server(
        s_server(port, {"-listen", "-cert", certificate_.path(), "-key", key_.path(), "-Verify", "1"}));
    ours_.gateway().initiate(AttemptId{1}, tokyo_handle, ours_.local(), loopback(port));
    expect_echo(ours_, ours_.gateway().wait_established(), server);
}

TEST_F(Stranger, ServerWithPreSharedKey) {
    use_psk();
    const std::uint16_t port = free_udp_port();
    ChildProcess server(
        s_server(port, {"-nocert", "-psk", std::string(psk_hex), "-cipher", "DHE-PSK-AES128-GCM-SHA256"}));
    ours_.gateway().initiate(AttemptId{1}, tokyo_handle, ours_.local(), loopback(port));
    const Established session = ours_.gateway().wait_established();
    EXPECT_EQ(session.cipher, "DHE-PSK-AES128-GCM-SHA256");
    expect_echo(ours_, session, server);
}

TEST_F(Stranger, ServerWithAnotherCertificateIsRefused) {
    use_certificates();
    const TemporaryFile certificate(own_.own.certificate_chain), key(own_.own.private_key);
    const std::uint16_t port = free_udp_port();
    ChildProcess server(s_server(port, {"-cert", certificate.path(), "-key", key.path(), "-Verify", "1"}));
    ours_.gateway().initiate(AttemptId{1}, tokyo_handle, ours_.local(), loopback(port));
    EXPECT_EQ(ours_.gateway().wait_failed(),
              "tokyo's certificate has " + pin_text(own_.pin) + ", which is none of its pins");
}

/// The client's own OpenSSL repeats its Finished until our cached last flight reaches it.
TEST(StrangerLoss, ClientRecoversFromALostLastFlight) {
    std::atomic<int> flights{0};
    UdpGateway ours([&flights](std::span<const std::uint8_t> bytes) { return bytes[0] == 20 && ++flights <= 2; });
    ours.gateway().handshaker().set_peer(by_psk(tokyo_handle, "tokyo", 7));
    ChildProcess client(s_client(
        ours, {"-psk", std::string(psk_hex), "-psk_identity", "tokyo", "-cipher", "DHE-PSK-AES256-GCM-SHA384"}));
    const Established session = ours.gateway().wait_established();
    EXPECT_TRUE(ours.gateway().wait_figures([](const auto& f) { return f.flights_repeated >= 2; }));
    expect_echo(ours, session, client);
}

} // namespace
} // namespace culvert::control::tests
