#include "tests/unit/configuration/configuration_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace culvert::control {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace test;

TEST(Configuration, ReadsEverySection) {
    const ConfigurationFiles files;
    const auto c = files.good(R"([gateway]
name = "paris"
certificate = "paris.crt"
private_key = "paris.key"
[control]
socket = "/tmp/culvert.sock"
socket_group = "vpn"
handshake_threads = 2
log_level = "debug"
[dataplane]
workers = [0]
engine = "libcrypto"
idle = "sleep:20"
packet_buffers = 4096
memory_mib = 256
max_sessions = 1000
hugepages = false
[[port]]
device = "0000:3b:00.0"
mtu = 9000
vlan = 7
address = ["198.51.100.1/24", "2001:db8::1/64"]
kernel_port = "wan0"
[[port]]
device = "kernel:eth1"
driver = "af_xdp"
address = ["203.0.113.1/24"]
kernel_port = "wan1"
[[port]]
device = "kernel:eth2"
driver = "af_packet"
[[tun]]
name = "cv0"
address = ["10.8.0.1/24", "fd00:8::1/64"]
queues = 2
offloads = false
[[listen]]
format = "dtls"
port = 5000
[[peer]]
name = "tokyo"
endpoint = "tokyo.example.org:4434"
pin = ["pin-sha256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=", "pin-sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="]
prefixes = ["10.9.0.0/16", "2001:db8:9::/48"]
lanes = 4
mtu = 1400
dscp = 46
keepalive = 10
rekey_time = 600
rekey_packets = 1000000
[[peer]]
name = "osaka"
psk_file = "shared.psk"
prefixes = []
)");
    EXPECT_EQ(c.gateway, (GatewaySection{"paris", files.path("paris.crt"), files.path("paris.key")}));
    EXPECT_EQ(c.control, (ControlSection{"/tmp/culvert.sock", "vpn", 2, "debug"}));
    EXPECT_EQ(c.dataplane.cores, std::vector<unsigned>{0});
    EXPECT_EQ(c.dataplane.engine, "libcrypto");
    EXPECT_EQ(c.dataplane.idle, dataplane::Idle::sleep);
    EXPECT_EQ(c.dataplane.sleep_microseconds, 20U);
    EXPECT_EQ(c.dataplane.packet_buffers, 4096U);
    EXPECT_EQ(c.dataplane.memory_mib, 256U);
    EXPECT_EQ(c.dataplane.max_sessions, 1000U);
    EXPECT_EQ(c.dataplane.hugepages, dataplane::Settings::Hugepages::no);

    ASSERT_EQ(c.ports.size(), 3U);
    ASSERT_EQ(c.dataplane.ports.size(), 3U);
    EXPECT_EQ(c.ports[0].settings.name, "0000:3b:00.0");
    EXPECT_EQ(c.ports[0].settings.mtu, 9000);
    EXPECT_EQ(c.ports[0].settings.vlan, 7);
    EXPECT_EQ(c.ports[0].settings.kernel_port, "wan0");
    EXPECT_EQ(c.ports[0].addresses.at(0).text(), "198.51.100.1/24");
    EXPECT_EQ(c.ports[0].addresses.at(1).text(), "2001:db8::1/64");
    EXPECT_EQ(c.dataplane.ports[1].name, "eth1");
    EXPECT_EQ(c.dataplane.ports[1].driver, "af_xdp");
    EXPECT_EQ(c.dataplane.ports[1].kernel_port, "wan1");
    EXPECT_TRUE(c.dataplane.ports[2].shared_with_kernel());
    EXPECT_THAT(c.ports[2].addresses, IsEmpty());

    ASSERT_EQ(c.tuns.size(), 1U);
    EXPECT_EQ(c.tuns[0].name, "cv0");
    EXPECT_EQ(c.tuns[0].mtu, 1400) << "the smaller port's 1500, less 100";
    EXPECT_EQ(c.tuns[0].queues, 2);
    EXPECT_FALSE(c.tuns[0].offloads);
    ASSERT_EQ(c.dataplane.instances.size(), 1U);
    EXPECT_EQ(c.dataplane.instances[0].queues, 2);
    EXPECT_THAT(c.listens, ElementsAre(ListenSection{"dtls", 5000}));

    ASSERT_EQ(c.peers.size(), 2U);
    const auto& tokyo = c.peers[0];
    EXPECT_EQ(tokyo.name, "tokyo");
    EXPECT_EQ(tokyo.endpoint, (RemoteEndpoint{"tokyo.example.org", 4434}));
    EXPECT_THAT(tokyo.pins, ElementsAre(pin, other_pin));
    EXPECT_EQ(tokyo.prefixes.at(1).text(), "2001:db8:9::/48");
    EXPECT_EQ(tokyo.tun, "cv0");
    EXPECT_EQ(tokyo.lanes, 4);
    EXPECT_EQ(tokyo.mtu, 1400);
    EXPECT_EQ(tokyo.dscp, 46);
    EXPECT_EQ(tokyo.keepalive, std::chrono::seconds(10));
    EXPECT_EQ(tokyo.rekey_time, std::chrono::minutes(10));
    EXPECT_EQ(tokyo.rekey_packets, 1'000'000U);
    EXPECT_EQ(c.peers[1].psk_file, files.path("shared.psk"));
    EXPECT_FALSE(c.peers[1].endpoint);
}

