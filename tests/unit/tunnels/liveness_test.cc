#include "control/tunnels/liveness.h"

#include "tests/unit/tunnels/virtual_clock.h"

#include <gtest/gtest.h>
#include <optional>

namespace culvert::control {
namespace {

using namespace tests;

/// A session with a peer that answers or not, looked at when Liveness says so.
class LivenessTest : public testing::Test {
  protected:
    void data_sent() {
        if (!waiting_since_)
            waiting_since_ = clock_.now();
    }
    void heard() {
        last_rx_ = clock_.now();
        waiting_since_.reset();
    }

    /// Lets time pass; every look that is due is taken. Stops early at death.
    void run(Timing::Duration time) {
        const TimePoint until = clock_.now() + time;
        while (!dead_at_ && clock_.now() < until) {
            clock_.after(timing_.scan);
            if (clock_.now() < next_look_)
                continue;
            const auto verdict = liveness_.check(
                clock_.now(), {.since_rx = clock_.now() - last_rx_,
                               .unanswered = waiting_since_ ? clock_.now() - *waiting_since_ : 0ns});
            ++looks_;
            next_look_ = verdict.next;
            recovered_ = recovered_ || verdict.recovered;
            if (verdict.probe)
                probes_.push_back(clock_.since_start());
            if (verdict.probe && answers_)
                heard();
            if (verdict.dead)
                dead_at_ = clock_.since_start();
        }
    }

    Timing timing_;
    VirtualClock clock_;
    Liveness liveness_{timing_, 20s};
    TimePoint last_rx_ = clock_.now(), next_look_ = clock_.now();
    std::optional<TimePoint> waiting_since_;
    bool answers_ = true, recovered_ = false;
    int looks_ = 0;
    std::vector<Timing::Duration> probes_;
    std::optional<Timing::Duration> dead_at_;
};

TEST_F(LivenessTest, UnansweredDataIsAskedAboutAfterThreeSeconds) {
    answers_ = false;
    data_sent();
    run(60s);
    ASSERT_EQ(probes_.size(), 3U);
    EXPECT_GE(probes_[0], 3000ms);
    EXPECT_LE(probes_[0], 3500ms);
    EXPECT_EQ(probes_[1] - probes_[0], 1000ms);
    EXPECT_EQ(probes_[2] - probes_[1], 1000ms);
    ASSERT_TRUE(dead_at_);
    EXPECT_LE(*dead_at_, 6500ms) << "a restarted peer is to be back within 10 s";
}

TEST_F(LivenessTest, DataSentRightAfterALookIsNoticedInTime) {
    answers_ = false;
    run(1s);
    data_sent();
    run(60s);
    ASSERT_TRUE(dead_at_);
    EXPECT_LE(*dead_at_, 1000ms + 6500ms);
}

TEST_F(LivenessTest, AnyRecordSinceTheFirstProbeIsAnAnswer) {
    answers_ = false;
    data_sent();
    run(4500ms); // two probes out
    heard();
    run(2s);
    EXPECT_FALSE(dead_at_);
    EXPECT_TRUE(recovered_);
    EXPECT_EQ(probes_.size(), 2U);
}

TEST_F(LivenessTest, OneWayTrafficToALivingPeerIsAskedAboutAgainAndAgain) {
    for (int i = 0; i < 120; ++i) {
        data_sent();
        run(timing_.scan);
    }
    EXPECT_FALSE(dead_at_);
    EXPECT_GE(probes_.size(), 7U);
    EXPECT_LE(probes_.size(), 10U);
}

TEST_F(LivenessTest, AnIdlePeerIsAskedOnceAKeepalive) {
    run(100s);
    EXPECT_FALSE(dead_at_);
    EXPECT_GE(probes_.size(), 4U);
    EXPECT_LE(probes_.size(), 5U);
    EXPECT_FALSE(recovered_) << "there was no data to worry about";
    EXPECT_LE(looks_, 100 / 3 + 20) << "an idle session costs a look every three seconds";
}

TEST_F(LivenessTest, ADeadIdlePeerIsNoticedAfterTheKeepalive) {
    answers_ = false;
    run(60s);
    ASSERT_TRUE(dead_at_);
    EXPECT_GE(*dead_at_, 22s);
    EXPECT_LE(*dead_at_, 24s);
}

TEST_F(LivenessTest, WithoutKeepaliveAnIdlePeerIsLeftAlone) {
    liveness_.set_keepalive(0s);
    answers_ = false;
    run(300s);
    EXPECT_TRUE(probes_.empty());
    EXPECT_FALSE(dead_at_);
}

TEST_F(LivenessTest, AStrangerThatAnswersNothingDiesOfLongSilenceOnly) {
    liveness_.set_stranger(true);
    answers_ = false;
    data_sent();
    run(299s);
    EXPECT_FALSE(dead_at_);
    EXPECT_LE(probes_.size(), 15U);
    run(10s);
    EXPECT_TRUE(dead_at_);
}

TEST_F(LivenessTest, AStrangerThatHasAnsweredIsHeldToIt) {
    liveness_.set_stranger(true);
    liveness_.answered();
    answers_ = false;
    data_sent();
    run(10s);
    EXPECT_TRUE(dead_at_);
}

} // namespace
} // namespace culvert::control
