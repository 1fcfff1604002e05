#include "tests/unit/tunnels/site.h"

namespace culvert::control::tests {
namespace {

class Connecting : public TwoSites {};

TEST_F(Connecting, ByCertificate) {
    introduce(true, false);
    ASSERT_TRUE(until([&] { return settled(); }));
    EXPECT_TRUE(both_up());
    EXPECT_TRUE(carries());
    EXPECT_TRUE(paris.active("tokyo").initiator);
    EXPECT_EQ(paris.active("tokyo").generation, 0U);
    EXPECT_EQ(paris.peer("tokyo").authentication, "pin");
    EXPECT_EQ(paris.peer("tokyo").endpoint, (dataplane::Endpoint{tokyo.address(), Site::listen_port}));
    EXPECT_NE(paris.active("tokyo").cipher.find("ECDHE"), std::string::npos);
    EXPECT_EQ(paris.events(Event::Kind::tunnel_up), 1U);
    EXPECT_EQ(tokyo.events(Event::Kind::session_up), 1U);
    ASSERT_TRUE(until([&] { return paris.active("tokyo").path_mtu_verified; }));
    EXPECT_EQ(paris.active("tokyo").path_mtu, 1500);
}

TEST_F(Connecting, ByPreSharedKey) {
    introduce(true, false, [&](PeerSection& peer) {
        peer.pins.clear();
        peer.psk_file = psk_file(3);
    });
    ASSERT_TRUE(until([&] { return settled(); }));
    EXPECT_TRUE(carries());
    EXPECT_EQ(tokyo.peer("paris").authentication, "psk");
    EXPECT_NE(paris.active("tokyo").cipher.find("DHE-PSK"), std::string::npos) << "forward secrecy";
}

TEST_F(Connecting, BothInitiatingSettlesToOneSession) {
    introduce(true, true);
    ASSERT_TRUE(until([&] { return both_up() && settled(); }));
    EXPECT_TRUE(carries());
    run(1s);
    EXPECT_TRUE(settled()) << "and stays so";
}

TEST_F(Connecting, LanesAreTheSmallerNumberOfBoth) {
    PeerSection to_tokyo = tokyo.as_peer(true), to_paris = paris.as_peer(true);
    to_tokyo.lanes = 4;
    to_paris.lanes = 8;
    ASSERT_TRUE(paris.tunnels().add_peer(to_tokyo));
    ASSERT_TRUE(tokyo.tunnels().add_peer(to_paris));
    ASSERT_TRUE(until([&] { return paris.peer("tokyo").lanes == 4 && settled(); }));
    std::set<std::uint16_t> ports;
    for (std::uint8_t lane = 0; lane < 4; ++lane) {
        const auto session = paris.active("tokyo", lane);
        ports.insert(session.initiator ? session.local.port : session.remote.port);
        EXPECT_TRUE(carries(lane));
    }
    EXPECT_EQ(ports.size(), 4U) << "each lane from a port of its own";
    EXPECT_EQ(paris.dataplane().peers.begin()->second.lanes, 4);
    EXPECT_EQ(tokyo.dataplane().peers.begin()->second.lanes, 4);
}

TEST_F(Connecting, AWrongPinIsRefusedWithBackoffAndAReason) {
    PeerSection to_tokyo = tokyo.as_peer(true);
    to_tokyo.pins = {paris.pin()};
    ASSERT_TRUE(paris.tunnels().add_peer(to_tokyo));
    ASSERT_TRUE(tokyo.tunnels().add_peer(paris.as_peer(false)));
    ASSERT_TRUE(until([&] { return paris.events(Event::Kind::handshake_failed) >= 4; }));
    EXPECT_GE(paris.events(Event::Kind::handshake_failed, "pin"), 4U);
    EXPECT_NE(paris.peer("tokyo").last_error.find("pin"), std::string::npos) << paris.peer("tokyo").last_error;
    EXPECT_FALSE(paris.up("tokyo"));
    const auto failures = paris.events(Event::Kind::handshake_failed);
    run(400ms);
    EXPECT_LE(paris.events(Event::Kind::handshake_failed), failures + 1) << "the pauses have grown";
    EXPECT_LE(paris.ports_held, 1U);
}

TEST_F(Connecting, AStrangersCertificateIsRefusedByTheResponder) {
    PeerSection to_paris = paris.as_peer(false);
    to_paris.pins = {tokyo.pin()}; // some other pin
    ASSERT_TRUE(paris.tunnels().add_peer(tokyo.as_peer(true)));
    ASSERT_TRUE(tokyo.tunnels().add_peer(to_paris));
    ASSERT_TRUE(until([&] { return tokyo.events(Event::Kind::handshake_refused) >= 1; }));
    EXPECT_FALSE(tokyo.up("paris"));
    EXPECT_EQ(tokyo.dataplane().session_count(), 0U);
}

TEST_F(Connecting, ThroughHeavyLoss) {
    network.loss_percent = 25;
    introduce(true, true);
    ASSERT_TRUE(until([&] { return both_up() && agree(); }, 60s));
    network.loss_percent = 0;
    ASSERT_TRUE(until([&] { return settled(); }));
    EXPECT_TRUE(carries());
}

TEST_F(Connecting, ASilentPeerIsTriedAgainUntilItIsThere) {
    network.cut.insert(tokyo.address());
    introduce(true, false);
    ASSERT_TRUE(until([&] { return paris.events(Event::Kind::handshake_failed, "no answer") >= 1; }));
    EXPECT_NE(paris.peer("tokyo").state, TunnelState::up);
    network.cut.clear();
    EXPECT_TRUE(until([&] { return settled(); }));
}

TEST_F(Connecting, NoWayIsAReasonOfItsOwn) {
    paris.unreachable.insert(tokyo.address());
    introduce(true, false);
    ASSERT_TRUE(until([&] { return paris.events(Event::Kind::handshake_failed, "no route") >= 1; }));
    EXPECT_TRUE(paris.peer("tokyo").next_attempt);
}

TEST_F(Connecting, ANameIsAskedForAgainAfterAFailure) {
    PeerSection to_tokyo = tokyo.as_peer(true);
    to_tokyo.endpoint->host = "tokyo.example.org";
    ASSERT_TRUE(tokyo.tunnels().add_peer(paris.as_peer(false)));
    ASSERT_TRUE(paris.tunnels().add_peer(to_tokyo));
    ASSERT_TRUE(until([&] { return paris.events(Event::Kind::handshake_failed, "name not known") >= 2; }));
    paris.names["tokyo.example.org"] = {dataplane::IpAddress::parse("203.0.113.77").value(), tokyo.address()};
    paris.unreachable.insert(dataplane::IpAddress::parse("203.0.113.77").value());
    EXPECT_TRUE(until([&] { return settled(); })) << "by its second address";
    EXPECT_GE(paris.names_asked, 3U);
}

TEST_F(Connecting, AFullSessionTableIsSaidAndTriedAgain) {
    paris.dataplane().most_sessions = 0;
    introduce(true, false);
    ASSERT_TRUE(until([&] { return paris.events(Event::Kind::handshake_failed, "table is full") >= 2; }));
    paris.dataplane().most_sessions = 10;
    EXPECT_TRUE(until([&] { return both_up() && agree(); }));
}

TEST_F(Connecting, AStrangersEndGetsLaneZeroWithoutHello) {
    tokyo.dataplane().mute_all = true;
    introduce(true, false, [](PeerSection& peer) { peer.lanes = 4; });
    ASSERT_TRUE(until([&] { return paris.active("tokyo").stranger; }));
    EXPECT_EQ(paris.peer("tokyo").lanes, 1);
    EXPECT_EQ(paris.active("tokyo").remote_index, 0U);
    EXPECT_TRUE(until([&] { return tokyo.up("paris"); })) << "our HELLO is a record like any other";
    EXPECT_TRUE(carries());
    run(1s);
    EXPECT_TRUE(paris.up("tokyo")) << "it answers no DPD, and yet lives";
}

TEST_F(Connecting, AStrangerThatCallsUsIsAnsweredAfterItsFirstRecord) {
    paris.dataplane().mute_all = true;
    introduce(true, false);
    ASSERT_TRUE(until([&] { return paris.up("tokyo"); }));
    run(100ms);
    EXPECT_FALSE(tokyo.up("paris")) << "nothing was heard on it yet";
    EXPECT_FALSE(tokyo.dataplane().send_inner_to(paris.prefix()));
    EXPECT_TRUE(paris.dataplane().send_inner_to(tokyo.prefix()));
    ASSERT_TRUE(until([&] { return tokyo.up("paris"); }));
    EXPECT_TRUE(carries());
    EXPECT_TRUE(until([&] { return tokyo.active("paris").stranger; }));
}

TEST_F(Connecting, WithSeveralHandshakeThreads) {
    settings.handshake_threads = 3;
    paris.kill();
    tokyo.kill();
    paris.start(settings);
    tokyo.start(settings);
    introduce(true, true, [](PeerSection& peer) { peer.lanes = 8; });
    ASSERT_TRUE(until([&] { return paris.peer("tokyo").lanes == 8 && settled(); }, 30s));
    EXPECT_GE(paris.tunnels().handshakes().established, 8U);
}

} // namespace
} // namespace culvert::control::tests
