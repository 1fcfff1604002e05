#include "control/configuration/peer_request.h"

#include "tests/unit/configuration/configuration_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace culvert::control {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using namespace test;

std::vector<std::string> texts(const std::vector<ConfigurationError>& errors) {
    std::vector<std::string> out;
    for (const auto& error : errors)
        out.push_back(error.text());
    return out;
}

class PeerRequest : public ::testing::Test {
  protected:
    ConfigurationFiles files_;
    Configuration running_ = files_.good(with(peer("tokyo", pin, "10.9.0.0/16", "lanes = 4")));
};

TEST_F(PeerRequest, AddsAPeer) {
    const auto peer = new_peer({{"name", "osaka"},
                                {"psk_file", files_.path("shared.psk").string()},
                                {"prefixes", {"10.10.0.0/16"}},
                                {"lanes", 2}},
                               running_);
    ASSERT_TRUE(peer);
    EXPECT_EQ(peer->name, "osaka");
    EXPECT_EQ(peer->lanes, 2);
    EXPECT_EQ(peer->tun, "cv0");
}

TEST_F(PeerRequest, TellsAllThatIsWrongWithANewPeer) {
    const auto peer = new_peer({{"name", "tokyo"},
                                {"pin", pin},
                                {"prefixes", {"10.9.0.0/16", 5}},
                                {"lane", 2},
                                {"mtu", "1400"},
                                {"dscp", json::object()}},
                               running_);
    ASSERT_FALSE(peer);
    EXPECT_THAT(
        texts(peer.error()),
        ElementsAre("peer.tokyo.prefixes[1]: is an integer, but should be a string; put it in quotes",
                    "peer.tokyo.mtu: is a string, but should be an integer; write a number from 576 to 9600, "
                    "without quotes",
                    "peer.tokyo.dscp: is a table, but should be an integer or \"copy\"; write a number from 0 "
                    "to 63, or \"copy\"",
                    "peer.tokyo.lane: is not a key of the configuration; did you mean lanes?",
                    "peer.tokyo.name: peer \"tokyo\" is there already; give each peer a name of its own",
                    "peer.tokyo.pin: is already the pin of peer \"tokyo\"; give each peer a key of its own: its "
                    "pin tells who calls",
                    "peer.tokyo.prefixes[0]: 10.9.0.0/16 already belongs to peer \"tokyo\"; give each prefix to "
                    "one peer"));
}

TEST_F(PeerRequest, RefusesARelativePath) {
    const auto peer = new_peer({{"name", "osaka"}, {"psk_file", "x.psk"}, {"prefixes", json::array()}}, running_);
    ASSERT_FALSE(peer);
    EXPECT_THAT(texts(peer.error()),
                ::testing::Contains("peer.osaka.psk_file: \"x.psk\" is a relative path; write it "
                                    "from the root"));
}

TEST_F(PeerRequest, ChangesOnlyWhatIsGiven) {
    const auto peer =
        changed_peer("tokyo", {{"prefixes", {"10.9.0.0/16", "10.10.0.0/16"}}, {"lanes", nullptr}}, running_);
    ASSERT_TRUE(peer);
    PeerSection expected = running_.peers[0];
    expected.prefixes.push_back(*dataplane::Prefix::parse("10.10.0.0/16"));
    expected.lanes = 1;
    EXPECT_EQ(*peer, expected);
}

TEST_F(PeerRequest, LetsAKeyTakeThePlaceOfAPin) {
    const auto peer = changed_peer("tokyo", {{"psk_file", files_.path("shared.psk").string()}}, running_);
    ASSERT_TRUE(peer);
    EXPECT_TRUE(peer->pins.empty());
    EXPECT_EQ(peer->psk_file, files_.path("shared.psk"));
}

TEST_F(PeerRequest, RefusesANewNameAndAStranger) {
    EXPECT_THAT(texts(changed_peer("tokyo", {{"name", "osaka"}}, running_).error()),
                ElementsAre("peer.tokyo.name: can't be changed; remove the peer and add it anew"));
    EXPECT_THAT(texts(changed_peer("osaka", {{"lanes", 1}}, running_).error()),
                ElementsAre("peer.osaka: is not there; see \"culvertctl show peers\", or add it"));
    EXPECT_THAT(texts(new_peer("tokyo", running_).error()),
                ElementsAre("peer: is not a JSON object; send the keys of a [[peer]]"));
}

TEST_F(PeerRequest, WritesAPeerAsItReadsIt) {
    PeerSection peer = running_.peers[0];
    peer.dscp = 0;
    peer.keepalive = std::chrono::seconds(3);
    peer.rekey_time = std::chrono::seconds(60);
    peer.rekey_packets = 5000;
    peer.mtu = 1400;
    Configuration others = running_;
    others.peers.clear();
    EXPECT_EQ(new_peer(to_json(peer), others), peer);
}

} // namespace
} // namespace culvert::control
