#include "tests/unit/configuration/configuration_files.h"

#include <algorithm>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iterator>

/// The configurations that are handed out are without faults, but for what they can't know: files and cores.
namespace culvert::control {
namespace {

using namespace test;

class Example : public ::testing::Test {
  protected:
    Configuration read(const std::string& name) {
        std::ifstream in(std::filesystem::path(CULVERT_DEPLOY) / name);
        std::string text(std::istreambuf_iterator<char>(in), {});
        EXPECT_FALSE(text.empty()) << name;
        for (const auto* workers :
             {"workers = [1] ", "workers = [1]\n", "workers = [2, 3]"}) // this machine's cores
            if (const auto at = text.find(workers); at != text.npos)
                text.replace(at, std::string_view(workers).find(']') + 1, "workers = [0]");
        return files_.good(text);
    }
    void SetUp() override {
        std::filesystem::copy(files_.path("paris.crt"), files_.path("tokyo.crt"));
        std::filesystem::copy(files_.path("paris.key"), files_.path("tokyo.key"));
    }
    ConfigurationFiles files_;
};

TEST_F(Example, ParisAndTokyoFitEachOther) {
    const auto paris = read("paris.toml"), tokyo = read("tokyo.toml");
    ASSERT_EQ(paris.peers.size(), 1U);
    ASSERT_EQ(tokyo.peers.size(), 1U);
    EXPECT_EQ(paris.peers[0].name, tokyo.gateway.name);
    EXPECT_EQ(tokyo.peers[0].name, paris.gateway.name);
    EXPECT_EQ(paris.peers[0].endpoint->port, tokyo.listens.at(0).port);
    EXPECT_EQ(tokyo.peers[0].endpoint->port, paris.listens.at(0).port);
    ASSERT_EQ(paris.tuns.at(0).addresses.size(), tokyo.tuns.at(0).addresses.size());
    for (std::size_t i = 0; i < paris.tuns[0].addresses.size(); ++i) {
        const auto& here = paris.tuns[0].addresses[i];
        const auto& there = tokyo.tuns[0].addresses[i];
        EXPECT_EQ(here.network(), there.network());
        EXPECT_TRUE(std::ranges::any_of(paris.peers[0].prefixes,
                                        [&](const auto& p) { return p.contains(there.address); }));
        EXPECT_TRUE(
            std::ranges::any_of(tokyo.peers[0].prefixes, [&](const auto& p) { return p.contains(here.address); }));
    }
    for (const auto& prefix : paris.peers[0].prefixes)
        EXPECT_THAT(tokyo.peers[0].prefixes, ::testing::Not(::testing::Contains(prefix)));
}

TEST_F(Example, ParisWithANic) {
    const auto paris = read("paris-nic.toml");
    EXPECT_EQ(paris.ports.at(0).settings.kernel_port, "wan0");
    EXPECT_EQ(paris.dataplane.hugepages, dataplane::Settings::Hugepages::yes);
    EXPECT_EQ(paris.peers.at(0).prefixes, read("paris.toml").peers.at(0).prefixes);
}

} // namespace
} // namespace culvert::control
