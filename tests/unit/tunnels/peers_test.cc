#include "tests/unit/tunnels/site.h"

namespace culvert::control::tests {
namespace {

/// Peers that come, change and go while others live.
class Peers : public TwoSites {
  protected:
    static dataplane::Prefix net(const char* text) { return dataplane::Prefix::parse(text).value(); }
    /// A peer that nobody answers for, at tokyo's address.
    static PeerSection somebody(const std::string& name, const char* prefix, const std::string& pin) {
        PeerSection section;
        section.name = name;
        section.pins = {pin};
        section.prefixes = {net(prefix)};
        return section;
    }
    void come_up() {
        introduce(true, false);
        ASSERT_TRUE(until([&] { return settled(); }));
        session_ = paris.active("tokyo").index;
    }
    bool untouched() { return paris.active("tokyo").index == session_ && agree() && carries(); }

    const std::string other_pin_ = pin_of_nobody();
    static std::string pin_of_nobody() {
        boost::asio::io_context io;
        MemoryNetwork network;
        return Site(io, network, "nobody", "203.0.113.1").pin();
    }
    dataplane::SessionIndex session_{};
};

TEST_F(Peers, RoutesSourcesAndKernelRoutesFollowThePrefixes) {
    PeerSection peer = somebody("osaka", "10.20.0.0/16", other_pin_);
    peer.prefixes.push_back(net("fd00:20::/64"));
    peer.tun = "cv1";
    ASSERT_TRUE(paris.tunnels().add_peer(peer));
    const dataplane::PeerId id = paris.peer("osaka").id;
    EXPECT_EQ(paris.dataplane().routes.at(net("10.20.0.0/16")), dataplane::Destination(id));
    EXPECT_EQ(paris.dataplane().sources.at(net("fd00:20::/64")), id);
    EXPECT_EQ(paris.kernel_routes.at(net("10.20.0.0/16")), dataplane::InstanceId{1});
    EXPECT_EQ(paris.dataplane().peers.at(id).instance, dataplane::InstanceId{1});

    peer.prefixes = {net("10.20.0.0/16"), net("10.21.0.0/16")};
    ASSERT_TRUE(paris.tunnels().change_peer(peer));
    EXPECT_EQ(paris.dataplane().routes.size(), 2U);
    EXPECT_FALSE(paris.kernel_routes.contains(net("fd00:20::/64")));
    EXPECT_TRUE(paris.kernel_routes.contains(net("10.21.0.0/16")));

    peer.tun = "cv0";
    ASSERT_TRUE(paris.tunnels().change_peer(peer));
    EXPECT_EQ(paris.kernel_routes.at(net("10.21.0.0/16")), dataplane::InstanceId{0});

    ASSERT_TRUE(paris.tunnels().remove_peer("osaka"));
    EXPECT_TRUE(paris.dataplane().routes.empty());
    EXPECT_TRUE(paris.dataplane().sources.empty());
    EXPECT_TRUE(paris.kernel_routes.empty());
    EXPECT_TRUE(until([&] { return paris.dataplane().peers.empty(); }));
}

TEST_F(Peers, ComingAndGoingTouchesNobodyElse) {
    come_up();
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(paris.tunnels().add_peer(somebody("osaka", "10.20.0.0/16", other_pin_)));
        run(50ms);
        EXPECT_TRUE(untouched());
        ASSERT_TRUE(paris.tunnels().remove_peer("osaka"));
        run(100ms);
        EXPECT_TRUE(untouched());
    }
    EXPECT_EQ(paris.tunnels().status().size(), 1U);
}

TEST_F(Peers, WhatCannotBeIsRefusedAndChangesNothing) {
    come_up();
    const auto problem = [&](const PeerSection& section) {
        const auto added = paris.tunnels().add_peer(section);
        return added ? std::string() : added.error();
    };
    EXPECT_NE(problem(tokyo.as_peer(true)).find("already"), std::string::npos);
    EXPECT_NE(problem(somebody("osaka", "10.9.0.0/16", other_pin_)).find("\"tokyo\""), std::string::npos);
    EXPECT_EQ(problem(somebody("nested", "10.9.1.0/24", other_pin_)), "") << "longest match decides";
    PeerSection bad = somebody("osaka", "10.20.0.0/16", "pin-sha256:nonsense");
    EXPECT_NE(problem(bad), "");
    bad = somebody("osaka", "10.20.0.0/16", other_pin_);
    bad.tun = "cv9";
    EXPECT_NE(problem(bad).find("cv9"), std::string::npos);
    bad = somebody("osaka", "10.20.0.0/16", other_pin_);
    bad.lanes = 65;
    EXPECT_NE(problem(bad), "");
    bad.lanes = 1;
    bad.pins.clear();
    bad.psk_file = "/nonexistent.psk";
    EXPECT_NE(problem(bad).find("/nonexistent.psk"), std::string::npos);
    EXPECT_FALSE(paris.tunnels().remove_peer("osaka"));
    EXPECT_FALSE(paris.tunnels().change_peer(bad));
    EXPECT_EQ(paris.tunnels().status().size(), 2U);
    EXPECT_TRUE(untouched());
}

TEST_F(Peers, AnotherPinBesideItsOwnCutsNothing) {
    come_up();
    PeerSection changed = tokyo.as_peer(true);
    changed.pins.push_back(other_pin_);
    ASSERT_TRUE(paris.tunnels().change_peer(changed));
    EXPECT_TRUE(untouched());
}

TEST_F(Peers, OtherCredentialsEndItsSessions) {
    come_up();
    PeerSection changed = tokyo.as_peer(true);
    changed.pins = {other_pin_};
    ASSERT_TRUE(paris.tunnels().change_peer(changed));
    EXPECT_FALSE(paris.up("tokyo"));
    EXPECT_TRUE(until([&] { return tokyo.events(Event::Kind::session_down, "credentials have changed") == 1; }));
    EXPECT_TRUE(until([&] { return paris.events(Event::Kind::handshake_failed, "pin") >= 1; }));
    changed.pins = {other_pin_, tokyo.pin()};
    ASSERT_TRUE(paris.tunnels().change_peer(changed));
    EXPECT_TRUE(until([&] { return settled(); }));
    EXPECT_TRUE(carries());
}

TEST_F(Peers, AnythingElseChangesUnderALivingSession) {
    come_up();
    PeerSection changed = tokyo.as_peer(true);
    changed.keepalive = 7s;
    changed.rekey_time = 7200s;
    changed.dscp = 46;
    changed.prefixes.push_back(net("10.99.0.0/16"));
    changed.endpoint->host = "203.0.113.50"; // for the next handshake
    ASSERT_TRUE(paris.tunnels().change_peer(changed));
    run(200ms);
    EXPECT_TRUE(untouched());
    EXPECT_EQ(paris.dataplane().peers.begin()->second.fixed_dscp, 46);
    EXPECT_TRUE(paris.dataplane().routes.contains(net("10.99.0.0/16")));
}

TEST_F(Peers, LanesGrowAndShrinkUnderALivingSession) {
    introduce(true, false, [](PeerSection& peer) { peer.lanes = 3; });
    ASSERT_TRUE(until([&] { return paris.peer("tokyo").lanes == 3 && settled(); }));
    const auto first = paris.active("tokyo").index;
    PeerSection changed = tokyo.as_peer(true);
    changed.lanes = 1;
    ASSERT_TRUE(paris.tunnels().change_peer(changed));
    ASSERT_TRUE(until([&] { return tokyo.peer("paris").lanes == 1 && settled(); }));
    changed.lanes = 2;
    ASSERT_TRUE(paris.tunnels().change_peer(changed));
    ASSERT_TRUE(until([&] { return tokyo.peer("paris").lanes == 2 && settled(); }));
    EXPECT_EQ(paris.active("tokyo").index, first);
    EXPECT_TRUE(carries(1));
}

TEST_F(Peers, ARemovedPeerIsToldAndLeavesNothingBehind) {
    come_up();
    ASSERT_TRUE(paris.tunnels().remove_peer("tokyo"));
    EXPECT_TRUE(until([&] { return tokyo.events(Event::Kind::session_down, "removed") == 1; }));
    EXPECT_TRUE(until([&] {
        return paris.dataplane().peers.empty() && paris.dataplane().session_count() == 0 &&
               paris.ports_held == 0 && paris.dataplane().listening.size() == 1;
    }));
    ASSERT_TRUE(paris.tunnels().add_peer(tokyo.as_peer(true)));
    EXPECT_TRUE(until([&] { return settled(); })) << "and may come back";
}

TEST_F(Peers, APeerThatComesBackIsAcceptedEvenIfItsGoodbyeWasLost) {
    come_up();
    network.cut.insert(tokyo.address());
    ASSERT_TRUE(paris.tunnels().remove_peer("tokyo"));
    run(200ms);
    network.cut.clear();
    ASSERT_TRUE(paris.tunnels().add_peer(tokyo.as_peer(true)));
    ASSERT_TRUE(until([&] { return settled(); }));
    EXPECT_EQ(tokyo.events(Event::Kind::session_down, "started anew"), 1U);
}

TEST_F(Peers, AWholeListAppliesOnlyWhatDiffers) {
    come_up();
    ASSERT_TRUE(paris.tunnels().add_peer(somebody("osaka", "10.20.0.0/16", other_pin_)));
    ASSERT_TRUE(paris.tunnels().add_peer(somebody("kyoto", "10.21.0.0/16", other_pin_)));
    const auto events = paris.log.size();
    // Tokyo stays; osaka and kyoto swap prefixes; nara is new.
    ASSERT_TRUE(paris.tunnels().set_peers({tokyo.as_peer(true), somebody("osaka", "10.21.0.0/16", other_pin_),
                                           somebody("kyoto", "10.20.0.0/16", other_pin_),
                                           somebody("nara", "10.22.0.0/16", other_pin_)}));
    EXPECT_EQ(paris.log.size(), events + 3);
    EXPECT_EQ(paris.dataplane().sources.at(net("10.21.0.0/16")), paris.peer("osaka").id);
    EXPECT_EQ(paris.dataplane().sources.at(net("10.20.0.0/16")), paris.peer("kyoto").id);
    EXPECT_TRUE(untouched());

    PeerSection bad = somebody("nara", "10.22.0.0/16", other_pin_);
    bad.psk_file = "/nonexistent.psk";
    EXPECT_FALSE(paris.tunnels().set_peers({bad}));
    EXPECT_EQ(paris.tunnels().status().size(), 4U) << "nothing half-applied";
    ASSERT_TRUE(paris.tunnels().set_peers({tokyo.as_peer(true)}));
    EXPECT_EQ(paris.tunnels().status().size(), 1U);
    EXPECT_TRUE(untouched());
}

} // namespace
} // namespace culvert::control::tests
