#include "control/tunnels/hello_exchange.h"

#include "tests/unit/tunnels/virtual_clock.h"

#include <deque>
#include <functional>
#include <gtest/gtest.h>
#include <optional>
#include <vector>

namespace culvert::control {
namespace {

using namespace tests;

/// Both ends of a session; `lose` decides about each HELLO.
class HelloExchangeTest : public testing::Test {
  protected:
    struct End {
        std::optional<HelloExchange> exchange{};
        std::vector<Timing::Duration> sent{};
        bool told_stranger = false;
    };

    void SetUp() override { begin(); }
    void begin() {
        for (End* end : {&initiator_, &responder_}) {
            end->exchange.emplace(timing_, end == &initiator_, clock_.now());
            end->sent.clear();
            end->told_stranger = false;
        }
    }
    void say(End& from, End& to) {
        from.sent.push_back(clock_.since_start());
        if (!lose_ || !lose_(&from == &initiator_))
            in_flight_.push_back({&to, &from, from.exchange->heard()});
    }
    void deliver() {
        while (!in_flight_.empty()) {
            const Flying hello = in_flight_.front();
            in_flight_.pop_front();
            hello.to->exchange->first_record(clock_.now());
            if (hello.to->exchange->received(clock_.now(), hello.seen))
                say(*hello.to, *hello.from);
        }
    }
    void look(End& end, End& other) {
        const auto step = end.exchange->check(clock_.now());
        end.told_stranger = end.told_stranger || step.stranger;
        if (step.send)
            say(end, other);
    }
    void run(Timing::Duration time) {
        for (const TimePoint until = clock_.now() + time; clock_.now() < until; clock_.after(50ms)) {
            look(initiator_, responder_);
            look(responder_, initiator_);
            deliver();
        }
    }

    struct Flying {
        End* to;
        End* from;
        bool seen;
    };
    Timing timing_;
    VirtualClock clock_;
    End initiator_, responder_;
    std::function<bool(bool by_initiator)> lose_;
    std::deque<Flying> in_flight_;
};

TEST_F(HelloExchangeTest, ThreeFramesAreEnough) {
    run(20s);
    EXPECT_TRUE(initiator_.exchange->heard());
    EXPECT_TRUE(responder_.exchange->heard());
    EXPECT_EQ(initiator_.sent.size(), 2U); // the first, and one with `seen`
    EXPECT_EQ(responder_.sent.size(), 1U);
}

TEST_F(HelloExchangeTest, AnUnheardInitiatorRepeatsWithDoublingPauses) {
    lose_ = [](bool) { return true; };
    run(20s);
    EXPECT_EQ(initiator_.sent, (std::vector<Timing::Duration>{0ms, 200ms, 600ms, 1400ms, 3000ms}));
    EXPECT_TRUE(initiator_.told_stranger);
    EXPECT_TRUE(responder_.sent.empty()) << "a responder never begins";
    EXPECT_FALSE(responder_.told_stranger);
}

TEST_F(HelloExchangeTest, EveryLossIsMadeGood) {
    for (int lost = 0; lost < 6; ++lost) {
        begin();
        int count = 0;
        lose_ = [&](bool) { return count++ == lost; };
        run(30s);
        EXPECT_TRUE(initiator_.exchange->heard()) << lost;
        EXPECT_TRUE(responder_.exchange->heard()) << lost;
        EXPECT_FALSE(initiator_.told_stranger) << lost;
        EXPECT_EQ(initiator_.exchange->check(clock_.now()).next, TimePoint::max()) << lost;
        EXPECT_EQ(responder_.exchange->check(clock_.now()).next, TimePoint::max()) << lost;
        EXPECT_LE(initiator_.sent.size() + responder_.sent.size(), 8U) << lost;
    }
}

TEST_F(HelloExchangeTest, AResponderThatOnlyGetsDataTakesTheOtherForAStranger) {
    responder_.exchange->first_record(clock_.now());
    lose_ = [](bool) { return true; };
    run(4900ms);
    EXPECT_FALSE(responder_.told_stranger);
    run(200ms);
    EXPECT_TRUE(responder_.told_stranger);
    EXPECT_TRUE(responder_.exchange->stranger());
    EXPECT_FALSE(responder_.exchange->received(clock_.now(), true));
    EXPECT_FALSE(responder_.exchange->stranger()) << "a late HELLO still counts";
}

TEST_F(HelloExchangeTest, ARestartIsAnsweredByEitherEnd) {
    run(5s);
    for (End* end : {&responder_, &initiator_}) {
        end->exchange->restart(clock_.now());
        run(5s);
        EXPECT_TRUE(end->exchange->heard());
        EXPECT_EQ(end->exchange->check(clock_.now()).next, TimePoint::max());
    }
    EXPECT_LE(initiator_.sent.size() + responder_.sent.size(), 9U);
}

} // namespace
} // namespace culvert::control
