#include "dataplane/session.h"
#include "tests/unit/worker/gateway_rig.h"

#include <map>
#include <set>

namespace culvert::testing {
namespace {

using namespace dataplane;

class Outbound : public ::testing::Test {
  protected:
    void TearDown() override {
        for (GatewayRig* gateway : {&left, &right}) {
            gateway->settle();
            EXPECT_TRUE(gateway->balanced());
        }
    }
    void expect_drop(DropReason reason) {
        EXPECT_TRUE(eventually([&] { return left.drops(reason) == 1; }))
            << drop_reason_texts[static_cast<std::size_t>(reason)].name;
    }

    GatewayRig left{"left"}, right{"right", {.address = "192.0.2.2"}};
    Pair pair = introduce(left, right, "10.1.0.0/16 fd00:1::/32", "10.2.0.0/16 fd00:2::/32");
};

TEST_F(Outbound, TheOuterHeadersAreRight) {
    connect(pair);
    left.from_kernel(ipv4("10.1.0.5", "10.2.0.7").traffic_class(0xb8).udp(1, 2).payload(100));
    const Bytes frame = left.to_wire(1).at(0);
    const Bytes outer(frame.begin() + link_bytes, frame.end());
    EXPECT_EQ(outer[0], 0x45);
    EXPECT_EQ(outer[1], 0xb8) << "DSCP is copied";
    EXPECT_EQ(outer[6], 0x40) << "DF is always set";
    EXPECT_EQ(outer[2] << 8 | outer[3], static_cast<int>(outer.size()));
    EXPECT_EQ(plain_checksum({outer.begin(), outer.begin() + 20}), 0);
    EXPECT_EQ(outer[outer_v4_bytes], 23) << "application data";
    EXPECT_EQ(outer.size(), outer_v4_bytes + 128U + 37U);
}

TEST_F(Outbound, AFixedDscpReplacesTheInnerOne) {
    left.dataplane().change_peer(pair.left_peer, {.lanes = 1, .instance = {}, .fixed_dscp = std::uint8_t{10}});
    connect(pair);
    left.from_kernel(ipv4("10.1.0.5", "10.2.0.7").traffic_class(0xb9).udp(1, 2));
    EXPECT_EQ(left.to_wire(1).at(0)[link_bytes + 1], 10 << 2 | 1);
}

TEST_F(Outbound, WithoutARouteTheSenderIsTold) {
    left.from_kernel(ipv4("10.1.0.5", "10.77.0.1").udp(1, 2).payload("x"));
    expect_drop(DropReason::no_route);
    const Bytes answer = left.to_kernel(1).at(0);
    EXPECT_EQ(answer[9], 1);
    EXPECT_EQ(answer[20], 3) << "destination unreachable";
    EXPECT_EQ((Bytes{answer.begin() + 12, answer.begin() + 16}), (Bytes{10, 255, 0, 1}));
    EXPECT_TRUE(checksums_right(answer));
}

TEST_F(Outbound, WithoutASessionTheSenderIsTold) {
    left.from_kernel(ipv6("fd00:1::5", "fd00:2::7").udp(1, 2).payload("x"));
    expect_drop(DropReason::peer_down);
    const Bytes answer = left.to_kernel(1).at(0);
    EXPECT_EQ(answer[6], 58);
    EXPECT_EQ(answer[40], 1);
    EXPECT_TRUE(checksums_right(answer));
}

TEST_F(Outbound, MulticastIsDroppedWithoutAWord) {
    connect(pair);
    left.from_kernel(ipv6("fe80::1", "ff02::2").icmp(133, 0));
    expect_drop(DropReason::inner_not_routable);
    EXPECT_TRUE(left.to_kernel(0).empty());
}

TEST_F(Outbound, GarbageFromTheKernelIsCounted) {
    left.from_kernel({0x45, 0, 0, 40, 1, 2, 3});
    expect_drop(DropReason::inner_malformed);
}

TEST_F(Outbound, TheFullSizeFitsAndOneByteMoreIsTooBig) {
    connect(pair);
    constexpr std::size_t room = 1500 - 28 - 37;
    left.from_kernel(ipv4("10.1.0.5", "10.2.0.7").dont_fragment().udp(1, 2).payload(room - 28));
    EXPECT_EQ(left.to_wire(1).at(0).size(), link_bytes + 1500U);
    left.from_kernel(ipv4("10.1.0.5", "10.2.0.7").dont_fragment().udp(1, 2).payload(room - 27));
    expect_drop(DropReason::too_big);
    const Bytes answer = left.to_kernel(1).at(0);
    EXPECT_EQ(answer[20], 3);
    EXPECT_EQ(answer[21], 4) << "fragmentation needed";
    EXPECT_EQ(answer[26] << 8 | answer[27], static_cast<int>(room));
    left.from_kernel(ipv6("fd00:1::5", "fd00:2::7").udp(1, 2).payload(room));
    const Bytes answer6 = left.to_kernel(1).at(0);
    EXPECT_EQ(answer6[40], 2) << "packet too big";
    EXPECT_TRUE(checksums_right(answer6));
}

TEST_F(Outbound, WhatMayBeFragmentedIs) {
    connect(pair);
    left.from_kernel(ipv4("10.1.0.5", "10.2.0.7").udp(1, 2).payload(2000));
    carry(pair, 2, 0);
    const auto fragments = right.to_kernel(2);
    ASSERT_EQ(fragments.size(), 2U);
    EXPECT_EQ(fragments[0].size() + fragments[1].size(), 2028U + 20U);
    EXPECT_EQ(fragments[0][6] & 0x20, 0x20);
    EXPECT_EQ(fragments[1][6] & 0x20, 0);
}

TEST_F(Outbound, APathMtuIsKeptTo) {
    connect(pair);
    left.dataplane().set_path_mtu(pair.left_session, 1000);
    left.from_kernel(ipv4("10.1.0.5", "10.2.0.7").dont_fragment().udp(1, 2).payload(1000));
    expect_drop(DropReason::too_big);
    left.from_kernel(ipv4("10.1.0.5", "10.2.0.7").tcp(1, 2).syn().mss(1460));
    carry(pair, 1, 0);
    left.to_kernel(0);
    const Bytes syn = right.to_kernel(1).at(0);
    EXPECT_EQ(syn[42] << 8 | syn[43], 1000 - 28 - 37 - 40) << "MSS is clamped to the path";
    EXPECT_TRUE(checksums_right(syn));
}

TEST_F(Outbound, AProbeIsPaddedToItsSize) {
    connect(pair);
    ASSERT_TRUE(left.dataplane().seal_frame(pair.left_session, Bytes{3, 1, 2}, 1400));
    EXPECT_EQ(left.to_wire(1).at(0).size(), link_bytes + 1400U);
    EXPECT_FALSE(left.dataplane().seal_frame(pair.left_session, Bytes{3}, 1501)) << "more than the port carries";
}

TEST_F(Outbound, WithoutANextHopNothingIsSent) {
    connect(pair);
    left.dataplane().set_next_hop(pair.left_session, left.dataplane().add_next_hop(PortId{0}, std::nullopt));
    left.from_kernel(ipv4("10.1.0.5", "10.2.0.7").udp(1, 2));
    expect_drop(DropReason::no_next_hop);
}

TEST_F(Outbound, ARekeyIsAskedForInTime) {
    connect(pair, {.rekey_after = 3});
    for (int i = 0; i < 5; ++i)
        left.from_kernel(ipv4("10.1.0.5", "10.2.0.7").udp(1, 2));
    left.to_wire(5);
    const auto told = left.notices(1);
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0].notice.kind, Notice::Kind::rekey_due);
}

