#include "control/tunnels/path_mtu.h"

#include "tests/unit/tunnels/virtual_clock.h"

#include <array>
#include <gtest/gtest.h>
#include <optional>
#include <random>

namespace culvert::control {
namespace {

using namespace tests;

/// A path that lets packets of a certain size pass and answers 40 ms later, and a session that lives on it.
class PathMtuTest : public testing::Test {
  protected:
    void run(Timing::Duration time) {
        for (const TimePoint until = clock_.now() + time; clock_.now() < until; clock_.after(20ms)) {
            while (!echoes_.empty() && echoes_.front().at <= clock_.now()) {
                last_rx_ = clock_.now();
                if (path_->echoed(echoes_.front().size, echoes_.front().round))
                    look_at_ = clock_.now();
                echoes_.erase(echoes_.begin());
            }
            if (clock_.now() >= look_at_)
                look();
        }
    }
    void look() {
        const auto step = path_->check(clock_.now(), last_rx_);
        look_at_ = step.next;
        if (step.set)
            sizes_.push_back(*step.set);
        for (const std::uint16_t size : step.sizes()) {
            ++probes_;
            largest_probe_ = std::max(largest_probe_, size);
            send(size);
        }
        if (step.ask_alive)
            send(0);
    }
    void send(std::uint16_t size) {
        const bool lost = loss_percent_ > 0 && random_() % 100 < loss_percent_;
        if (size <= limit_ && !lost && !dead_)
            echoes_.push_back({clock_.now() + 40ms, size, path_->round()});
    }
    bool settled_on(std::uint16_t size) const { return path_->current() == size && path_->verified(); }

