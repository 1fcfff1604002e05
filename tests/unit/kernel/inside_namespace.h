#pragma once

#include "tests/unit/tun_bridge/scratch_namespace.h"
#include "tun_bridge/network_namespace.h"

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <gtest/gtest.h>

namespace culvert::control::test {

/// Skips the test where the kernel can't be played with, else runs its body in a fresh network namespace.
class InsideNamespace : public ::testing::Test {
  protected:
    void SetUp() override {
        if (const auto reason = culvert::testing::kernel_refusal())
            GTEST_SKIP() << *reason;
    }
    static void inside(const culvert::testing::ScratchNamespace& space, const std::function<void()>& body) {
        const auto done = tun_bridge::run_in_network_namespace(space.name(), body);
        ASSERT_TRUE(done) << done.error();
    }
};

/// Runs the event loop until `done`, at most `limit`.
inline bool run_until(boost::asio::io_context& io, const std::function<bool()>& done,
                      std::chrono::milliseconds limit = std::chrono::seconds(10)) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    io.restart();
    while (!done() && std::chrono::steady_clock::now() < deadline)
        io.run_one_until(deadline);
    return done();
}

} // namespace culvert::control::test
