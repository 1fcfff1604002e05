#include "control/configuration/difference.h"

#include "tests/unit/configuration/configuration_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace culvert::control {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace test;

std::vector<std::string> restart(const Difference& difference) {
    std::vector<std::string> texts;
    for (const auto& reason : difference.needs_restart)
        texts.push_back(reason.text());
    return texts;
}

TEST(Difference, IsEmptyBetweenEqualConfigurations) {
    const ConfigurationFiles files;
    const auto c = files.good(with(peer("tokyo", pin, "10.9.0.0/16")));
    EXPECT_TRUE(compare(c, c).empty());
}

TEST(Difference, FindsPeersThatCameAndWent) {
    const ConfigurationFiles files;
    const auto old = files.good(with(peer("tokyo", pin, "10.9.0.0/16")));
    const auto now = files.good(with(peer("osaka", pin, "10.9.0.0/16")));
    const auto d = compare(old, now);
    ASSERT_EQ(d.added_peers.size(), 1U);
    EXPECT_EQ(d.added_peers[0], now.peers[0]);
    ASSERT_EQ(d.removed_peers.size(), 1U);
    EXPECT_EQ(d.removed_peers[0], old.peers[0]);
    EXPECT_THAT(d.changed_peers, IsEmpty());
    EXPECT_FALSE(d.empty());
}

TEST(Difference, DoesntMindTheOrderOfPeersPinsAndPrefixes) {
    const ConfigurationFiles files;
    auto old = files.good(with(peer("tokyo", pin, "10.9.0.0/16") + peer("osaka", other_pin, "10.10.0.0/16")));
    old.peers[0].pins = {std::string(pin), "x"};
    old.peers[1].prefixes.push_back(*dataplane::Prefix::parse("10.11.0.0/16"));
    auto now = old;
    std::swap(now.peers[0], now.peers[1]);
    std::swap(now.peers[1].pins[0], now.peers[1].pins[1]);
    std::swap(now.peers[0].prefixes[0], now.peers[0].prefixes[1]);
    EXPECT_TRUE(compare(old, now).empty());
}

TEST(Difference, TellsWhatOfAPeerChanged) {
    const ConfigurationFiles files;
    const auto old = files.good(with(peer("tokyo", pin, "10.9.0.0/16")));
    const auto changed = [&](auto change) {
        auto now = old;
        change(now.peers[0]);
        auto d = compare(old, now);
        EXPECT_EQ(d.changed_peers.size(), 1U);
        EXPECT_EQ(d.changed_peers.at(0).now, now.peers[0]);
        const auto& c = d.changed_peers.at(0);
        return std::vector<bool>{c.credentials, c.endpoint, c.prefixes, c.tun, c.lanes, c.others};
    };
    EXPECT_THAT(changed([](PeerSection& p) { p.pins = {std::string(other_pin)}; }), ElementsAre(1, 0, 0, 0, 0, 0));
    EXPECT_THAT(changed([](PeerSection& p) { p.psk_file = "/x"; }), ElementsAre(1, 0, 0, 0, 0, 0));
    EXPECT_THAT(changed([](PeerSection& p) { p.endpoint.reset(); }), ElementsAre(0, 1, 0, 0, 0, 0));
    EXPECT_THAT(changed([](PeerSection& p) { p.prefixes.clear(); }), ElementsAre(0, 0, 1, 0, 0, 0));
    EXPECT_THAT(changed([](PeerSection& p) { p.tun = "cv1"; }), ElementsAre(0, 0, 0, 1, 0, 0));
    EXPECT_THAT(changed([](PeerSection& p) { p.lanes = 2; }), ElementsAre(0, 0, 0, 0, 1, 0));
    EXPECT_THAT(changed([](PeerSection& p) { p.mtu = 1400; }), ElementsAre(0, 0, 0, 0, 0, 1));
    EXPECT_THAT(changed([](PeerSection& p) { p.dscp = 0; }), ElementsAre(0, 0, 0, 0, 0, 1));
    EXPECT_THAT(changed([](PeerSection& p) { p.keepalive += std::chrono::seconds(1); }),
                ElementsAre(0, 0, 0, 0, 0, 1));
    EXPECT_THAT(changed([](PeerSection& p) { p.rekey_time += std::chrono::seconds(1); }),
                ElementsAre(0, 0, 0, 0, 0, 1));
    EXPECT_THAT(changed([](PeerSection& p) { ++p.rekey_packets; }), ElementsAre(0, 0, 0, 0, 0, 1));
}

