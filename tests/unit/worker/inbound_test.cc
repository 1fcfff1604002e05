#include "tests/unit/worker/gateway_rig.h"

#include <algorithm>
#include <random>

namespace culvert::testing {
namespace {

using namespace dataplane;

/// left 192.0.2.1 with 10.1.0.0/16 — right 192.0.2.2 with 10.2.0.0/16 and fd00:2::/32
class Inbound : public ::testing::Test {
  protected:
    void SetUp() override { connect(pair); }
    void TearDown() override {
        for (GatewayRig* gateway : {&left, &right}) {
            gateway->settle();
            EXPECT_TRUE(gateway->balanced());
        }
    }
    /// A sealed frame from left to right.
    Bytes sealed(const Bytes& packet) {
        left.from_kernel(packet);
        return left.to_wire(1).at(0);
    }
    Bytes sealed() { return sealed(hello); }
    void expect_drop(const Bytes& frame, DropReason reason, std::uint64_t times = 1) {
        const std::uint64_t before = right.drops(reason);
        right.from_wire(frame);
        EXPECT_TRUE(eventually([&] { return right.drops(reason) == before + times; }))
            << drop_reason_texts[static_cast<std::size_t>(reason)].name << " stays " << right.drops(reason);
    }

    GatewayRig left{"left"}, right{"right", {.address = "192.0.2.2"}};
    Pair pair = introduce(left, right, "10.1.0.0/16 fd00:1::/32", "10.2.0.0/16 fd00:2::/32");
    const Bytes hello = ipv4("10.1.0.5", "10.2.0.7").dont_fragment().udp(1000, 2000).payload("hello");
};

TEST_F(Inbound, InnerPacketsArriveAsTheyWere) {
    const Bytes hello6 = ipv6("fd00:1::5", "fd00:2::7").tcp(1000, 2000).payload(700);
    left.from_kernel(hello);
    left.from_kernel(hello6);
    carry(pair, 2, 0);
    EXPECT_EQ(right.to_kernel(2), (std::vector<Bytes>{hello, hello6}));
    const auto figures = right.dataplane().session(pair.right_session);
    ASSERT_TRUE(figures.has_value());
    EXPECT_EQ(figures->rx_packets, 2U);
    EXPECT_EQ(figures->rx_bytes, hello.size() + hello6.size());
}

TEST_F(Inbound, EthernetPaddingIsCutOff) {
    Bytes frame = sealed();
    frame.resize(frame.size() + 6, 0xee);
    right.from_wire(frame);
    EXPECT_EQ(right.to_kernel(1).at(0), hello);
}

TEST_F(Inbound, NothingInnerIsReadableOutside) {
    const Bytes frame = sealed();
    const std::string outside(frame.begin(), frame.end());
    EXPECT_EQ(outside.find("hello"), std::string::npos);
}

TEST_F(Inbound, EveryTruncationIsCounted) {
    const Bytes frame = sealed();
    const PacketAccount before = right.account();
    for (std::size_t length = 1; length < frame.size(); ++length)
        right.from_wire({frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(length)});
    EXPECT_TRUE(eventually([&] { return right.account().rx_port == before.rx_port + frame.size() - 1; }));
    right.settle();
    EXPECT_GT(right.drops(DropReason::outer_truncated), 0U);
    EXPECT_EQ(right.account().tx_bridge, before.tx_bridge);
}

TEST_F(Inbound, EveryBitFlipIsRefused) {
    const Bytes frame = sealed();
    const PacketAccount before = right.account();
    std::uint64_t sent = 0;
    for (std::size_t byte = link_bytes + outer_v4_bytes; byte < frame.size(); ++byte) {
        Bytes forged = frame;
        forged[byte] ^= static_cast<std::uint8_t>(1U << byte % 8);
        right.from_wire(forged);
        ++sent;
    }
    EXPECT_TRUE(eventually([&] { return right.account().rx_port == before.rx_port + sent; }));
    right.settle();
    EXPECT_EQ(right.account().tx_bridge, before.tx_bridge);
    EXPECT_GT(right.drops(DropReason::authentication), 0U);
    right.strangers(0); // what looked like a handshake went to control
    right.from_wire(frame);
    EXPECT_EQ(right.to_kernel(1).at(0), hello) << "forgeries must not have moved the replay window";
}

TEST_F(Inbound, AReplayIsCounted) {
    const Bytes frame = sealed();
    right.from_wire(frame);
    EXPECT_EQ(right.to_kernel(1).size(), 1U);
    expect_drop(frame, DropReason::replayed);
}

TEST_F(Inbound, ARecordOfNoSessionIsCounted) {
    Bytes frame = sealed();
    right.dataplane().retire(pair.right_session);
    expect_drop(frame, DropReason::unknown_session);
}

TEST_F(Inbound, AnotherEpochIsCounted) {
    Bytes frame = sealed();
    frame[link_bytes + outer_v4_bytes + 4] = 2;
    expect_drop(frame, DropReason::record_epoch);
}

TEST_F(Inbound, OuterFaultsHaveTheirReasons) {
    const auto outer = [](const Packet& packet) { return packet.bytes(); };
    const Bytes record = [&] {
        const Bytes frame = sealed();
        return Bytes(frame.begin() + link_bytes + outer_v4_bytes, frame.end());
    }();
    expect_drop(outer(ethernet().ipv4("192.0.2.1", "192.0.2.2").more_fragments().udp(4433, 4433).payload(record)),
                DropReason::outer_fragment);
    expect_drop(outer(ethernet().ipv4("192.0.2.1", "192.0.2.2").checksum(1).udp(4433, 4433).payload(record)),
                DropReason::outer_checksum);
    expect_drop(outer(ethernet().ipv4("192.0.2.1", "192.0.2.2").udp(4433, 4433).length(7).payload(record)),
                DropReason::outer_malformed);
    expect_drop(outer(ethernet().ipv4("192.0.2.1", "192.0.2.2").udp(4433, 4433).length(2000).payload(record)),
                DropReason::outer_malformed);
    expect_drop(outer(ethernet().ipv4("192.0.2.1", "192.0.2.3").udp(4433, 4433).payload(record)),
                DropReason::no_kernel_port);
    expect_drop(outer(ethernet().ipv4("192.0.2.1", "192.0.2.2").udp(4433, 4434).payload(record)),
                DropReason::no_kernel_port);
    expect_drop(outer(ethernet().ipv4("192.0.2.1", "192.0.2.2").udp(4433, 4433).payload("nonsense")),
                DropReason::record_malformed);
}

TEST_F(Inbound, AClientHelloIsControlsBusinessAndNobodyAnswers) {
    const Bytes hello_record{22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2};
    right.from_wire(ethernet().ipv4("198.51.100.7", "192.0.2.2").udp(5555, 4433).payload(hello_record));
    const auto strangers = right.strangers(1);
    ASSERT_EQ(strangers.size(), 1U);
    EXPECT_EQ(strangers[0].remote.text(), "198.51.100.7:5555");
    EXPECT_EQ(strangers[0].local.text(), "192.0.2.2:4433");
    EXPECT_EQ(strangers[0].payload, hello_record);
    EXPECT_TRUE(right.to_wire(0).empty());
}

TEST_F(Inbound, AHandshakeFromALiveSessionsEndpointIsTold) {
    const Bytes record{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2};
    right.from_wire(ethernet().ipv4("192.0.2.1", "192.0.2.2").udp(4433, 4433).payload(record));
    const auto told = right.notices(1);
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0].notice.kind, Notice::Kind::handshake);
    EXPECT_EQ(told[0].notice.session, pair.right_session);
    EXPECT_EQ(told[0].bytes, record);
}