    struct Echo {
        TimePoint at;
        std::uint16_t size;
        std::uint8_t round;
    };
    Timing timing_;
    VirtualClock clock_;
    std::optional<PathMtu> path_{std::in_place, timing_, false, std::uint16_t{1500}, std::nullopt, clock_.now()};
    std::uint16_t limit_ = 1500;
    bool dead_ = false; ///< nothing passes at all
    unsigned loss_percent_ = 0;
    std::mt19937 random_{7};
    TimePoint last_rx_ = clock_.now(), look_at_ = clock_.now();
    std::vector<Echo> echoes_;
    std::vector<std::uint16_t> sizes_; ///< as they were set
    std::size_t probes_ = 0;
    std::uint16_t largest_probe_ = 0;
};

TEST_F(PathMtuTest, AWidePathIsVerifiedByOneProbe) {
    EXPECT_EQ(path_->current(), 1500) << "optimistic from the start";
    run(30s);
    EXPECT_TRUE(settled_on(1500));
    EXPECT_EQ(probes_, 1U);
    EXPECT_TRUE(sizes_.empty());
}

TEST_F(PathMtuTest, EveryNarrowPathIsFoundOut) {
    for (const std::uint16_t limit :
         std::to_array<std::uint16_t>({1499, 1492, 1480, 1420, 1400, 1338, 1290, 1281, 1280})) {
        path_.emplace(timing_, false, std::uint16_t{1500}, std::nullopt, clock_.now());
        look_at_ = clock_.now();
        limit_ = limit;
        run(3500ms);
        EXPECT_LE(path_->current(), limit) << "data passes again after three lost probes";
        run(20s);
        EXPECT_TRUE(path_->verified()) << limit;
        EXPECT_LE(path_->current(), limit);
        EXPECT_GE(path_->current() + 4, limit);
    }
}

TEST_F(PathMtuTest, BelowTheBaseSize) {
    for (const std::uint16_t limit : std::to_array<std::uint16_t>({1279, 1000, 600, 576})) {
        path_.emplace(timing_, false, std::uint16_t{1500}, std::nullopt, clock_.now());
        look_at_ = clock_.now();
        limit_ = limit;
        run(40s);
        EXPECT_TRUE(path_->verified()) << limit;
        EXPECT_LE(path_->current(), limit);
        EXPECT_GE(path_->current() + 4, limit);
    }
}

TEST_F(PathMtuTest, Ipv6NeverGoesBelow1280) {
    path_.emplace(timing_, true, std::uint16_t{1500}, std::nullopt, clock_.now());
    limit_ = 1000; // not lawful, but who knows
    run(30s);
    EXPECT_EQ(path_->current(), 1280);
}

TEST_F(PathMtuTest, JumboFramesNarrowDown) {
    path_.emplace(timing_, false, std::uint16_t{9000}, std::nullopt, clock_.now());
    limit_ = 4352;
    run(40s);
    EXPECT_TRUE(path_->verified());
    EXPECT_LE(path_->current(), 4352);
    EXPECT_GE(path_->current() + 4, 4352);
}

TEST_F(PathMtuTest, ADeadPathSaysNothingAboutSizes) {
    dead_ = true;
    run(60s);
    EXPECT_EQ(path_->current(), 1500);
    dead_ = false;
    run(5s);
    EXPECT_TRUE(settled_on(1500));
}

TEST_F(PathMtuTest, RandomLossDoesNotShrinkAWidePathForLong) {
    loss_percent_ = 10;
    run(30s);
    EXPECT_GE(path_->current(), 1490);
}

TEST_F(PathMtuTest, AHintThatLiesChangesNothing) {
    run(5s);
    EXPECT_TRUE(path_->hint(600, clock_.now()));
    look_at_ = clock_.now();
    run(10s);
    EXPECT_TRUE(settled_on(1500));
    EXPECT_TRUE(sizes_.empty()) << "not lowered for a moment";
}

TEST_F(PathMtuTest, AHintThatIsTrueIsTakenAfterOneSecond) {
    run(5s);
    limit_ = 1400;
    EXPECT_TRUE(path_->hint(1400, clock_.now()));
    look_at_ = clock_.now();
    run(1200ms);
    EXPECT_TRUE(settled_on(1400));
}

TEST_F(PathMtuTest, HintsOutOfRangeAreNotLookedInto) {
    EXPECT_FALSE(path_->hint(1500, clock_.now()));
    EXPECT_FALSE(path_->hint(9000, clock_.now()));
    EXPECT_FALSE(path_->hint(68, clock_.now()));
    EXPECT_FALSE(path_->hint(0, clock_.now()));
}

TEST_F(PathMtuTest, APathThatWidensIsFoundAfterTenMinutes) {
    limit_ = 1400;
    run(30s);
    EXPECT_LE(path_->current(), 1400);
    limit_ = 1500;
    run(500s);
    EXPECT_LE(path_->current(), 1400);
    run(120s);
    EXPECT_TRUE(settled_on(1500));
}

TEST_F(PathMtuTest, APathThatShrinksIsFoundWhenDataGoesUnanswered) {
    run(5s);
    limit_ = 1300;
    EXPECT_TRUE(path_->suspect(clock_.now()));
    EXPECT_FALSE(path_->suspect(clock_.now())) << "once is enough";
    look_at_ = clock_.now();
    run(20s);
    EXPECT_LE(path_->current(), 1300);
    EXPECT_GE(path_->current(), 1296);
}

TEST_F(PathMtuTest, ASuccessorStartsFromWhatWasConfirmed) {
    limit_ = 1400;
    path_.emplace(timing_, false, std::uint16_t{1500}, std::uint16_t{1400}, clock_.now());
    run(60s);
    EXPECT_TRUE(settled_on(1400));
    EXPECT_EQ(largest_probe_, 1400) << "more is tried in ten minutes";
}

TEST_F(PathMtuTest, OnAnotherPathOldEchoesDoNotCount) {
    run(20ms);
    limit_ = 1400;
    path_->path_changed(
        clock_.now()); // the echo of the first probe, which passed the old path, is still under way
    look_at_ = clock_.now();
    run(20s);
    EXPECT_TRUE(path_->verified());
    EXPECT_LE(path_->current(), 1400);
}

TEST_F(PathMtuTest, TheCeilingMovesWithThePeersPort) {
    path_->set_ceiling(1420, clock_.now());
    EXPECT_EQ(path_->current(), 1420);
    run(10s);
    EXPECT_TRUE(settled_on(1420));
    EXPECT_LE(largest_probe_, 1420);
    path_->set_ceiling(1500, clock_.now());
    look_at_ = clock_.now();
    run(10s);
    EXPECT_TRUE(settled_on(1500));
}

} // namespace
} // namespace culvert::control