TEST(Difference, FindsWhatElseMayChangeAtRunTime) {
    const ConfigurationFiles files;
    const auto old = files.good(with(""));
    auto now = old;
    now.listens = {{"dtls", 5000}};
    now.control.log_level = "debug";
    now.gateway.certificate = "/other.crt";
    const auto d = compare(old, now);
    EXPECT_THAT(d.added_listens, ElementsAre(ListenSection{"dtls", 5000}));
    EXPECT_THAT(d.removed_listens, ElementsAre(ListenSection{"dtls", 4433}));
    EXPECT_EQ(d.log_level, "debug");
    EXPECT_TRUE(d.certificate);
    EXPECT_THAT(d.needs_restart, IsEmpty());
}

TEST(Difference, NamesEachKeyThatNeedsARestart) {
    const ConfigurationFiles files;
    const auto old = files.good(with("[dataplane]\nworkers = [0]\n"));
    auto now = old;
    now.gateway.name = "lyon";
    now.control.socket = "/run/x";
    now.control.socket_group = "vpn";
    now.control.handshake_threads = 2;
    now.dataplane.cores = {1, 2};
    now.dataplane.engine = "libcrypto";
    now.dataplane.idle = dataplane::Idle::sleep;
    now.dataplane.packet_buffers = 4096;
    now.dataplane.memory_mib = 64;
    now.dataplane.max_sessions = 10;
    now.dataplane.hugepages = dataplane::Settings::Hugepages::no;
    now.dataplane.eal = {"--legacy-mem"};
    now.ports[0].settings.mtu = 9000;
    now.ports[0].addresses = {*dataplane::Prefix::parse_interface("192.0.2.1/24")};
    now.tuns[0].queues = 4;
    now.tuns[0].offloads = false;
    now.tuns[0].network_namespace = "inner";
    const auto d = compare(old, now);
    EXPECT_THAT(restart(d),
                ElementsAre("gateway.name: \"paris\" → \"lyon\"",
                            "control.socket: \"/run/culvert/culvert.sock\" → \"/run/x\"",
                            "control.socket_group: \"culvert\" → \"vpn\"", "control.handshake_threads: 1 → 2",
                            "dataplane.workers: [0] → [1, 2]", "dataplane.engine: \"auto\" → \"libcrypto\"",
                            "dataplane.idle: \"auto\" → \"sleep:50\"", "dataplane.packet_buffers: 32768 → 4096",
                            "dataplane.memory_mib: 0 → 64", "dataplane.max_sessions: 131072 → 10",
                            "dataplane.hugepages: \"auto\" → false", "dataplane.eal: [] → [\"--legacy-mem\"]",
                            "port.eth0.mtu: 1500 → 9000", "port.eth0.address: [] → [\"192.0.2.1/24\"]",
                            "tun.cv0.queues: 1 → 4", "tun.cv0.namespace: \"\" → \"inner\"",
                            "tun.cv0.offloads: true → false"));
    EXPECT_FALSE(d.empty());
}

TEST(Difference, NamesSectionsThatComeGoOrMove) {
    const ConfigurationFiles files;
    const auto one = files.good(with(""));
    const auto two = files.good(with("[[port]]\ndevice = \"kernel:eth1\"\n[[tun]]\nname = \"cv1\"\n"));
    EXPECT_THAT(restart(compare(one, two)), ElementsAre("port.eth1: new", "tun.cv1: new"));
    EXPECT_THAT(restart(compare(two, one)), ElementsAre("port.eth1: gone", "tun.cv1: gone"));
    auto swapped = two;
    std::swap(swapped.ports[0], swapped.ports[1]);
    EXPECT_THAT(restart(compare(two, swapped)),
                ElementsAre("the order of [[port]]: [\"eth0\", \"eth1\"] → [\"eth1\", \"eth0\"]"));
}

} // namespace
} // namespace culvert::control