TEST(Configuration, NeedsNoPeers) {
    const ConfigurationFiles files;
    const auto c = files.good(with(""));
    EXPECT_THAT(c.peers, IsEmpty());
    EXPECT_FALSE(c.dataplane.cores.empty()) << "workers are automatic unless said";
    EXPECT_EQ(c.dataplane.hugepages, dataplane::Settings::Hugepages::automatic);
}

TEST(Configuration, ToleratesAWindowsEndOfLine) {
    const ConfigurationFiles files;
    std::string text = with("");
    for (auto at = text.find('\n'); at != text.npos; at = text.find('\n', at + 2))
        text.replace(at, 1, "\r\n");
    EXPECT_EQ(files.good(text).gateway.name, "paris");
}

TEST(Configuration, NamesTheSectionsThatAreMissing) {
    const ConfigurationFiles files;
    EXPECT_THAT(
        files.errors("[control]\nlog_level = \"info\"\n"),
        ElementsAre(
            "culvert.toml:1: gateway: is missing; begin with [gateway] and its name = \"…\"",
            "culvert.toml:1: port: is missing; add a [[port]] with its device: where the outer packets come "
            "and go",
            "culvert.toml:1: tun: is missing; add a [[tun]] with its name: where the inner packets come and go",
            "culvert.toml:1: listen: is missing, and no peer has an endpoint; add a [[listen]], so that peers "
            "can call, or an endpoint to a peer"));
}

TEST(Configuration, TellsAllErrorsInTheOrderOfLines) {
    const ConfigurationFiles files;
    const std::string text = "[gateway]\nname = \"paris\"\n"
                             "[dataplane]\nengine = \"aesni\"\nworkers = [4000, 0, 0]\nidel = \"busy\"\n" +
                             std::string(port) + "mtu = \"1500\"\nvlan = 4095\n" + std::string(tun) +
                             peer("tokyo", pin, "10.9.0.1/16", "lanes = 65\n");
    EXPECT_THAT(
        files.errors(text),
        ElementsAre("culvert.toml:4: dataplane.engine: \"aesni\" is not known; write \"auto\", \"ipsec-mb\" or "
                    "\"libcrypto\"",
                    ::testing::StartsWith("culvert.toml:5: dataplane.workers[0]: this machine has no core "
                                          "4000; its cores are 0 to "),
                    "culvert.toml:5: dataplane.workers[2]: core 0 is listed twice; give each worker a core of "
                    "its own",
                    "culvert.toml:6: dataplane.idel: is not a key of the configuration; did you mean idle?",
                    "culvert.toml:9: port.eth0.mtu: is a string, but should be an integer; write a number from "
                    "576 to 9600, without quotes",
                    "culvert.toml:10: port.eth0.vlan: 4095 is out of range; write a number from 1 to 4094",
                    "culvert.toml:16: peer.tokyo.pin: needs a certificate on this side, too; \"culvertctl "
                    "keygen NAME\", then certificate and private_key in [gateway]",
                    "culvert.toml:18: peer.tokyo.prefixes[0]: \"10.9.0.1/16\" has host bits set; write "
                    "\"10.9.0.0/16\"",
                    "culvert.toml:19: peer.tokyo.lanes: 65 is out of range; write a number from 1 to 64"));
}

TEST(Configuration, NamesTheLineOfATomlError) {
    const ConfigurationFiles files;
    const auto errors = files.errors("[gateway]\nname = \"paris\nmtu = 3\n");
    ASSERT_EQ(errors.size(), 1U);
    EXPECT_THAT(errors[0], ::testing::StartsWith("culvert.toml:2: "));
    EXPECT_THAT(errors[0], ::testing::EndsWith("; mend the TOML here: what follows hasn't been read"));
}

TEST(Configuration, TellsAMissingFile) {
    const ConfigurationFiles files;
    const auto result = read_configuration(files.path("absent.toml"));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().at(0).text(), files.path("absent.toml").string() +
                                               ": can't be read: No such file or directory; give the "
                                               "configuration file's path, like /etc/culvert/culvert.toml");
}

TEST(Configuration, ReadsAFile) {
    const ConfigurationFiles files;
    files.write("culvert.toml", with(peer("tokyo", pin, "10.9.0.0/16")));
    const auto result = read_configuration(files.path("culvert.toml"));
    ASSERT_TRUE(result);
    EXPECT_EQ(result->peers.at(0).endpoint, (RemoteEndpoint{"192.0.2.1", 4433}));
}

} // namespace
} // namespace culvert::control
