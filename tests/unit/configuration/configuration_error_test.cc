#include "tests/unit/configuration/configuration_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

/// One fault each, with the exact text of its error.
namespace culvert::control {
namespace {

using ::testing::IsEmpty;
using namespace test;

struct Fault {
    const char* name;
    std::string (*text)();
    const char* errors; ///< a line each
};

class ConfigurationFault : public ::testing::TestWithParam<Fault> {};

TEST_P(ConfigurationFault, IsToldExactly) {
    const ConfigurationFiles files;
    files.write("open.key", "secret", 0644);
    files.write("open.psk", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n", 0604);
    files.write("short.psk", "AAECAwQFBgcICQoLDA0ODw==\n");
    files.write("same.psk", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    std::string told;
    for (const auto& error : files.errors(GetParam().text()))
        told += (told.empty() ? "" : "\n") + error;
    EXPECT_EQ(told, GetParam().errors);
}

std::string name_of(const ::testing::TestParamInfo<Fault>& info) {
    return info.param.name;
}

/// The sections but [gateway], which the fault is in; they follow behind.
std::string rest() {
    return std::string(port) + std::string(tun) + std::string(listening);
}

constexpr Fault shape_faults[] = {
    {"UnknownKey", [] { return with("[controll]\n"); },
     "culvert.toml:12: controll: is not a key of the configuration; did "
     "you mean control?"},
    {"UnknownKeyNearNone", [] { return with("[dns]\n"); },
     "culvert.toml:12: dns: is not a key of the configuration; the keys here are control, dataplane, "
     "gateway, "
     "listen, peer, port or tun"},
    {"SwappedLetters", [] { return with("[control]\nsokcet = \"/run/x\"\n"); },
     "culvert.toml:13: control.sokcet: is not a key of the configuration; did you mean socket?"},
    {"SingleBrackets",
     [] {
         return std::string(gateway) + std::string(tun) + std::string(listening) +
                "[port]\ndevice = \"kernel:eth0\"\n";
     },
     "culvert.toml:10: port: is a table, but should be a list of tables; write [[port]] with double "
     "brackets"},
    {"DoubleBrackets", [] { return with("[[control]]\n"); },
     "culvert.toml:12: control: is a list of tables, but should be a table; write [control] with single "
     "brackets"},
    {"NoTables", [] { return "peer = [1]\n" + with(""); },
     "culvert.toml:1: peer[0]: is an integer, but should be a table; write [[peer]] with double "
     "brackets"},
    {"NumberForString", [] { return "[gateway]\nname = 7\n" + rest(); },
     "culvert.toml:2: gateway.name: is an integer, but should be a string; put it in quotes"},
    {"StringForBoolean", [] { return with("[[tun]]\nname = \"cv1\"\noffloads = \"yes\"\n"); },
     "culvert.toml:14: tun.cv1.offloads: is a string, but should be a boolean; write true or false, "
     "without "
     "quotes"},
    {"FloatForInteger", [] { return with("[dataplane]\nmax_sessions = 1e3\n"); },
     "culvert.toml:13: dataplane.max_sessions: is a floating-point number, but should be an integer; "
     "write a "
     "number from 1 to 1048576, without quotes"},
    {"NumberInList", [] { return with(peer("tokyo", pin, "10.9.0.0/16\", 5, \"10.10.0.0/16")); },
     "culvert.toml:16: peer.tokyo.prefixes[1]: is an integer, but should be a string; put it in quotes"},
    {"NumberForList", [] { return with("[[tun]]\nname = \"cv1\"\naddress = 10\n"); },
     "culvert.toml:14: tun.cv1.address: is an integer, but should be a list of strings; write address = "
     "[\"…\", \"…\"]"}};
INSTANTIATE_TEST_SUITE_P(Shape, ConfigurationFault, ::testing::ValuesIn(shape_faults), name_of);

constexpr Fault gateway_faults[] = {
    {"NoName", [] { return "[gateway]\n" + rest(); },
     "culvert.toml:1: gateway.name: is missing; write name = \"…\": how this gateway is called"},
    {"StrangeName", [] { return "[gateway]\nname = \"a/b\"\n" + rest(); },
     "culvert.toml:2: gateway.name: \"a/b\" is not a name; use 1 to 64 letters, digits, '-', '_' and "
     "'.', and "
     "begin with a letter or digit"},
    {"KeyMissing", [] { return "[gateway]\nname = \"a\"\ncertificate = \"paris.crt\"\n" + rest(); },
     "culvert.toml:1: gateway.private_key: is missing; certificate and private_key go together; "
     "\"culvertctl "
     "keygen NAME\" writes both"},
    {"FilesMissing",
     [] { return "[gateway]\nname = \"a\"\ncertificate = \"no.crt\"\nprivate_key = \"no.key\"\n" + rest(); },
     "culvert.toml:3: gateway.certificate: \"no.crt\" can't be read: No such file or directory; put the "
     "file "
     "there or correct the path"
     "\n"
     "culvert.toml:4: gateway.private_key: \"no.key\" can't be read: No such file or directory; put the "
     "file "
     "there or correct the path"},
    {"KeyOpenToAll",
     [] { return "[gateway]\nname = \"a\"\ncertificate = \"paris.crt\"\nprivate_key = \"open.key\"\n" + rest(); },
     "culvert.toml:4: gateway.private_key: \"open.key\" holds a secret and is open to everybody; chmod o= "
     "open.key"},
    {"NoCertificate",
     [] {
         return "[gateway]\nname = \"a\"\ncertificate = \"shared.psk\"\nprivate_key = \"paris.key\"\n" + rest();
     },
     "culvert.toml:3: gateway.certificate: \"shared.psk\" holds no certificate in PEM; make one: "
     "culvertctl "
     "keygen NAME"},
    {"NoKey",
     [] {
         return "[gateway]\nname = \"a\"\ncertificate = \"paris.crt\"\nprivate_key = \"shared.psk\"\n" + rest();
     },
     "culvert.toml:4: gateway.private_key: \"shared.psk\" holds no private key in PEM; make one: "
     "culvertctl "
     "keygen NAME"},
    {"UnknownLogLevel", [] { return with("[control]\nlog_level = \"loud\"\n"); },
     "culvert.toml:13: control.log_level: \"loud\" is not known; write \"trace\", \"debug\", \"info\", "
     "\"warning\" or \"error\""},
    {"RelativeSocket", [] { return with("[control]\nsocket = \"x.sock\"\n"); },
     "culvert.toml:13: control.socket: \"x.sock\" can't be a socket's path; write an absolute path of "
     "at most "
     "107 characters"}};
INSTANTIATE_TEST_SUITE_P(Gateway, ConfigurationFault, ::testing::ValuesIn(gateway_faults), name_of);

constexpr Fault dataplane_faults[] = {
    {"NoWorkers", [] { return with("[dataplane]\nworkers = []\n"); },
     "culvert.toml:13: dataplane.workers: is an empty list; write a list of cores like [2, 3], or "
     "\"auto\""},
    {"WorkersAsText", [] { return with("[dataplane]\nworkers = \"2,3\"\n"); },
     "culvert.toml:13: dataplane.workers: \"2,3\" is not known; write a list of cores like [2, 3], or "
     "\"auto\""},
    {"WorkersAsNumber", [] { return with("[dataplane]\nworkers = 2\n"); },
     "culvert.toml:13: dataplane.workers: is an integer, but should be a list of integers; write a list "
     "of "
     "cores like [2, 3], or \"auto\""},
    {"IdleUnknown", [] { return with("[dataplane]\nidle = \"sleep\"\n"); },
     "culvert.toml:13: dataplane.idle: \"sleep\" is not known; write \"auto\", \"busy\", \"event\" or "
     "\"sleep:N\" with 1 to 10000 microseconds"},
    {"SleepTooLong", [] { return with("[dataplane]\nidle = \"sleep:20000\"\n"); },
     "culvert.toml:13: dataplane.idle: \"sleep:20000\" is not known; write \"auto\", \"busy\", "
     "\"event\" or "
     "\"sleep:N\" with 1 to 10000 microseconds"},
    {"HugepagesAsNumber", [] { return with("[dataplane]\nhugepages = 1\n"); },
     "culvert.toml:13: dataplane.hugepages: is an integer, but should be a boolean or \"auto\"; write "
     "true, "
     "false or \"auto\""}};
INSTANTIATE_TEST_SUITE_P(Dataplane, ConfigurationFault, ::testing::ValuesIn(dataplane_faults), name_of);

constexpr Fault ports_faults[] = {
    {"NoDevice", [] { return with("[[port]]\nmtu = 1500\n"); },
     "culvert.toml:12: port[1].device: is missing; write a PCI address (\"0000:3b:00.0\"), \"kernel:\" "
     "and an "
     "interface, or a DPDK vdev (\"net_…\")"},
    {"BareInterface", [] { return with("[[port]]\ndevice = \"eth1\"\naddress = [\"192.0.2.1/24\"]\n"); },
     "culvert.toml:13: port.eth1.device: \"eth1\" is not a device; write \"kernel:eth1\" to share a "
     "kernel "
     "interface"},
    {"ShortPci", [] { return with("[[port]]\ndevice = \"3b:00.0\"\naddress = [\"192.0.2.1/24\"]\n"); },
     "culvert.toml:13: port.3b:00.0.device: \"3b:00.0\" lacks its PCI domain; write \"0000:3b:00.0\""},
    {"Twice", [] { return with("[[port]]\ndevice = \"kernel:eth0\"\n"); },
     "culvert.toml:13: port.eth0.device: port \"eth0\" is there already (line 6); give each device one "
     "[[port]]"},
    {"SameAddress",
     [] {
         return with("[[port]]\ndevice = \"net_tap0\"\naddress = [\"192.0.2.1/24\"]\n"
                     "[[port]]\ndevice = \"net_tap1\"\naddress = [\"192.0.2.2/24\", \"192.0.2.1/16\"]\n");
     },
     "culvert.toml:17: port.net_tap1.address[1]: 192.0.2.1 is already an address of port \"net_tap0\" "
     "(line "
     "14); give each address once"},
    {"NoAddress", [] { return with("[[port]]\ndevice = \"net_tap0,iface=x\"\n"); },
     "culvert.toml:12: port.net_tap0.address: is missing; write address = [\"…/24\"]: the outer "
     "addresses of a "
     "device that DPDK owns"},
    {"NoAddressForAfXdp", [] { return with("[[port]]\ndevice = \"kernel:eth1\"\ndriver = \"af_xdp\"\n"); },
     "culvert.toml:12: port.eth1.address: is missing; write address = [\"…/24\"]: the outer addresses "
     "of a "
     "device that DPDK owns"},
    {"AddressWithoutLength",
     [] { return with("[[port]]\ndevice = \"kernel:eth1\"\naddress = \"192.0.2.1/33\"\n"); },
     "culvert.toml:14: port.eth1.address: \"192.0.2.1/33\" is not an address with its network's length; "
     "write "
     "it like \"192.0.2.1/24\" or \"2001:db8::1/64\""},
    {"KernelPortOfKernel", [] { return with("[[port]]\ndevice = \"kernel:eth1\"\nkernel_port = \"wan0\"\n"); },
     "culvert.toml:14: port.eth1.kernel_port: is only for a device that DPDK owns; leave it out: the "
     "kernel "
     "keeps its own packets of eth1"},
    {"DriverOfVdev",
     [] { return with("[[port]]\ndevice = \"net_tap0\"\ndriver = \"af_xdp\"\naddress = \"192.0.2.1/24\"\n"); },
     "culvert.toml:14: port.net_tap0.driver: is only for a kernel interface; leave it out: DPDK finds "
     "this "
     "device's driver itself"},
    {"MtuTooSmall", [] { return with("[[port]]\ndevice = \"kernel:eth1\"\nmtu = 575\n"); },
     "culvert.toml:14: port.eth1.mtu: 575 is out of range; write a number from 576 to 9600"},
    {"LongKernelPort",
     [] {
         return with("[[port]]\ndevice = \"net_tap0\"\nkernel_port = \"a-much-too-long-name\"\naddress = "
                     "\"192.0.2.1/24\"\n");
     },
     "culvert.toml:14: port.net_tap0.kernel_port: \"a-much-too-long-name\" is not a name for a network "
     "interface; use 1 to 15 letters, digits, '-', '_' and '.'"}};
INSTANTIATE_TEST_SUITE_P(Ports, ConfigurationFault, ::testing::ValuesIn(ports_faults), name_of);

constexpr Fault tuns_faults[] = {
    {"Twice", [] { return with("[[tun]]\nname = \"cv0\"\n"); },
     "culvert.toml:13: tun.cv0.name: tun \"cv0\" is there already (line 8); give each TUN device a name "
     "of "
     "its own"},
    {"SameAddress", [] { return with("[[tun]]\nname = \"cv1\"\naddress = [\"10.8.0.1/32\"]\n"); },
     "culvert.toml:14: tun.cv1.address[0]: 10.8.0.1 is already an address of tun \"cv0\" (line 9); give "
     "each "
     "address once"},
    {"AddressOfAPort",
     [] {
         return with("[[port]]\ndevice = \"kernel:eth1\"\naddress = [\"192.0.2.1/24\"]\n"
                     "[[tun]]\nname = \"cv1\"\naddress = [\"192.0.2.1/32\"]\n");
     },
     "culvert.toml:17: tun.cv1.address[0]: 192.0.2.1 is already an address of port \"eth1\" (line 14); "
     "give "
     "each address once"},
    {"NameOfAKernelPort",
     [] {
         return with("[[port]]\ndevice = \"net_tap0\"\naddress = [\"192.0.2.1/24\"]\nkernel_port = "
                     "\"cv1\"\n[[tun]]\nname = \"cv1\"\n");
     },
     "culvert.toml:17: tun.cv1.name: \"cv1\" is already a kernel port (line 15); give each network "
     "interface a "
     "name of its own"},
    {"SmallForV6", [] { return with("[[tun]]\nname = \"cv1\"\nmtu = 1279\naddress = [\"fd00::1/64\"]\n"); },
     "culvert.toml:14: tun.cv1.mtu: 1279 is too small for IPv6; make it at least 1280, or leave out the "
     "IPv6 "
     "addresses"},
    {"NoSuchNamespace", [] { return with("[[tun]]\nname = \"cv1\"\nnamespace = \"not-there-at-all\"\n"); },
     "culvert.toml:14: tun.cv1.namespace: there is no namespace \"not-there-at-all\" below /run/netns; ip "
     "netns add not-there-at-all"}};
INSTANTIATE_TEST_SUITE_P(Tuns, ConfigurationFault, ::testing::ValuesIn(tuns_faults), name_of);

constexpr Fault listens_faults[] = {
    {"Twice", [] { return with("[[listen]]\nport = 4433\n"); },
     "culvert.toml:13: listen.4433.port: UDP port 4433 is listened on already (line 10); "
     "give each [[listen]] "
     "a port of its own"},
    {"UnknownFormat", [] { return with("[[listen]]\nformat = \"wireguard\"\nport = 1\n"); },
     "culvert.toml:13: listen[1].format: \"wireguard\" is not known; write \"dtls\""},
    {"PortZero", [] { return with("[[listen]]\nport = 0\n"); },
     "culvert.toml:13: listen[1].port: 0 is out of range; write a number from 1 to 65535"}};
INSTANTIATE_TEST_SUITE_P(Listens, ConfigurationFault, ::testing::ValuesIn(listens_faults), name_of);

constexpr Fault peers_faults[] = {
    {"NoName", [] { return with("[[peer]]\npin = \"" + std::string(pin) + "\"\nprefixes = []\n"); },
     "culvert.toml:12: peer[0].name: is missing; write name = \"…\": how this peer is called"},
    {"Twice", [] { return with(peer("tokyo", pin, "10.9.0.0/16") + peer("tokyo", other_pin, "10.10.0.0/16")); },
     "culvert.toml:19: peer.tokyo.name: peer \"tokyo\" (line 13) is there already; give each peer a "
     "name of "
     "its own"},
    {"SamePrefix",
     [] {
         return with(peer("osaka", pin, "10.9.0.0/16") + peer("tokyo", other_pin, "10.8.9.0/24\", \"10.9.0.0/16"));
     },
     "culvert.toml:22: peer.tokyo.prefixes[1]: 10.9.0.0/16 already belongs to peer \"osaka\" (line 16); "
     "give "
     "each prefix to one peer"},
    {"PrefixOfTheTun", [] { return with(peer("tokyo", pin, "10.8.0.0/24")); },
     "culvert.toml:16: peer.tokyo.prefixes[0]: 10.8.0.0/24 is already the network of tun \"cv0\"; give "
     "each "
     "prefix to one end; a longer one inside of it is all right"},
    {"HostBits", [] { return with(peer("tokyo", pin, "2001:db8::1/64")); },
     "culvert.toml:16: peer.tokyo.prefixes[0]: \"2001:db8::1/64\" has host bits set; write "
     "\"2001:db8::/64\""},
    {"NoNetwork", [] { return with(peer("tokyo", pin, "10.9/16")); },
     "culvert.toml:16: peer.tokyo.prefixes[0]: \"10.9/16\" is not a network; write it like "
     "\"10.9.0.0/16\" or "
     "\"2001:db8::/32\""},
    {"NoPrefixes", [] { return with("[[peer]]\nname = \"tokyo\"\npin = \"" + std::string(pin) + "\"\n"); },
     "culvert.toml:12: peer.tokyo.prefixes: is missing; write prefixes = [\"…\"]: the inner networks "
     "behind "
     "this peer"},
    {"NoSuchTun", [] { return with(peer("tokyo", pin, "10.9.0.0/16", "tun = \"cv9\"")); },
     "culvert.toml:17: peer.tokyo.tun: there is no [[tun]] \"cv9\"; write cv0"},
    {"Endpoint",
     [] {
         return with("[[peer]]\nname = \"tokyo\"\npin = \"" + std::string(pin) +
                     "\"\nprefixes = []\nendpoint = \"2001:db8::1:4433\"\n");
     },
     "culvert.toml:16: peer.tokyo.endpoint: \"2001:db8::1:4433\" is not an endpoint; put an IPv6 "
     "address in "
     "brackets, like \"[2001:db8::1]:4433\""},
    {"Lanes", [] { return with(peer("tokyo", pin, "10.9.0.0/16", "lanes = 0")); },
     "culvert.toml:17: peer.tokyo.lanes: 0 is out of range; write a number from 1 to 64"},
    {"Dscp", [] { return with(peer("tokyo", pin, "10.9.0.0/16", "dscp = \"ef\"")); },
     "culvert.toml:17: peer.tokyo.dscp: is a string, but should be an integer or \"copy\"; write a "
     "number from "
     "0 to 63, or \"copy\""},
    {"NobodyCalls",
     [] {
         return std::string(gateway) + std::string(port) + std::string(tun) +
                "[[peer]]\nname = \"tokyo\"\npin = \"" + std::string(pin) + "\"\nprefixes = []\n";
     },
     "culvert.toml:10: peer.tokyo: has no endpoint, and there is no [[listen]] on which it could call; "
     "add "
     "endpoint = \"host:4433\" or a [[listen]]"}};
INSTANTIATE_TEST_SUITE_P(Peers, ConfigurationFault, ::testing::ValuesIn(peers_faults), name_of);

constexpr Fault credentials_faults[] = {
    {"Pin", [] { return with(peer("tokyo", "pin-sha256:abc", "10.9.0.0/16")); },
     "culvert.toml:14: peer.tokyo.pin: \"pin-sha256:abc\" is not a pin; write \"pin-sha256:\" and 44 "
     "characters of base64; \"culvertctl pin FILE.crt\" on the other gateway prints it"},
    {"SamePin", [] { return with(peer("osaka", pin, "10.9.0.0/16") + peer("tokyo", pin, "10.10.0.0/16")); },
     "culvert.toml:20: peer.tokyo.pin: is already the pin of peer \"osaka\" (line 12); give each peer a "
     "key of "
     "its own: its pin tells who calls"},
    {"PinWithoutCertificate",
     [] { return "[gateway]\nname = \"paris\"\n" + rest() + peer("tokyo", pin, "10.9.0.0/16"); },
     "culvert.toml:12: peer.tokyo.pin: needs a certificate on this side, too; \"culvertctl keygen "
     "NAME\", then "
     "certificate and private_key in [gateway]"},
    {"None", [] { return with("[[peer]]\nname = \"tokyo\"\nprefixes = []\n"); },
     "culvert.toml:12: peer.tokyo: has neither pin nor psk_file; write pin = \"pin-sha256:…\" as "
     "\"culvertctl "
     "keygen\" printed it there, or psk_file = \"…\""},
    {"Both", [] { return with(peer("tokyo", pin, "10.9.0.0/16", "psk_file = \"shared.psk\"")); },
     "culvert.toml:17: peer.tokyo.psk_file: stands beside pin; leave one out: a peer proves itself by "
     "its pin "
     "or by a key"},
    {"PskMissing", [] { return with("[[peer]]\nname = \"tokyo\"\nprefixes = []\npsk_file = \"no.psk\"\n"); },
     "culvert.toml:15: peer.tokyo.psk_file: \"no.psk\" can't be read: No such file or directory; put "
     "the file "
     "there or correct the path"},
    {"PskOpenToAll", [] { return with("[[peer]]\nname = \"tokyo\"\nprefixes = []\npsk_file = \"open.psk\"\n"); },
     "culvert.toml:15: peer.tokyo.psk_file: \"open.psk\" holds a secret and is open to everybody; chmod "
     "o= "
     "open.psk"},
    {"PskShort", [] { return with("[[peer]]\nname = \"tokyo\"\nprefixes = []\npsk_file = \"short.psk\"\n"); },
     "culvert.toml:15: peer.tokyo.psk_file: \"short.psk\" holds no pre-shared key: it should be one "
     "line, the "
     "base64 of 32 bytes; make one: culvertctl keygen --psk FILE"},
    {"SamePsk",
     [] {
         return with("[[peer]]\nname = \"osaka\"\nprefixes = []\npsk_file = \"shared.psk\"\n"
                     "[[peer]]\nname = \"tokyo\"\nprefixes = []\npsk_file = \"same.psk\"\n");
     },
     "culvert.toml:19: peer.tokyo.psk_file: holds the same key as that of peer \"osaka\" (line 12); "
     "give each "
     "peer a key of its own: it tells who calls"}};
INSTANTIATE_TEST_SUITE_P(Credentials, ConfigurationFault, ::testing::ValuesIn(credentials_faults), name_of);

TEST(ConfigurationFaults, NestedPrefixesAreNone) {
    const ConfigurationFiles files;
    EXPECT_THAT(files.errors(with(peer("osaka", pin, "10.0.0.0/8") + peer("tokyo", other_pin, "10.9.0.0/16"))),
                IsEmpty());
}

} // namespace
} // namespace culvert::control
