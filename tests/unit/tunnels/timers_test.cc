#include "control/tunnels/backoff.h"
#include "control/tunnels/timer_wheel.h"
#include "tests/unit/tunnels/virtual_clock.h"

#include <functional>
#include <gtest/gtest.h>
#include <random>

namespace culvert::control {
namespace {

using namespace tests;

TEST(Backoff, DoublesFromHalfASecondToThirtyAndStartsOver) {
    Backoff backoff(500ms, 30s);
    std::mt19937 random{1};
    for (const Timing::Duration expected : {500ms, 1000ms, 2000ms, 4000ms, 8000ms, 16000ms, 30000ms, 30000ms}) {
        const auto wait = backoff.after_failure(static_cast<std::uint32_t>(random()));
        EXPECT_GE(wait, expected * 3 / 4);
        EXPECT_LE(wait, expected * 5 / 4);
    }
    backoff.reset();
    EXPECT_LE(backoff.after_failure(0), 625ms);
}

TEST(Backoff, JitterKeepsGatewaysApart) {
    Backoff a(500ms, 30s), b(500ms, 30s);
    EXPECT_NE(a.after_failure(1), b.after_failure(200));
}

class Alarm final : public Timed {
  public:
    explicit Alarm(std::function<void(TimePoint)> ring) : ring_(std::move(ring)) {}
    void due(TimePoint now) override { ring_(now); }

  private:
    std::function<void(TimePoint)> ring_;
};

class TimerWheelTest : public testing::Test {
  protected:
    void run(Timing::Duration time, Timing::Duration step = 250ms) {
        for (const TimePoint until = clock_.now() + time; clock_.now() < until;)
            wheel_.advance(clock_.after(step));
    }
    VirtualClock clock_;
    TimerWheel wheel_{250ms, 16, clock_.now()}; // a turn of four seconds
};

TEST_F(TimerWheelTest, NeverEarlyAndAtMostASlotLate) {
    std::mt19937 random{3};
    std::vector<std::unique_ptr<Alarm>> alarms;
    int rung = 0;
    for (int i = 0; i < 1000; ++i) {
        const TimePoint at = clock_.now() + Timing::Duration(random() % 30'000);
        alarms.push_back(std::make_unique<Alarm>([&rung, at](TimePoint now) {
            ++rung;
            EXPECT_GE(now, at);
            EXPECT_LE(now, at + 500ms);
        }));
        wheel_.schedule(*alarms.back(), at);
    }
    run(31s);
    EXPECT_EQ(rung, 1000);
}

TEST_F(TimerWheelTest, ReschedulingReplacesAndCancellingForgets) {
    int rung = 0;
    Alarm moved([&](TimePoint) { ++rung; }), cancelled([&](TimePoint) { ++rung; });
    wheel_.schedule(moved, clock_.now() + 1s);
    wheel_.schedule(cancelled, clock_.now() + 1s);
    wheel_.schedule(moved, clock_.now() + 10s);
    TimerWheel::cancel(cancelled);
    run(9s);
    EXPECT_EQ(rung, 0);
    run(2s);
    EXPECT_EQ(rung, 1);
    wheel_.schedule(moved, TimePoint::max());
    run(60s);
    EXPECT_EQ(rung, 1);
}

TEST_F(TimerWheelTest, AlarmsMayRescheduleAndDestroyFromWithin) {
    int rung = 0;
    std::unique_ptr<Alarm> victim = std::make_unique<Alarm>([&](TimePoint) { FAIL(); });
    std::unique_ptr<Alarm> self;
    Alarm repeating([&](TimePoint now) {
        ++rung;
        wheel_.schedule(repeating, now);
        victim.reset();
    });
    self = std::make_unique<Alarm>([&](TimePoint) {
        ++rung;
        self.reset();
    });
    wheel_.schedule(repeating, clock_.now() + 1s);
    wheel_.schedule(*self, clock_.now() + 1s);
    wheel_.schedule(*victim, clock_.now() + 1s);
    run(2s);
    EXPECT_EQ(self, nullptr);
    EXPECT_EQ(rung, 1 + 5) << "as soon as possible is once a slot";
}

TEST_F(TimerWheelTest, AfterALongPauseEverythingRingsOnce) {
    int rung = 0;
    Alarm soon([&](TimePoint) { ++rung; }), later([&](TimePoint) { ++rung; }), last([&](TimePoint) { ++rung; });
    wheel_.schedule(soon, clock_.now() + 1s);
    wheel_.schedule(later, clock_.now() + 90s);
    wheel_.schedule(last, clock_.now() + 200s);
    wheel_.advance(clock_.after(100s));
    EXPECT_EQ(rung, 2);
    run(101s);
    EXPECT_EQ(rung, 3);
}

} // namespace
} // namespace culvert::control