/// A path of 2^36 blocks can't be walked in a test, but its last eighth is asked for by the same function.
TEST(Session, ANewKeyIsDueBeforeTheBlocksRunOut) {
    GatewayRig gateway("due");
    const PeerId id = gateway.dataplane().add_peer({});
    SessionState state;
    state.peer = id;
    const crypto::Secret<32> key(std::array<std::uint8_t, 32>{});
    state.rx_key = state.tx_key = key;
    state.algorithm = crypto::Algorithm::aes_256_gcm;
    const auto engine = crypto::make_engine("libcrypto");
    Session session(state, nullptr, **engine);
    EXPECT_FALSE(session.rekey_due());
    session.tx.blocks_left = static_cast<std::int64_t>(crypto::key_limits::sealed_blocks / 8) - 2;
    EXPECT_TRUE(session.rekey_due());
}

TEST_F(Outbound, SealingStopsAtTheKeysLimit) {
    connect(pair, {.tx_next = (std::uint64_t{1} << 36) - 3});
    for (int i = 0; i < 4; ++i)
        left.from_kernel(ipv4("10.1.0.5", "10.2.0.7").udp(1, 2));
    EXPECT_TRUE(eventually([&] { return left.drops(DropReason::key_exhausted) == 2; }));
    EXPECT_EQ(left.to_wire(2).size(), 2U);
    EXPECT_EQ(left.notices(1).at(0).notice.kind, Notice::Kind::key_exhausted);
}

