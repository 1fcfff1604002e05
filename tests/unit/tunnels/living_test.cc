#include "tests/unit/tunnels/site.h"

namespace culvert::control::tests {
namespace {

/// What happens to a tunnel after it has come up.
class Living : public TwoSites {
  protected:
    void come_up(bool paris_calls = true, bool tokyo_calls = false,
                 const std::function<void(PeerSection&)>& change = {}) {
        introduce(paris_calls, tokyo_calls, change);
        ASSERT_TRUE(until([&] { return settled(); }));
    }
    /// Sends both ways all the time until the condition holds; counts what gets lost.
    bool under_traffic(const std::function<bool()>& condition, std::chrono::milliseconds patience = 15s) {
        return until(
            [&] {
                for (std::uint32_t flow = 0; flow < 4; ++flow) {
                    const auto before = tokyo.dataplane().inner_received + paris.dataplane().inner_received;
                    paris.dataplane().send_inner_to(tokyo.prefix(), flow);
                    tokyo.dataplane().send_inner_to(paris.prefix(), flow);
                    lost_ += 2 - (tokyo.dataplane().inner_received + paris.dataplane().inner_received - before);
                    sent_ += 2;
                }
                return condition();
            },
            patience);
    }
    std::uint64_t sent_ = 0, lost_ = 0;
};

TEST_F(Living, RekeyByTimeLosesNothing) {
    come_up(true, false, [](PeerSection& peer) { peer.rekey_time = 1s; });
    const auto first = paris.active("tokyo");
    ASSERT_TRUE(under_traffic([&] { return paris.active("tokyo").generation >= 2 && agree(); }));
    EXPECT_GT(sent_, 100U);
    EXPECT_EQ(lost_, 0U);
    EXPECT_NE(paris.active("tokyo").local.port, first.local.port);
    EXPECT_GE(paris.events(Event::Kind::rekeyed), 2U);
    EXPECT_EQ(paris.events(Event::Kind::tunnel_down), 0U);
    EXPECT_EQ(paris.events(Event::Kind::session_down), 0U);
    EXPECT_TRUE(until([&] { return paris.ports_held == 1 && paris.dataplane().listening.size() == 2; }))
        << "former ports are given back";
    EXPECT_FALSE(paris.dataplane().listening.contains(first.local.port));
}

TEST_F(Living, RekeyByCountLosesNothing) {
    come_up(true, false, [](PeerSection& peer) { peer.rekey_packets = 2000; });
    ASSERT_TRUE(under_traffic([&] { return paris.active("tokyo").generation >= 2 && agree(); }));
    EXPECT_EQ(lost_, 0U);
}

TEST_F(Living, BothEndsRekeyingSettlesAgain) {
    come_up(true, true, [](PeerSection& peer) {
        peer.rekey_packets = 1500;
        peer.lanes = 2;
    });
    settings.timing.rekey_grace = 0ms;
    ASSERT_TRUE(under_traffic([&] {
        return paris.active("tokyo", 0).generation >= 2 && paris.active("tokyo", 1).generation >= 2 && agree(0) &&
               agree(1);
    }));
    EXPECT_EQ(lost_, 0U);
    EXPECT_TRUE(until([&] { return agree(0) && agree(1); }));
}

TEST_F(Living, AResponderRekeysWhenTheInitiatorDoesNot) {
    come_up();
    PeerSection to_paris = paris.as_peer(true);
    to_paris.rekey_time = 1s; // the initiator's is an hour
    ASSERT_TRUE(tokyo.tunnels().change_peer(to_paris));
    ASSERT_TRUE(under_traffic([&] { return tokyo.active("paris").initiator && agree(); }));
    EXPECT_EQ(paris.active("tokyo").generation, 1U);
    EXPECT_EQ(lost_, 0U);
}

TEST_F(Living, AKilledResponderIsCalledAgain) {
    come_up();
    const auto before = paris.active("tokyo").index;
    tokyo.kill();
    paris.dataplane().send_inner_to(tokyo.prefix());
    ASSERT_TRUE(until([&] { return !paris.up("tokyo"); }));
    EXPECT_EQ(paris.events(Event::Kind::session_down, "does not answer"), 1U);
    tokyo.start(settings);
    ASSERT_TRUE(tokyo.tunnels().add_peer(paris.as_peer(false)));
    ASSERT_TRUE(until([&] { return settled(); }));
    EXPECT_NE(paris.active("tokyo").index, before);
    EXPECT_TRUE(carries());
}

TEST_F(Living, ARestartIsNoticedWithinTheTimeThatIsPromised) {
    settings.timing = Timing{}; // the real ones
    paris.kill();
    tokyo.kill();
    paris.start(settings);
    tokyo.start(settings);
    come_up();
    tokyo.kill();
    tokyo.start(settings);
    ASSERT_TRUE(tokyo.tunnels().add_peer(paris.as_peer(false)));
    const auto restarted = std::chrono::steady_clock::now();
    ASSERT_TRUE(until(
        [&] {
            paris.dataplane().send_inner_to(tokyo.prefix());
            return tokyo.up("paris") && agree();
        },
        20s));
    EXPECT_LT(std::chrono::steady_clock::now() - restarted, 10s);
}

TEST_F(Living, AKilledInitiatorsNewInstanceReplacesTheOldOne) {
    come_up();
    const auto before = tokyo.active("paris").index;
    paris.kill();
    paris.start(settings);
    ASSERT_TRUE(paris.tunnels().add_peer(tokyo.as_peer(true)));
    ASSERT_TRUE(until([&] { return settled(); }));
    EXPECT_NE(tokyo.active("paris").index, before);
    EXPECT_EQ(tokyo.events(Event::Kind::session_down, "started anew"), 1U);
    EXPECT_EQ(tokyo.events(Event::Kind::tunnel_down), 0U) << "the new one was there before the old one went";
    EXPECT_TRUE(carries());
}

TEST_F(Living, AnIdleDeadPeerIsNoticedByTheKeepalive) {
    come_up(true, false, [](PeerSection& peer) { peer.keepalive = 1s; });
    tokyo.kill();
    const auto killed = std::chrono::steady_clock::now();
    ASSERT_TRUE(until([&] { return !paris.up("tokyo"); }));
    EXPECT_LT(std::chrono::steady_clock::now() - killed, 3s);
}

TEST_F(Living, AnIdleLivingPeerStaysUp) {
    come_up(true, false, [](PeerSection& peer) { peer.keepalive = 1s; });
    run(3s);
    EXPECT_TRUE(settled());
    EXPECT_EQ(paris.events(Event::Kind::session_down), 0U);
}

TEST_F(Living, AnOrderlyEndIsKnownAtOnce) {
    come_up();
    bool gone = false;
    const auto asked = std::chrono::steady_clock::now();
    tokyo.tunnels().shut_down([&] { gone = true; });
    ASSERT_TRUE(until([&] { return !paris.up("tokyo"); }));
    EXPECT_LT(std::chrono::steady_clock::now() - asked, 250ms) << "long before DPD would know";
    EXPECT_EQ(paris.events(Event::Kind::session_down, "going down"), 1U);
    ASSERT_TRUE(until([&] { return gone; }));
    tokyo.kill();
    tokyo.start(settings);
    ASSERT_TRUE(tokyo.tunnels().add_peer(paris.as_peer(false)));
    EXPECT_TRUE(until([&] { return settled(); }));
}

TEST_F(Living, ALostLaneComesBackByItself) {
    come_up(true, false, [](PeerSection& peer) { peer.lanes = 3; });
    const auto lost = paris.active("tokyo", 1).index, kept = paris.active("tokyo", 2).index;
    tokyo.dataplane().retire(tokyo.active("paris", 1).index); // its other end is gone, without a word
    ASSERT_TRUE(until([&] {
        paris.dataplane().send_inner_to(tokyo.prefix(), 1);
        return agree(0) && agree(1) && agree(2) && paris.active("tokyo", 1).index != lost;
    }));
    EXPECT_EQ(paris.active("tokyo", 2).index, kept);
    EXPECT_EQ(paris.events(Event::Kind::tunnel_down), 0U);
}

TEST_F(Living, ARoamingPeerIsFollowed) {
    come_up();
    const dataplane::Endpoint inside = paris.active("tokyo").local;
    const dataplane::Endpoint outside = dataplane::Endpoint::parse("203.0.113.9:61000").value();
    network.moved[inside] = outside;
    ASSERT_TRUE(under_traffic([&] { return tokyo.active("paris").remote == outside; }));
    EXPECT_EQ(tokyo.events(Event::Kind::roamed), 1U);
    EXPECT_EQ(tokyo.peer("paris").endpoint, outside);
    EXPECT_TRUE(settled()) << "without a handshake";
    EXPECT_TRUE(carries());
}

TEST_F(Living, OurOwnNewAddressIsUsedAtOnce) {
    come_up();
    const auto session = paris.active("tokyo").index;
    const auto other = dataplane::IpAddress::parse("192.0.2.200").value();
    paris.change_source(other);
    EXPECT_EQ(paris.dataplane().local_of(session)->address, other);
    paris.dataplane().send_inner_to(tokyo.prefix());
    ASSERT_TRUE(until([&] { return tokyo.active("paris").remote.address == other; }));
    EXPECT_EQ(paris.active("tokyo").index, session);
    EXPECT_TRUE(carries());
}

TEST_F(Living, ANarrowPathIsFoundOut) {
    network.path_mtu = 1400;
    come_up();
    ASSERT_TRUE(until([&] {
        const auto session = paris.active("tokyo");
        return session.path_mtu_verified && session.path_mtu >= 1396;
    }));
    EXPECT_LE(paris.active("tokyo").path_mtu, 1400);
    EXPECT_GE(paris.events(Event::Kind::path_mtu), 1U);

    network.path_mtu = 1500;
    EXPECT_TRUE(until([&] { return paris.active("tokyo").path_mtu == 1500; })) << "raised after a while";
    network.path_mtu = 1450;
    paris.dataplane().hint(paris.active("tokyo").remote, 1450);
    EXPECT_TRUE(until([&] { return paris.active("tokyo").path_mtu == 1450; }))
        << "at an ICMP message that is true";
}

TEST_F(Living, TheSmallerPortAndTheConfigurationLimitThePath) {
    tokyo.dataplane().mtu = 1420;
    introduce(true, false);
    ASSERT_TRUE(until([&] { return settled() && paris.active("tokyo").path_mtu_verified; }));
    EXPECT_EQ(paris.active("tokyo").path_mtu, 1420);
    PeerSection narrow = tokyo.as_peer(true);
    narrow.mtu = 1350;
    ASSERT_TRUE(paris.tunnels().change_peer(narrow));
    EXPECT_TRUE(until([&] { return paris.active("tokyo").path_mtu == 1350; }));
    EXPECT_TRUE(settled());
}

TEST_F(Living, SenselessFramesAreCountedAndHurtNobody) {
    come_up();
    const auto from = tokyo.active("paris").index;
    const std::vector<std::vector<std::uint8_t>> frames{
        {},  {0},          {10}, {10, 1}, {10, 2, 0}, {11, 1, 2},
        {4}, {4, 1, 0, 0}, {7},  {255},   {3},        std::vector<std::uint8_t>(32, 10)};
    for (const auto& frame : frames)
        tokyo.dataplane().seal_frame(from, frame, 0);
    EXPECT_TRUE(until([&] { return paris.tunnels().frames_ignored() == 8U; }));
    run(100ms);
    EXPECT_EQ(paris.tunnels().frames_ignored(), 8U);
    EXPECT_TRUE(settled());
    EXPECT_TRUE(carries());
}

TEST_F(Living, AnAbandonedHandshakeLeavesNoSessionBehind) {
    paris.dataplane().mute_all = true;
    introduce(true, false);
    ASSERT_TRUE(until([&] { return tokyo.dataplane().session_count() == 1; }));
    paris.kill();
    EXPECT_TRUE(until([&] { return tokyo.dataplane().session_count() == 0; }));
    EXPECT_EQ(tokyo.events(Event::Kind::session_down, "nothing was ever heard"), 1U);
}

} // namespace
} // namespace culvert::control::tests
