#include "control/kernel/name_resolver.h"

#include "tests/unit/kernel/inside_namespace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace culvert::control {
namespace {

using dataplane::IpAddress;
using Answer = std::expected<std::vector<IpAddress>, std::string>;

class NameResolverTest : public ::testing::Test {
  protected:
    Answer resolve(const std::string& host) {
        std::optional<Answer> answer;
        resolver_.resolve(host, [&](Answer given) { answer = std::move(given); });
        EXPECT_FALSE(answer) << "never from within the call";
        EXPECT_TRUE(test::run_until(io_, [&] { return answer.has_value(); }, std::chrono::seconds(30)));
        return answer.value_or(std::unexpected("no answer"));
    }
    boost::asio::io_context io_;
    NameResolver resolver_{io_};
};

TEST_F(NameResolverTest, TakesAnAddressForItsOwnAnswer) {
    EXPECT_THAT(resolve("192.0.2.1").value(), ::testing::ElementsAre(IpAddress::parse("192.0.2.1").value()));
    EXPECT_THAT(resolve("2001:db8::1").value(), ::testing::ElementsAre(IpAddress::parse("2001:db8::1").value()));
}

TEST_F(NameResolverTest, AsksTheSystem) {
    EXPECT_THAT(resolve("localhost").value(), ::testing::Contains(IpAddress::parse("127.0.0.1").value()));
}

TEST_F(NameResolverTest, SaysThatANameIsUnknown) {
    const auto answer = resolve("no-such-host.invalid"); // RFC 6761 §6.4
    ASSERT_FALSE(answer);
    EXPECT_THAT(answer.error(), ::testing::StartsWith("the name \"no-such-host.invalid\" can't be resolved: "));
}

TEST(NameResolver, IsSilentAfterItsEnd) {
    boost::asio::io_context io;
    bool called = false;
    {
        NameResolver resolver(io);
        resolver.resolve("127.0.0.1", [&](const auto&) { called = true; });
        resolver.resolve("localhost", [&](const auto&) { called = true; });
    }
    io.run();
    EXPECT_FALSE(called);
}

} // namespace
} // namespace culvert::control
