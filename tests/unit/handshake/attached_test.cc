#include "tests/unit/handshake/gateway.h"
#include "tests/unit/worker/gateway_rig.h"

#include <gtest/gtest.h>

/// Handshakes through real dataplanes, whose ports are rings: strangers' datagrams wake the handshake thread.
namespace culvert::control::tests {
namespace {

using testing::GatewayRig;

/// Carries what has come out of one port into the other.
void carry(GatewayRig& from, GatewayRig& to) {
    for (const testing::Bytes& frame : from.to_wire(0))
        to.from_wire(frame);
}

Gateway::Send transmitter(GatewayRig& rig, dataplane::NextHopId hop) {
    return [&rig, hop](const dataplane::Datagram& datagram) { rig.dataplane().transmit(datagram, hop); };
}

TEST(AttachedToDataplane, HandshakesWithStrangers) {
    GatewayRig left("left"), right("right", {.address = "192.0.2.2"});
    constexpr std::array<std::uint8_t, 6> link{2, 0, 0, 0, 0, 1};
    const auto left_hop = left.dataplane().add_next_hop(dataplane::PortId{0}, link);
    const auto right_hop = right.dataplane().add_next_hop(dataplane::PortId{0}, link);
    Gateway lefts(transmitter(left, left_hop)), rights(transmitter(right, right_hop));
    lefts.handshaker().attach(left.dataplane());
    rights.handshaker().attach(right.dataplane());
    lefts.handshaker().set_peer(by_psk(tokyo_handle, "tokyo", 7));
    rights.handshaker().set_peer(by_psk(paris_handle, "paris", 7));

    const dataplane::Endpoint left_end{left.address(), 4433}, right_end{right.address(), 4433};
    for (std::size_t nth = 0; nth < 3; ++nth) { // and the waker works again after each sleep
        rights.initiate(AttemptId{nth}, paris_handle, right_end, left_end);
        EXPECT_TRUE(testing::eventually([&] {
            carry(left, right);
            carry(right, left);
            return lefts.established_count() > nth && rights.established_count() > nth;
        }));
        const Established initiator = rights.wait_established(nth), responder = lefts.wait_established(nth);
        expect_matching(initiator, responder);
        EXPECT_EQ(responder.local, left_end);
        EXPECT_EQ(responder.remote, right_end);
    }
    lefts.handshaker().stop();
    rights.handshaker().stop();
}

} // namespace
} // namespace culvert::control::tests
