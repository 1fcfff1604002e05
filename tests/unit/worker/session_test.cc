#include "dataplane/session.h"
#include "tests/unit/worker/gateway_rig.h"

#include <set>

namespace culvert::testing {
namespace {

using namespace dataplane;

TEST(SequenceSource, RisesFromItsStartToItsStop) {
    SequenceSource source(5, 8, {});
    EXPECT_EQ(source.take(), 5U);
    EXPECT_EQ(source.take(), 6U);
    EXPECT_FALSE(source.exhausted());
    EXPECT_EQ(source.take(), 7U);
    EXPECT_TRUE(source.exhausted());
}

TEST(SequenceSource, StepsOverNoncesOfTheHandshake) {
    SequenceSource source(1, 100, {4, 1, 2, 4, 9, 0});
    std::vector<std::uint64_t> taken;
    for (int i = 0; i < 6; ++i)
        taken.push_back(source.take());
    EXPECT_EQ(taken, (std::vector<std::uint64_t>{3, 5, 6, 7, 8, 10}));
}

TEST(SequenceSource, EndsBeforeMoreThanItCanStepOver) {
    std::vector<std::uint64_t> used;
    for (std::uint64_t i = 0; i < 40; ++i)
        used.push_back(10 + 2 * i);
    SequenceSource source(1, 1000, used);
    std::set<std::uint64_t> taken;
    while (!source.exhausted())
        taken.insert(source.take());
    EXPECT_FALSE(taken.empty());
    for (const std::uint64_t value : used)
        EXPECT_FALSE(taken.contains(value)) << value;
}

TEST(SequenceSource, NeverTakesItsStopWhenStepsLeadThere) {
    SequenceSource source(1, 3, {2});
    EXPECT_EQ(source.take(), 1U);
    EXPECT_TRUE(source.exhausted());
}

Bytes nonce_of(const Bytes& frame) {
    const auto start = frame.begin() + link_bytes + outer_v4_bytes + record_header_bytes;
    return {start, start + nonce_bytes};
}

/// The 36 bits of a nonce that must not repeat, whatever index stands in front of them.
Bytes sequence_bits(Bytes nonce) {
    nonce[0] = nonce[1] = nonce[2] = 0;
    nonce[3] &= 0x0f;
    return nonce;
}

/// Over several sessions and a handover, on both workers: no (key, nonce) pair twice.
TEST(Nonces, AreUniqueOverRekeyAndHandover) {
    GatewayRig left("left", {.workers = 2}), right("right", {.address = "192.0.2.2"});
    Pair pair = introduce(left, right, "10.1.0.0/16", "10.2.0.0/16");
    std::set<std::pair<unsigned, Bytes>> seen;
    const Bytes packet = ipv4("10.1.0.5", "10.2.0.5").udp(1, 2).payload(20);
    for (std::uint8_t generation = 0; generation < 4; ++generation) {
        connect(pair, {.seed = static_cast<std::uint8_t>(generation + 1),
                       .left_owner = generation % 2U,
                       .left_port = static_cast<std::uint16_t>(4433 + generation),
                       .used_nonces = {0x123456ULL << 36 | 7, 8, 20}});
        for (const unsigned used : {7U, 8U, 20U})
            seen.emplace(generation, Bytes{0, 0, 0, 0, 0, 0, 0, static_cast<std::uint8_t>(used)});
        for (unsigned i = 0; i < 400; ++i)
            left.from_kernel(packet, i % 2);
        for (const Bytes& frame : left.to_wire(400))
            EXPECT_TRUE(seen.emplace(generation, sequence_bits(nonce_of(frame))).second);
        EXPECT_EQ(seen.size(), 403U * (generation + 1U));
        left.dataplane().retire(pair.left_session);
        right.dataplane().retire(pair.right_session);
    }
    EXPECT_GT(left.account().handed_over, 0U);
    left.settle();
    EXPECT_TRUE(left.balanced());
}

TEST(SessionTable, IndexesOfRetiredSessionsAreNotGivenOutAgainSoon) {
    GatewayRig gateway("table");
    std::set<SessionIndex> seen;
    for (int i = 0; i < 5000; ++i) {
        const auto index = gateway.dataplane().reserve_session();
        ASSERT_TRUE(index.has_value());
        EXPECT_NE(*index, no_session);
        EXPECT_LT(raw(*index), 1U << session_index_bits);
        EXPECT_TRUE(seen.insert(*index).second);
        gateway.dataplane().release_session(*index);
    }
}

TEST(SessionTable, FullIsAnErrorThatSaysWhatToRaise) {
    GatewayRig gateway("full");
    std::vector<SessionIndex> all;
    for (int i = 0; i < 1024; ++i)
        all.push_back(*gateway.dataplane().reserve_session());
    const auto refused = gateway.dataplane().reserve_session();
    ASSERT_FALSE(refused.has_value());
    EXPECT_NE(refused.error().find("dataplane.max_sessions"), std::string::npos);
    for (const SessionIndex index : all)
        gateway.dataplane().release_session(index);
}

} // namespace
} // namespace culvert::testing
