#include "tun_bridge/bridge.h"

#include "tests/unit/tun_bridge/bridge_rig.h"
#include "tests/unit/tun_bridge/super_packet.h"

#include <array>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

namespace culvert::tun_bridge {
namespace {

using namespace culvert::testing;
using dataplane::BridgeQueue;

/// A bridge on one end of a socket pair, which keeps message boundaries as a TUN device does, but takes anything.
class BridgeOverSocket : public ::testing::Test {
  protected:
    void start(unsigned ring_size, unsigned workers = 1) {
        std::array<int, 2> ends{};
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
        kernel_ = FileDescriptor(ends[0]);
        tun_ = FileDescriptor(ends[1]);
        workers_ = std::vector<TestWorker>(workers);
        queue_ = make_queue(0, 0, workers_, ring_size);
        const BridgeLink link{tun_.get(), {.tcp = true, .udp = true}, queue_.get()};
        bridge_ = Bridge::start({}, {&link, 1}, pool_.get()).value();
    }
    void collect(std::size_t worker = 0) { workers_[worker].start({queue_.get()}, worker, std::ref(collector_)); }
    void hand_over(const SuperPacket& super) {
        std::array<iovec, 2> parts{{{const_cast<VirtioNetHeader*>(&super.header), sizeof super.header},
                                    {const_cast<std::uint8_t*>(super.packet.data()), super.packet.size()}}};
        ASSERT_EQ(::writev(kernel_.get(), parts.data(), 2),
                  static_cast<ssize_t>(sizeof super.header + super.packet.size()));
    }
    QueueFigures figures() { return bridge_->figures()[0]; }
    void TearDown() override {
        for (TestWorker& worker : workers_)
            worker.stop();
        bridge_.reset();
        queue_.reset();
    }

