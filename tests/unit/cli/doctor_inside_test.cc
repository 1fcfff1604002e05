#include "control/cli/doctor/checks.h"
#include "tests/unit/kernel/inside_namespace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/// What the doctor sees of real interfaces and rules, in namespaces of its own.
namespace culvert::control::doctor {
namespace {

using culvert::testing::ScratchNamespace;
using ::testing::ElementsAre;

std::vector<std::string> texts(const Findings& findings) {
    std::vector<std::string> out;
    for (const auto& finding : findings.all())
        out.push_back(finding.area + ": " + finding.text + " → " + finding.remedy);
    return out;
}

class DoctorInside : public test::InsideNamespace {
  protected:
    static Patient patient() {
        Patient patient;
        TunSection tun;
        tun.name = "cv0";
        tun.addresses = {dataplane::Prefix::parse_interface("10.8.0.1/24").value()};
        patient.configuration.tuns = {tun};
        patient.configuration.listens = {{"dtls", 4433}};
        return patient;
    }
    static PortSection port() {
        PortSection port;
        port.settings.name = "p0";
        port.settings.device = "kernel:p0";
        return port;
    }
    static std::vector<std::string> port_findings(const ScratchNamespace& space, const PortSection& port) {
        Findings findings;
        inside(space, [&] { check_kernel_port(patient(), port, findings); });
        return texts(findings);
    }
};

TEST_F(DoctorInside, LooksAtAKernelInterface) {
    const ScratchNamespace space("port");
    EXPECT_THAT(port_findings(space, port()),
                ElementsAre("port p0: there is no such interface → ip -brief link shows those "
                            "there are"));
    ASSERT_EQ(space.run("ip link add p0 mtu 1400 type veth peer name p1"), 0);
    EXPECT_THAT(
        port_findings(space, port()),
        ElementsAre(
            "port p0: the interface is down → ip link set dev p0 up",
            "port p0: its MTU is 1400, but port.p0.mtu is 1500 → ip link set dev p0 mtu 1500",
            "port p0: it has no address → ip address add ADDRESS/LENGTH dev p0",
            "port p0: a veth leaves checksums and segmentation to a device that isn't there, so TCP and UDP of "
            "the kernel's own don't survive the port → on both ends of the veth: ethtool -K p0 tx off tso off "
            "gso off tx-udp-segmentation off"));
    ASSERT_EQ(space.run("ip link set p0 mtu 1500 up; ip link set p1 up; ip address add 192.0.2.1/24 dev p0; "
                        "ethtool -K p0 tx off tso off gso off tx-udp-segmentation off >/dev/null"),
              0);
    EXPECT_THAT(port_findings(space, port()), ElementsAre("port p0: up, MTU 1500 → "));
    auto with_addresses = port();
    with_addresses.addresses = {dataplane::Prefix::parse_interface("192.0.2.7/24").value()};
    EXPECT_THAT(
        port_findings(space, with_addresses),
        ElementsAre("port p0: it doesn't have the address 192.0.2.7/24 of the configuration → ip address add "
                    "192.0.2.7/24 dev p0"));
}

TEST_F(DoctorInside, CountsTheQueuesForAfXdp) {
    const ScratchNamespace space("queues");
    ASSERT_EQ(space.run("ip link add p0 numrxqueues 1 numtxqueues 1 type veth peer name p1; ip address add "
                        "192.0.2.1/24 dev p0; "
                        "ip link set p0 up; ethtool -K p0 tx off >/dev/null"),
              0);
    auto xdp = port(); // its addresses are the kernel port's
    xdp.settings.driver = "af_xdp";
    xdp.addresses = {dataplane::Prefix::parse_interface("192.0.2.1/24").value()};
    EXPECT_THAT(port_findings(space, xdp), ElementsAre("port p0: up, MTU 1500 → "));
    Patient two = patient();
    two.configuration.dataplane.cores = {0, 1};
    Findings findings;
    inside(space, [&] { check_kernel_port(two, xdp, findings); });
    EXPECT_THAT(texts(findings),
                ElementsAre("port p0: af_xdp takes a queue for each worker: there are 1 queues and 2 workers → "
                            "make the veth with numrxqueues and numtxqueues of 2, or list as many workers as "
                            "it has queues"));
}

TEST_F(DoctorInside, ReadsTheRealRulesAndSysctls) {
    const ScratchNamespace space("rules");
    if (space.run("nft list ruleset >/dev/null 2>&1") != 0)
        GTEST_SKIP() << "nft isn't installed";
    ASSERT_EQ(
        space.run("nft add table inet f; nft add chain inet f through \"{ type filter hook forward priority 0; "
                  "policy drop; }\"; "
                  "sysctl -q -w net.ipv4.ip_forward=0"),
        0);
    Findings findings;
    inside(space, [&] {
        check_forwarding(patient(), "", findings);
        check_firewall(patient(), "", findings);
    });
    EXPECT_THAT(
        texts(findings),
        ElementsAre("forwarding: IPv4 isn't forwarded, so hosts behind this gateway can't be reached → sysctl -w "
                    "net.ipv4.ip_forward=1",
                    "firewall: chain inet f through drops what is forwarded, and no rule of its own is about cv0 "
                    "→ nft insert "
                    "rule inet f through iifname cv0 accept; nft insert rule inet f through oifname cv0 accept"));
    // The remedies mend it.
    ASSERT_EQ(
        space.run("sysctl -q -w net.ipv4.ip_forward=1; nft insert rule inet f through iifname cv0 accept; nft "
                  "insert rule inet f "
                  "through oifname cv0 accept"),
        0);
    Findings mended;
    inside(space, [&] {
        check_forwarding(patient(), "", mended);
        check_firewall(patient(), "", mended);
    });
    EXPECT_THAT(texts(mended),
                ElementsAre("forwarding: IPv4 is forwarded → ", "firewall: nothing drops what is forwarded → "));
}

TEST_F(DoctorInside, SeesARealSocket) {
    const ScratchNamespace space("udp");
    Findings before, after;
    inside(space, [&] {
        check_udp_ports(patient(), before);
        const int socket = ::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        sockaddr_in6 name{};
        name.sin6_family = AF_INET6;
        name.sin6_port = htons(4433);
        EXPECT_EQ(bind(socket, reinterpret_cast<const sockaddr*>(&name), sizeof(name)), 0);
        check_udp_ports(patient(), after);
        close(socket);
    });
    EXPECT_THAT(texts(before), ElementsAre("udp 4433: free → "));
    EXPECT_THAT(texts(after), ElementsAre("udp 4433: in use by unit-cli (process " + std::to_string(getpid()) +
                                          ") → end that process, or choose another port in [[listen]]"));
}

} // namespace
} // namespace culvert::control::doctor