TEST_F(Inbound, ACleartextAlertOnALiveSessionIsIgnored) {
    const Bytes alert{21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40};
    expect_drop(ethernet().ipv4("192.0.2.1", "192.0.2.2").udp(4433, 4433).payload(alert),
                DropReason::record_epoch);
}

TEST_F(Inbound, AnotherPeersSourceIsRefused) {
    expect_drop(sealed(ipv4("10.9.0.5", "10.2.0.7").udp(1, 2)), DropReason::inner_source);
    expect_drop(sealed(ipv6("fd00:9::5", "fd00:2::7").udp(1, 2)), DropReason::inner_source);
}

TEST_F(Inbound, TheLongestMatchOfTheSourceDecides) {
    const PeerId other = right.dataplane().add_peer({});
    right.dataplane().add_source(*Prefix::parse("10.1.128.0/17"), other);
    expect_drop(sealed(ipv4("10.1.200.1", "10.2.0.7").udp(1, 2)), DropReason::inner_source);
    right.from_wire(sealed());
    EXPECT_EQ(right.to_kernel(1).size(), 1U);
}

TEST_F(Inbound, CongestionMarkedOutsideReachesTheInnerPacket) {
    const Bytes capable = ipv4("10.1.0.5", "10.2.0.7").traffic_class(2).udp(1, 2).payload("x");
    Bytes frame = sealed(capable);
    EXPECT_EQ(frame[link_bytes + 1] & 3, 2) << "the outer header copies ECT(0)";
    const auto mark = [](Bytes& at) { // set CE and mend the header checksum
        at[link_bytes + 1] |= 3;
        at[link_bytes + 10] = at[link_bytes + 11] = 0;
        const std::uint16_t sum = plain_checksum({at.begin() + link_bytes, at.begin() + link_bytes + 20});
        at[link_bytes + 10] = static_cast<std::uint8_t>(sum >> 8);
        at[link_bytes + 11] = static_cast<std::uint8_t>(sum);
    };
    mark(frame);
    right.from_wire(frame);
    EXPECT_EQ(right.to_kernel(1).at(0),
              ipv4("10.1.0.5", "10.2.0.7").traffic_class(3).udp(1, 2).payload("x").bytes());
    frame = sealed();
    mark(frame);
    expect_drop(frame, DropReason::ecn_illegal);
}

