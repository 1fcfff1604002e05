#include "dataplane/packet_ring.h"

#include "tests/unit/eal_environment.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <poll.h>
#include <thread>

using namespace culvert::dataplane;
using namespace culvert::testing;

namespace {

bool readable(const Waker& waker, int milliseconds) {
    pollfd descriptor{waker.fd(), POLLIN, 0};
    return poll(&descriptor, 1, milliseconds) == 1;
}

TEST(Waker, WakesASleeperOnly) {
    Waker waker;
    waker.notify();
    EXPECT_FALSE(readable(waker, 0)) << "nobody slept";
    waker.prepare();
    EXPECT_FALSE(readable(waker, 0));
    waker.notify();
    waker.notify();
    EXPECT_TRUE(readable(waker, 0));
    waker.finish();
    EXPECT_FALSE(readable(waker, 0)) << "finish() empties it";
    waker.notify();
    EXPECT_FALSE(readable(waker, 0)) << "awake again";
}

TEST(PacketRing, KeepsOrderAndRefusesWhatDoesNotFit) {
    PacketRing ring("ring_order", 8, PacketRing::Producers::one, nullptr);
    std::vector<Mbuf> packets;
    std::vector<rte_mbuf*> raw;
    for (std::uint8_t i = 0; i < 9; ++i) {
        packets.push_back(mbuf_of({i}));
        raw.push_back(packets.back().get());
    }
    EXPECT_TRUE(ring.empty());
    EXPECT_EQ(ring.room(), 7U);
    ASSERT_EQ(ring.enqueue(raw), 7U);
    EXPECT_EQ(ring.count(), 7U);
    EXPECT_EQ(ring.enqueue(std::span(raw).subspan(7)), 0U);
    rte_mbuf* out[32];
    ASSERT_EQ(ring.dequeue(out), 7U);
    EXPECT_TRUE(std::equal(out, out + 7, raw.begin()));
}

TEST(PacketRing, FreesWhatIsInside) {
    const unsigned before = rte_mempool_avail_count(test_pool());
    {
        PacketRing ring("ring_frees", 64, PacketRing::Producers::many, nullptr);
        std::vector<rte_mbuf*> raw(50);
        std::ranges::generate(raw, [] { return mbuf_of({1, 2, 3}).release(); });
        ASSERT_EQ(ring.enqueue(raw), 50U);
        EXPECT_EQ(rte_mempool_avail_count(test_pool()), before - 50);
    }
    EXPECT_EQ(rte_mempool_avail_count(test_pool()), before);
}

TEST(PacketRing, SaysWhyItCannotBe) {
    try {
        PacketRing ring("ring_size", 100, PacketRing::Producers::one, nullptr);
        FAIL() << "100 is no power of two";
    } catch (const std::runtime_error& error) {
        EXPECT_NE(std::string(error.what()).find("ring_size of 100: Invalid argument"), std::string::npos)
            << error.what();
    }
}

TEST(PacketRing, AConsumerThatSleepsMissesNothing) {
    constexpr int total = 20000;
    Waker waker;
    PacketRing ring("ring_sleeper", 64, PacketRing::Producers::many, &waker);
    std::jthread consumer([&] {
        rte_mbuf* out[32];
        for (int received = 0; received < total;) {
            waker.prepare();
            if (ring.empty() && !readable(waker, 10000)) {
                waker.finish();
                ADD_FAILURE() << "slept through a packet, after " << received;
                return;
            }
            waker.finish();
            const std::uint32_t count = ring.dequeue(out);
            rte_pktmbuf_free_bulk(out, count);
            received += static_cast<int>(count);
        }
    });
    const auto produce = [&] {
        for (int i = 0; i < total / 2; ++i) {
            Mbuf packet;
            while ((packet = Mbuf(rte_pktmbuf_alloc(test_pool()))) == nullptr)
                std::this_thread::yield();
            rte_mbuf* raw = packet.release();
            while (ring.enqueue({&raw, 1}) == 0)
                std::this_thread::yield();
        }
    };
    std::jthread other(produce);
    produce();
}

} // namespace
