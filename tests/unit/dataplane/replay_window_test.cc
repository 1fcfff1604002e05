#include "dataplane/replay_window.h"

#include <gtest/gtest.h>
#include <optional>
#include <random>
#include <set>

using culvert::dataplane::ReplayWindow;

namespace {

/// The window as the RFCs put it, slowly: the set of all numbers ever received.
class Model {
  public:
    bool accept(std::uint64_t sequence) {
        if (top_ && *top_ >= ReplayWindow::window && sequence <= *top_ - ReplayWindow::window)
            return false;
        if (!received_.insert(sequence).second)
            return false;
        top_ = std::max(top_.value_or(0), sequence);
        return true;
    }

  private:
    std::set<std::uint64_t> received_;
    std::optional<std::uint64_t> top_;
};

enum class Trace { in_order, reordered, jumping, wild };

std::uint64_t next(Trace trace, std::uint64_t& front, std::mt19937_64& random) {
    const std::uint64_t dice = random() % 100;
    const auto behind = [&](std::uint64_t most) { return front - std::min(front, random() % most); };
    switch (trace) {
    case Trace::in_order:
        return dice < 98 ? ++front : behind(4);
    case Trace::reordered:
        return dice < 50 ? ++front : behind(200);
    case Trace::jumping:
        return dice < 40 ? front += random() % 130 : behind(1100);
    case Trace::wild:
        return dice < 5 ? front += random() % 5000 : dice < 40 ? front += random() % 3 : behind(3000);
    }
    return 0;
}

TEST(ReplayWindow, AgreesWithTheModelOnRandomTraces) {
    for (const Trace trace : {Trace::in_order, Trace::reordered, Trace::jumping, Trace::wild})
        for (std::uint64_t seed = 0; seed < 20; ++seed) {
            std::mt19937_64 random(seed);
            ReplayWindow window;
            Model model;
            std::uint64_t front = 0;
            for (int i = 0; i < 20000; ++i) {
                const std::uint64_t sequence = next(trace, front, random);
                const bool expected = model.accept(sequence);
                ASSERT_EQ(window.would_accept(sequence), expected) << sequence << " behind " << window.top();
                ASSERT_EQ(window.accept(sequence), expected) << sequence << " behind " << window.top();
            }
        }
}

TEST(ReplayWindow, ReachesExactlyBack1024) {
    ReplayWindow window;
    EXPECT_TRUE(window.accept(5000));
    EXPECT_TRUE(window.accept(5000 - 1023));
    EXPECT_FALSE(window.accept(5000 - 1023));
    EXPECT_FALSE(window.accept(5000 - 1024));
    EXPECT_EQ(window.top(), 5000U);
}

TEST(ReplayWindow, JumpsOfEveryLengthForgetNothingAndInventNothing) {
    for (std::uint64_t jump = 1; jump < 1200; ++jump) {
        ReplayWindow window;
        Model model;
        for (std::uint64_t sequence = 0; sequence < 1024; ++sequence) {
            window.accept(sequence);
            model.accept(sequence);
        }
        window.accept(1023 + jump);
        model.accept(1023 + jump);
        for (std::uint64_t sequence = 0; sequence <= 1023 + jump; ++sequence)
            ASSERT_EQ(window.accept(sequence), model.accept(sequence)) << sequence << " after a jump of " << jump;
    }
}

TEST(ReplayWindow, TakesZeroOnceWhenNew) {
    ReplayWindow window;
    EXPECT_TRUE(window.accept(0));
    EXPECT_FALSE(window.accept(0));
    EXPECT_TRUE(window.accept(1));
}

TEST(ReplayWindow, AfterResetAllUpToTopCountsAsReceived) {
    ReplayWindow window;
    window.reset(7000);
    EXPECT_EQ(window.top(), 7000U);
    for (std::uint64_t sequence : {0U, 5975U, 5976U, 5977U, 6999U, 7000U})
        EXPECT_FALSE(window.accept(sequence)) << sequence;
    EXPECT_TRUE(window.accept(7002));
    EXPECT_TRUE(window.accept(7001));
    EXPECT_FALSE(window.accept(7000));
}

TEST(ReplayWindow, WorksAtTheEndOfTheNumbers) {
    constexpr std::uint64_t end = ~std::uint64_t{0};
    ReplayWindow window;
    EXPECT_TRUE(window.accept(end - 1));
    EXPECT_TRUE(window.accept(end));
    EXPECT_FALSE(window.accept(end));
    EXPECT_TRUE(window.accept(end - 1023));
    EXPECT_FALSE(window.accept(0));
}

} // namespace