TEST_F(Inbound, ControlFramesAreToldOpened) {
    const Bytes frame{3, 'p', 'i', 'n', 'g'};
    ASSERT_TRUE(left.dataplane().seal_frame(pair.left_session, frame));
    carry(pair, 1, 0);
    const auto told = right.notices(2);
    ASSERT_EQ(told.size(), 2U);
    EXPECT_EQ(told[0].notice.kind, Notice::Kind::first_record);
    EXPECT_EQ(told[1].notice.kind, Notice::Kind::frame);
    EXPECT_EQ(told[1].notice.content_type, 23);
    EXPECT_EQ(told[1].bytes, frame);
}

TEST_F(Inbound, ARecordFromANewEndpointIsFollowed) {
    const auto moved = [](Bytes frame) { // 192.0.2.1:4433 → 203.0.113.9:7000
        const Bytes inner(frame.begin() + link_bytes + outer_v4_bytes, frame.end());
        return ethernet().ipv4("203.0.113.9", "192.0.2.2").udp(7000, 4433).payload(inner).bytes();
    };
    right.from_wire(sealed());
    EXPECT_EQ(right.to_kernel(1).size(), 1U);
    const Bytes older = sealed();
    right.from_wire(moved(sealed()));
    EXPECT_EQ(right.to_kernel(1).size(), 1U);
    const auto told = right.notices(2);
    EXPECT_EQ(told.back().notice.kind, Notice::Kind::roamed);
    EXPECT_EQ(told.back().notice.remote.text(), "203.0.113.9:7000");
    right.from_wire(older); // late, from the old endpoint: taken, but not followed
    EXPECT_EQ(right.to_kernel(1).size(), 1U);
    right.from_kernel(ipv4("10.2.0.7", "10.1.0.5").udp(1, 2));
    const Bytes answer = right.to_wire(1).at(0);
    EXPECT_EQ((Bytes{answer.begin() + link_bytes + 16, answer.begin() + link_bytes + 20}),
              (Bytes{203, 0, 113, 9}));
}

TEST_F(Inbound, NobodySendsWithTheGatewaysOwnAddress) {
    right.dataplane().add_source(*Prefix::parse("10.255.0.0/16"), pair.right_peer);
    expect_drop(sealed(ipv4("10.255.0.1", "10.2.0.7").udp(1, 2)), DropReason::inner_source);
}

TEST_F(Inbound, AForgeryFromANewEndpointIsNotFollowed) {
    Bytes record = sealed();
    record = {record.begin() + link_bytes + outer_v4_bytes, record.end()};
    record.back() ^= 1;
    expect_drop(ethernet().ipv4("203.0.113.9", "192.0.2.2").udp(7000, 4433).payload(record),
                DropReason::authentication);
    EXPECT_TRUE(right.notices(0).empty());
}

