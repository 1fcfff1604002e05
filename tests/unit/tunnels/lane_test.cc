#include "control/tunnels/lane.h"

#include <gtest/gtest.h>

namespace culvert::control {
namespace {

constexpr bool lower = true, higher = false;

Contender ours(std::uint64_t order, std::uint32_t generation = 0) {
    return {.generation = generation, .initiator = true, .order = order};
}
Contender theirs(std::uint64_t order, std::uint32_t generation = 0) {
    return {.generation = generation, .initiator = false, .order = order};
}
Contender proven(Contender contender) {
    contender.proven = true;
    return contender;
}
Contender active(Contender contender) {
    contender.active = true;
    return contender;
}

TEST(Lane, AnInitiatorsFirstSessionIsSentOnAtOnce) {
    const auto settlement = settle(std::vector{ours(1)}, std::nullopt);
    EXPECT_EQ(settlement.active, 0U);
    EXPECT_TRUE(settlement.drain.empty());
}

TEST(Lane, AResponderWaitsForTheFirstRecord) {
    EXPECT_EQ(settle(std::vector{theirs(1)}, std::nullopt).active, std::nullopt);
    EXPECT_EQ(settle(std::vector{proven(theirs(1))}, std::nullopt).active, 0U);
}

TEST(Lane, ARekeyTakesOverOnlyWhenItIsHeard) {
    const Contender old = active(proven(ours(1, 4)));
    const auto before = settle(std::vector{old, ours(2, 5)}, lower);
    EXPECT_EQ(before.active, 0U);
    EXPECT_TRUE(before.drain.empty());

    const auto after = settle(std::vector{old, proven(ours(2, 5))}, lower);
    EXPECT_EQ(after.active, 1U);
    EXPECT_EQ(after.drain, std::vector<std::size_t>{0});
}

TEST(Lane, AnExhaustedKeyIsLeftEvenForAnUnheardOne) {
    Contender old = active(proven(ours(1, 4)));
    old.exhausted = true;
    const auto settlement = settle(std::vector{old, ours(2, 5)}, lower);
    EXPECT_EQ(settlement.active, 1U);
    EXPECT_TRUE(settlement.drain.empty()) << "it may still receive";
    EXPECT_EQ(settle(std::vector{old}, lower).active, 0U) << "nothing better";
}

TEST(Lane, ALowerGenerationNeverTakesOver) {
    const auto settlement = settle(std::vector{active(proven(ours(1, 4))), proven(theirs(2, 3))}, higher);
    EXPECT_EQ(settlement.active, 0U);
    EXPECT_EQ(settlement.drain, std::vector<std::size_t>{1});
}

/// Both ends began: each sees the same two sessions, with the roles swapped, and must keep the same one.
TEST(Lane, BothInitiatingSettlesToOneAtBothEnds) {
    // Here: instance lower. Session 0 is ours, session 1 theirs. There: the same two the other way round.
    const auto here = settle(std::vector{active(proven(ours(1))), proven(theirs(2))}, lower);
    const auto there = settle(std::vector{proven(theirs(2)), active(proven(ours(1)))}, higher);
    EXPECT_EQ(here.active, 0U);
    EXPECT_EQ(there.active, 0U);
    EXPECT_EQ(here.drain, std::vector<std::size_t>{1});
    EXPECT_EQ(there.drain, std::vector<std::size_t>{1});
}

TEST(Lane, TheLoserStaysUntilTheStayerIsHeard) {
    const auto settlement = settle(std::vector{active(ours(1)), proven(theirs(2))}, lower);
    EXPECT_EQ(settlement.active, 0U);
    EXPECT_TRUE(settlement.drain.empty());
}

TEST(Lane, OfEqualsOfOneEndTheYoungerStays) {
    const auto settlement = settle(std::vector{active(proven(theirs(1))), proven(theirs(2))}, lower);
    EXPECT_EQ(settlement.active, 1U);
    EXPECT_EQ(settlement.drain, std::vector<std::size_t>{0});
}

TEST(Lane, WithoutTheOtherInstanceTheYoungerStays) {
    const auto settlement = settle(std::vector{active(proven(ours(1))), proven(theirs(2))}, std::nullopt);
    EXPECT_EQ(settlement.active, 1U);
}

TEST(Lane, WhatDrainsNeverComesBack) {
    Contender old = proven(ours(1, 9));
    old.draining = true;
    EXPECT_EQ(settle(std::vector{old}, lower).active, std::nullopt);
    EXPECT_EQ(settle(std::vector{old, proven(theirs(2, 3))}, lower).active, 1U);
}

} // namespace
} // namespace culvert::control