    PacketPool pool_;
    FileDescriptor kernel_, tun_;
    std::vector<TestWorker> workers_;
    std::unique_ptr<BridgeQueue> queue_;
    Collector collector_;
    std::unique_ptr<Bridge> bridge_;
};

TEST_F(BridgeOverSocket, CutsForTheWorkersAndJoinsForTheKernel) {
    start(1024);
    collect();
    const Bytes packet = ipv4("10.1.0.1", "10.2.0.1").tcp(5000, 80).payload(3000).bytes();
    hand_over(super_packet(packet, 1000));
    ASSERT_TRUE(eventually([&] { return collector_.count() == 3; }));
    const std::vector<Bytes> segments = collector_.packets();
    EXPECT_EQ(segments[1].size(), 1040U);
    EXPECT_TRUE(checksums_right(segments[1]));

    std::array<rte_mbuf*, 3> burst{};
    for (std::size_t i = 0; i < burst.size(); ++i)
        burst[i] = pool_.packet(segments[i]).release();
    enqueue_all(*queue_->from_workers, burst);
    ASSERT_TRUE(eventually([&] { return figures().to_tun == 3; }));
    Bytes written(70000);
    written.resize(
        static_cast<std::size_t>(std::max<ssize_t>(::read(kernel_.get(), written.data(), written.size()), 0)));
    const Bytes expected = super_packet(packet, 1000).packet;
    EXPECT_EQ(Bytes(written.begin() + sizeof(VirtioNetHeader), written.end()), expected);

    const QueueFigures seen = figures();
    EXPECT_EQ(seen.reads, 1U);
    EXPECT_EQ(seen.writes, 1U);
    EXPECT_EQ(seen.from_tun_bytes, 3 * 1040U);
    EXPECT_EQ(seen.to_tun_bytes, 3 * 1040U);
    EXPECT_EQ(imbalance(seen), 0);
}

TEST_F(BridgeOverSocket, CountsWhatIsMalformed) {
    start(1024);
    collect();
    SuperPacket bad = super_packet(ipv4("10.1.0.1", "10.2.0.1").tcp(5000, 80).payload(3000), 1000);
    bad.header.gso_size = 0;
    hand_over(bad);
    hand_over({{}, ipv4("10.1.0.1", "10.2.0.1").udp(1, 2).payload(3000).bytes()});
    ASSERT_EQ(::write(kernel_.get(), "short", 5), 5);
    hand_over({{}, ipv4("10.1.0.1", "10.2.0.1").udp(1, 2).payload("well").bytes()});
    ASSERT_TRUE(eventually([&] { return collector_.count() == 1; }));
    EXPECT_EQ(drops(figures(), BridgeDrop::malformed), 2U);
    EXPECT_EQ(drops(figures(), BridgeDrop::too_long), 1U);
    EXPECT_EQ(figures().from_tun, 4U);
    EXPECT_EQ(imbalance(figures()), 0);
}

TEST_F(BridgeOverSocket, AFullRingStopsTheReadingAndLosesNothing) {
    start(32);
    constexpr unsigned count = 40, segments = 30;
    // 40 super-packets of 30 segments each, while the worker stands still: they stay in the socket.
    for (unsigned i = 0; i < count; ++i)
        hand_over(super_packet(ipv4("10.1.0.1", "10.2.0.1")
                                   .id(static_cast<std::uint16_t>(i * segments))
                                   .udp(4000, 53)
                                   .payload(segments * 100U),
                               100));
    ASSERT_TRUE(eventually([&] { return queue_->waiting_for_room.load(); }));
    EXPECT_EQ(figures().stalls, 1U);
    EXPECT_EQ(figures().to_workers, 31U); // all that the ring holds
    EXPECT_GT(figures().in_flight, 0U);
    EXPECT_LT(figures().reads, 5U);
    EXPECT_EQ(imbalance(figures()), 0);

    collect();
    ASSERT_TRUE(eventually([&] { return collector_.count() == count * segments; }));
    std::uint16_t id = 0;
    for (const Bytes& packet : collector_.packets())
        ASSERT_EQ(packet[4] << 8 | packet[5], id++) << "out of order";
    EXPECT_EQ(figures().in_flight, 0U);
    EXPECT_EQ(imbalance(figures()), 0);
}

TEST_F(BridgeOverSocket, OneStalledWorkerOfTwoStopsItsQueueUntilItGoesOn) {
    start(32, 2);
    collect(0);
    for (std::uint16_t port = 1; port <= 200; ++port)
        hand_over({{}, ipv4("10.1.0.1", "10.2.0.1").udp(port, 53).payload("x").bytes()});
    ASSERT_TRUE(
        eventually([&] { return figures().stalls > 0 && figures().to_workers == 31 + collector_.count(); }));
    collect(1);
    ASSERT_TRUE(eventually([&] { return collector_.count() == 200; }));
    EXPECT_EQ(imbalance(figures()), 0);
}

TEST_F(BridgeOverSocket, CountsWhatNoBufferIsLeftFor) {
    start(1024);
    std::vector<rte_mbuf*> hoard(8191);
    ASSERT_EQ(rte_pktmbuf_alloc_bulk(pool_.get(), hoard.data(), 8000), 0);
    hand_over(super_packet(ipv4("10.1.0.1", "10.2.0.1").udp(4000, 53).payload(60000), 100)); // 600 packets
    ASSERT_TRUE(eventually([&] { return figures().from_tun == 600; }));
    EXPECT_GT(drops(figures(), BridgeDrop::no_buffers), 400U);
    EXPECT_EQ(imbalance(figures()), 0);
    rte_pktmbuf_free_bulk(hoard.data(), 8000);
}

TEST_F(BridgeOverSocket, StopsWithPacketsInHand) {
    start(32);
    hand_over(super_packet(ipv4("10.1.0.1", "10.2.0.1").udp(4000, 53).payload(60000), 1000));
    ASSERT_TRUE(eventually([&] { return queue_->waiting_for_room.load(); }));
    // TearDown stops it; the pool then counts its packets.
}

} // namespace
} // namespace culvert::tun_bridge