TEST_F(Inbound, RandomFramesAreAllCounted) {
    std::mt19937 random(7);
    const Bytes frame = sealed();
    for (int round = 0; round < 200; ++round) {
        const PacketAccount before = right.account();
        for (int i = 0; i < 100; ++i) {
            Bytes noise = frame;
            for (auto flips = 1 + random() % 6; flips > 0; --flips)
                noise[random() % noise.size()] = static_cast<std::uint8_t>(random());
            if (random() % 4 == 0)
                noise.resize(random() % noise.size() + 1);
            right.from_wire(noise);
        }
        ASSERT_TRUE(eventually([&] { return right.account().rx_port == before.rx_port + 100; }));
        right.to_kernel(0);
        right.strangers(0);
        right.notices(0);
        right.to_wire(0);
    }
}

TEST(Vlan, TunnelTrafficIsTaggedBothWays) {
    GatewayRig left("left", {.vlan = 7}), right("right", {.vlan = 7, .address = "192.0.2.2"});
    Pair pair = introduce(left, right, "10.1.0.0/16", "10.2.0.0/16");
    connect(pair);
    const Bytes packet = ipv4("10.1.0.5", "10.2.0.7").udp(1, 2).payload(50);
    left.from_kernel(packet);
    const Bytes frame = left.to_wire(1).at(0);
    EXPECT_EQ((Bytes{frame.begin() + 12, frame.begin() + 18}), (Bytes{0x81, 0, 0, 7, 0x08, 0}));
    right.from_wire(frame);
    EXPECT_EQ(right.to_kernel(1).at(0), packet);
    Bytes untagged = frame, other = frame;
    untagged.erase(untagged.begin() + 12, untagged.begin() + 16);
    other[15] = 8;
    right.from_wire(untagged);
    right.from_wire(other);
    EXPECT_TRUE(eventually([&] { return right.drops(DropReason::no_kernel_port) == 2; }));
}

/// A NAT that restarts may swap the ports of two lanes: the index, not the endpoint, says whose record it is.
TEST(Roaming, TwoSessionsThatSwapTheirEndpointsAreBothFollowed) {
    GatewayRig left("left"), right("right", {.address = "192.0.2.2"});
    Pair pair = introduce(left, right, "10.1.0.0/16", "10.2.0.0/16", 2);
    connect(pair, {.seed = 1, .lane = 0, .left_port = 5000});
    const SessionIndex first = pair.left_session;
    connect(pair, {.seed = 2, .lane = 1, .left_port = 5001});
    const auto frame_of = [&](SessionIndex session) {
        EXPECT_TRUE(left.dataplane().seal_frame(session, Bytes{7}));
        return left.to_wire(1).at(0);
    };
    right.from_wire(frame_of(first));
    right.from_wire(frame_of(pair.left_session));
    right.notices(4); // two first records, two frames
    const auto from_port = [](Bytes frame, std::uint16_t port) {
        return ethernet()
            .ipv4("192.0.2.1", "192.0.2.2")
            .udp(port, 4433)
            .payload(Bytes(frame.begin() + link_bytes + outer_v4_bytes, frame.end()))
            .bytes();
    };
    right.from_wire(from_port(frame_of(first), 5001));
    right.from_wire(from_port(frame_of(pair.left_session), 5000));
    const auto told = right.notices(4);
    EXPECT_EQ(std::ranges::count(told, Notice::Kind::roamed, [](const auto& t) { return t.notice.kind; }), 2);
    EXPECT_EQ(right.drops(DropReason::authentication), 0U);
}

TEST(Handover, PacketsReachTheirOwner) {
    GatewayRig left("left"), right("right", {.workers = 2, .address = "192.0.2.2"});
    Pair pair = introduce(left, right, "10.1.0.0/16", "10.2.0.0/16");
    connect(pair, {.right_owner = 1});
    const Bytes packet = ipv4("10.1.0.5", "10.2.0.7").udp(1, 2).payload(100);
    for (unsigned i = 0; i < 100; ++i)
        left.from_kernel(packet);
    for (const Bytes& frame : left.to_wire(100))
        right.from_wire(frame, 0); // arrives at worker 0, whose colleague owns the session
    EXPECT_EQ(right.to_kernel(100).size(), 100U);
    EXPECT_EQ(right.account().handed_over, 100U);
    EXPECT_EQ(right.dataplane().workers()[1].opened, 100U);
    for (unsigned i = 0; i < 50; ++i)
        right.from_kernel(ipv4("10.2.0.7", "10.1.0.5").udp(1, 2), 0);
    EXPECT_EQ(right.to_wire(50).size(), 50U);
    EXPECT_EQ(right.dataplane().workers()[1].sealed, 50U);
    right.settle();
    EXPECT_TRUE(right.balanced());
}

} // namespace
} // namespace culvert::testing