TEST_F(Outbound, UnansweredDataIsTimed) {
    connect(pair);
    EXPECT_EQ(left.dataplane().session(pair.left_session)->unanswered.count(), 0);
    left.from_kernel(ipv4("10.1.0.5", "10.2.0.7").udp(1, 2));
    carry(pair, 1, 0);
    EXPECT_GT(left.dataplane().session(pair.left_session)->unanswered.count(), 0);
    right.from_kernel(ipv4("10.2.0.7", "10.1.0.5").udp(1, 2));
    carry(pair, 0, 1);
    left.to_kernel(1);
    EXPECT_EQ(left.dataplane().session(pair.left_session)->unanswered.count(), 0);
}

TEST(Lanes, AFlowKeepsToOneAndBothWaysAgree) {
    GatewayRig left("left", {.workers = 2}), right("right", {.workers = 2, .address = "192.0.2.2"});
    Pair pair = introduce(left, right, "10.1.0.0/16", "10.2.0.0/16", 4);
    for (std::uint8_t lane = 0; lane < 4; ++lane)
        connect(pair, {.seed = static_cast<std::uint8_t>(lane + 1),
                       .left_owner = lane % 2U,
                       .right_owner = lane % 2U,
                       .lane = lane,
                       .left_port = static_cast<std::uint16_t>(5000 + lane)});
    std::set<unsigned> used;
    for (std::uint16_t flow = 0; flow < 64; ++flow) {
        std::set<unsigned> lanes;
        for (int packet = 0; packet < 3; ++packet) {
            left.from_kernel(ipv4("10.1.0.5", "10.2.0.7").udp(flow, 80));
            const Bytes out = left.to_wire(1).at(0);
            lanes.insert(out[link_bytes + 21]); // low byte of the source port
            right.from_kernel(ipv4("10.2.0.7", "10.1.0.5").udp(80, flow));
            const Bytes back = right.to_wire(1).at(0);
            lanes.insert(back[link_bytes + 23]); // low byte of the destination port
        }
        EXPECT_EQ(lanes.size(), 1U) << "flow " << flow;
        used.merge(lanes);
    }
    EXPECT_EQ(used.size(), 4U);
    for (GatewayRig* gateway : {&left, &right}) {
        gateway->settle();
        EXPECT_TRUE(gateway->balanced());
    }
}

/// spoke — hub — spoke: the hub's kernel never sees what goes from one to the other.
TEST(Relay, GoesFromPeerToPeer) {
    GatewayRig one("one"), hub("hub", {.address = "192.0.2.9"}), two("two", {.address = "192.0.2.2"});
    hub.dataplane().set_instance_address(InstanceId{0}, *IpAddress::parse("10.255.0.9"));
    Pair first = introduce(one, hub, "10.1.0.0/16", "10.2.0.0/16 10.255.0.0/24"); // with the hub itself
    Pair second = introduce(two, hub, "10.2.0.0/16", "10.1.0.0/16");
    connect(first);
    connect(second, {.seed = 9, .left_port = 4434});
    one.from_kernel(ipv4("10.1.0.5", "10.2.0.7").ttl(9).udp(1, 2).payload("relayed"));
    hub.from_wire(one.to_wire(1).at(0));
    two.from_wire(hub.to_wire(1).at(0));
    EXPECT_EQ(two.to_kernel(1).at(0), ipv4("10.1.0.5", "10.2.0.7").ttl(8).udp(1, 2).payload("relayed").bytes());
    EXPECT_EQ(hub.account().tx_bridge, 0U);

    one.from_kernel(ipv4("10.1.0.5", "10.2.0.7").ttl(1).udp(1, 2).payload("too far"));
    hub.from_wire(one.to_wire(1).at(0));
    one.from_wire(hub.to_wire(1).at(0));
    const Bytes answer = one.to_kernel(1).at(0);
    EXPECT_EQ(answer[20], 11) << "time exceeded, back through the tunnel";
    EXPECT_EQ(hub.drops(DropReason::inner_ttl), 1U);
    hub.settle();
    EXPECT_TRUE(hub.balanced());
}

} // namespace
} // namespace culvert::testing
