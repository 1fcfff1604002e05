#include "control/cli/doctor/doctor.h"

#include "control/cli/doctor/checks.h"
#include "tests/unit/configuration/configuration_files.h"

#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

namespace culvert::control::doctor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Grade = Finding::Grade;

/// A machine whose /proc, /sys and /dev are files of the test.
class DoctorTest : public ::testing::Test {
  protected:
    DoctorTest() {
        patient_.configuration = files_.good(test::with(""));
        patient_.configuration.dataplane.cores = {2, 3};
        patient_.file = files_.path("culvert.toml");
        patient_.system = SystemFiles(files_.path("root"));
        has("/sys/devices/system/cpu/online", "0-3\n");
    }
    void has(const std::string& file, const std::string& content) {
        const auto path = patient_.system.path(file);
        std::filesystem::create_directories(path.parent_path());
        std::ofstream(path) << content;
    }
    void has_link(const std::string& file, const std::string& target) {
        const auto path = patient_.system.path(file);
        std::filesystem::create_directories(path.parent_path());
        std::filesystem::create_symlink(target, path);
    }
    void has_hugepages(int reserved, int free) {
        has("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", std::to_string(reserved));
        has("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", std::to_string(free));
    }
    /// The port becomes a PCI device.
    dataplane::PortSettings& pci_port() {
        auto& port = patient_.configuration.dataplane.ports[0];
        port.device = port.name = "0000:3b:00.0";
        return port;
    }
    template <typename Check, typename... Arguments>
    std::vector<Finding> found(Check check, const Arguments&... arguments) {
        Findings findings;
        check(patient_, arguments..., findings);
        return findings.all();
    }

    test::ConfigurationFiles files_;
    Patient patient_;
};

Finding ok(std::string area, std::string text) {
    return {Grade::ok, std::move(area), std::move(text), ""};
}
Finding warning(std::string area, std::string text, std::string remedy) {
    return {Grade::warning, std::move(area), std::move(text), std::move(remedy)};
}
Finding problem(std::string area, std::string text, std::string remedy) {
    return {Grade::problem, std::move(area), std::move(text), std::move(remedy)};
}

TEST_F(DoctorTest, CountsHugepages) {
    patient_.configuration.dataplane.memory_mib = 256;
    has_hugepages(200, 200);
    EXPECT_THAT(found(check_hugepages),
                ElementsAre(ok("hugepages", "256 MiB needed, 400 MiB reserved, 400 MiB free")));
    has_hugepages(200, 20);
    EXPECT_THAT(
        found(check_hugepages),
        ElementsAre(warning("hugepages",
                            "too few, so ordinary pages are used, which costs some speed: 256 MiB needed, 400 MiB "
                            "reserved, 40 MiB free",
                            "sysctl -w vm.nr_hugepages=324")));
    pci_port();
    EXPECT_THAT(found(check_hugepages),
                ElementsAre(problem("hugepages", "too few: 256 MiB needed, 400 MiB reserved, 40 MiB free",
                                    "sysctl -w vm.nr_hugepages=324")));
    patient_.gateway = 1;
    EXPECT_EQ(found(check_hugepages).at(0).grade, Grade::ok) << "the gateway itself has taken them";
    patient_.configuration.dataplane.hugepages = dataplane::Settings::Hugepages::no;
    EXPECT_EQ(found(check_hugepages).at(0).grade, Grade::warning) << "with a PCI device";
}

TEST_F(DoctorTest, LooksAtTheWorkersCores) {
    EXPECT_THAT(found(check_cores),
                ElementsAre(ok("cores", "workers on 2,3, which sleep when there is nothing to do")));
    patient_.configuration.dataplane.idle = dataplane::Idle::busy;
    EXPECT_THAT(
        found(check_cores),
        ElementsAre(warning("cores", "cores 2,3 are not isolated, so other programs interrupt the workers",
                            "add isolcpus=2,3 to GRUB_CMDLINE_LINUX in /etc/default/grub, then update-grub and "
                            "reboot")));
    has("/sys/devices/system/cpu/isolated", "2-3\n");
    EXPECT_THAT(found(check_cores), ElementsAre(ok("cores", "workers on 2,3, isolated")));
    has("/sys/devices/system/cpu/online", "2-3\n");
    EXPECT_THAT(
        found(check_cores),
        ElementsAre(problem(
            "cores", "workers poll on every core, so nothing is left for the kernel, the bridge and control",
            "leave a core out of dataplane.workers, or write idle = \"event\"")));
    has("/sys/devices/system/cpu/online", "0-2\n");
    EXPECT_THAT(found(check_cores), ElementsAre(problem("cores", "core 3 is not online",
                                                        "list others in dataplane.workers: see \"lscpu\"")));
}

TEST_F(DoctorTest, LooksAtWhoHasThePciDevice) {
    const auto& port = pci_port();
    const std::string folder = "/sys/bus/pci/devices/0000:3b:00.0", area = "port 0000:3b:00.0";
    EXPECT_THAT(found(check_pci_port, port),
                ElementsAre(problem(area, "there is no such PCI device", "dpdk-devbind.py --status-dev net")));
    has(folder + "/numa_node", "-1\n");
    EXPECT_THAT(found(check_pci_port, port),
                ElementsAre(problem(area, "no driver has it",
                                    "modprobe vfio-pci && dpdk-devbind.py --bind=vfio-pci 0000:3b:00.0")));
    has_link(folder + "/driver", "../../../../bus/pci/drivers/ixgbe");
    EXPECT_THAT(found(check_pci_port, port),
                ElementsAre(problem(area, "the kernel's driver ixgbe has it",
                                    "modprobe vfio-pci && dpdk-devbind.py --bind=vfio-pci 0000:3b:00.0")));
}

TEST_F(DoctorTest, LooksForAnIommuBehindVfio) {
    const auto& port = pci_port();
    const std::string folder = "/sys/bus/pci/devices/0000:3b:00.0", area = "port 0000:3b:00.0";
    has_link(folder + "/driver", "../../../../bus/pci/drivers/vfio-pci");
    const auto findings = found(check_pci_port, port);
    ASSERT_EQ(findings.size(), 2U);
    EXPECT_EQ(findings[0], ok(area, "bound to vfio-pci"));
    EXPECT_EQ(findings[1].text, "vfio-pci has no IOMMU to work with");
    has("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n");
    EXPECT_THAT(found(check_pci_port, port), ElementsAre(ok(area, "bound to vfio-pci")));
}

TEST_F(DoctorTest, ComparesTheDevicesAndTheWorkersNumaNodes) {
    const auto& port = pci_port();
    const std::string folder = "/sys/bus/pci/devices/0000:3b:00.0";
    has_link(folder + "/driver", "../../../../bus/pci/drivers/mlx5_core");
    has(folder + "/numa_node", "1\n");
    has("/sys/devices/system/node/node0/cpulist", "0-2\n");
    has("/sys/devices/system/cpu/cpu2/node0", "");
    has("/sys/devices/system/cpu/cpu3/node1", "");
    EXPECT_THAT(
        found(check_pci_port, port),
        ElementsAre(ok("port 0000:3b:00.0", "shared with its kernel driver mlx5_core"),
                    warning("port 0000:3b:00.0", "worker core 2 is on another NUMA node than the device (1)",
                            "list cores of /sys/devices/system/node/node1/cpulist in dataplane.workers")));
}

TEST_F(DoctorTest, LooksAtCapabilities) {
    patient_.gateway = 42;
    has("/proc/42/status", "Name:\tculvertd\nCapEff:\t0000000000001000\n");
    const std::string remedy = "add it to CapabilityBoundingSet: systemctl edit culvert";
    EXPECT_THAT(
        found(check_capabilities),
        ElementsAre(problem("capabilities", "CAP_NET_RAW is missing, for ports on kernel interfaces", remedy),
                    problem("capabilities", "CAP_IPC_LOCK is missing, for locked memory", remedy)));
    has("/proc/42/status", "CapEff:\t0000000000007000\n");
    EXPECT_THAT(found(check_capabilities), ElementsAre(ok("capabilities", "culvertd has those it needs")));
    patient_.configuration.ports[0].settings.driver = "af_xdp";
    EXPECT_THAT(found(check_capabilities),
                ElementsAre(problem("capabilities", "CAP_SYS_ADMIN is missing, for af_xdp's programs", remedy)));
}

TEST_F(DoctorTest, LooksAtForwarding) {
    EXPECT_THAT(
        found(check_forwarding, std::string()),
        ElementsAre(problem("forwarding", "IPv4 isn't forwarded, so hosts behind this gateway can't be reached",
                            "sysctl -w net.ipv4.ip_forward=1")));
    has("/proc/sys/net/ipv4/ip_forward", "1\n");
    has("/proc/sys/net/ipv4/conf/all/rp_filter", "0\n");
    has("/proc/sys/net/ipv4/conf/cv0/rp_filter", "1\n");
    patient_.configuration.tuns[0].addresses.push_back(dataplane::Prefix::parse_interface("fd00::1/64").value());
    EXPECT_THAT(
        found(check_forwarding, std::string()),
        ElementsAre(ok("forwarding", "IPv4 is forwarded"),
                    problem("forwarding", "IPv6 isn't forwarded, so hosts behind this gateway can't be reached",
                            "sysctl -w net.ipv6.conf.all.forwarding=1"),
                    warning("rp_filter",
                            "cv0 drops packets whose answers would take another way (strict reverse path)",
                            "sysctl -w net.ipv4.conf.cv0.rp_filter=2")));
    EXPECT_THAT(found(check_forwarding, std::string("other")), IsEmpty()) << "no TUN is there";
    patient_.configuration.tuns[0].network_namespace = "other";
    EXPECT_THAT(found(check_forwarding, std::string("other")),
                ::testing::Contains(
                    problem("forwarding",
                            "IPv6 isn't forwarded in namespace other, so hosts behind this gateway can't be "
                            "reached",
                            "ip netns exec other sysctl -w net.ipv6.conf.all.forwarding=1")));
}

TEST(Firewall, FindsChainsThatDropWhatIsForwarded) {
    const std::string chain =
        R"({"chain":{"family":"inet","table":"filter","name":"forward","handle":1,"type":"filter",
        "hook":"forward","prio":0,"policy":"POLICY"}})";
    const auto judged = [&](const std::string& policy, const std::string& rules) {
        std::string text = chain;
        text.replace(text.find("POLICY"), 6, policy);
        Findings findings;
        judge_ruleset(R"({"nftables":[{"metainfo":{}},)" + text + rules + "]}", {"cv0"}, findings);
        return findings.all();
    };
    const auto rule = [](const std::string& in_chain) {
        return R"(,{"rule":{"family":"inet","table":"filter","chain":")" + in_chain +
               R"(","expr":[{"match":{"op":"==","left":{"meta":{"key":"iifname"}},"right":"cv0"}},{"accept":null}]}})";
    };
    EXPECT_THAT(
        judged("drop", ""),
        ElementsAre(problem(
            "firewall", "chain inet filter forward drops what is forwarded, and no rule of its own is about cv0",
            "nft insert rule inet filter forward iifname cv0 accept; nft insert rule inet filter "
            "forward oifname cv0 accept")));
    EXPECT_EQ(judged("accept", "").at(0).grade, Grade::ok);
    EXPECT_EQ(judged("drop", rule("forward")).at(0).grade, Grade::ok);
    EXPECT_EQ(judged("drop", rule("input")).at(0).grade, Grade::problem) << "a rule of another chain";
}

TEST(Firewall, SurvivesWhatNftDoesntWrite) {
    for (const auto* text :
         {"", "null", "[]", "{}", R"({"nftables":7})", R"({"nftables":[7,{"chain":7},{"rule":[]}]})"}) {
        Findings findings;
        judge_ruleset(text, {"cv0"}, findings);
        EXPECT_EQ(findings.count(Grade::ok), 1U) << text;
    }
}

TEST_F(DoctorTest, TellsWhoHasTheUdpPort) {
    EXPECT_THAT(found(check_udp_ports), ElementsAre(ok("udp 4433", "free")));
    has("/proc/thread-self/net/udp6", "  sl  local_address                         remote_address                 "
                                      "       st tx_queue rx_queue tr tm->when "
                                      "retrnsmt   uid  timeout inode ref pointer drops\n"
                                      " 7: 00000000000000000000000000000000:1151 "
                                      "00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 "
                                      "00000000     0        0 777 2 0000000000000000 0\n");
    EXPECT_THAT(found(check_udp_ports),
                ElementsAre(problem("udp 4433", "in use by a process that can't be seen from here",
                                    "end that process, or choose another port in [[listen]]")));
    has("/proc/31/comm", "nc\n");
    has_link("/proc/31/fd/3", "socket:[777]");
    EXPECT_THAT(found(check_udp_ports),
                ElementsAre(problem("udp 4433", "in use by nc (process 31)",
                                    "end that process, or choose another port in [[listen]]")));
    patient_.gateway = 31;
    EXPECT_THAT(found(check_udp_ports), ElementsAre(ok("udp 4433", "held by culvertd")));
}

TEST_F(DoctorTest, WarnsBeforeTheCertificateExpires) {
    const auto end = std::chrono::sys_days(std::chrono::year(2126) / 10 / 27) + std::chrono::hours(24);
    const auto at = [&](std::chrono::days before) { return found(check_certificate, end - before).at(0); };
    EXPECT_EQ(at(std::chrono::days(40)).grade, Grade::ok);
    EXPECT_EQ(at(std::chrono::days(20)).grade, Grade::warning);
    EXPECT_THAT(at(std::chrono::days(20)).text, HasSubstr("expires on 2126-"));
    EXPECT_THAT(at(std::chrono::days(-10)).text, HasSubstr("expired on 2126-"));
}

TEST_F(DoctorTest, WarnsOfFilesThatEverybodyMayWrite) {
    files_.write("culvert.toml", "", 0666);
    patient_.configuration.control.socket_group = "no-such-group";
    EXPECT_THAT(
        found(check_files),
        ElementsAre(problem("files", "\"" + patient_.file.string() + "\" may be written by everybody",
                            "chmod o-w " + patient_.file.string()),
                    warning("files", "there is no group \"no-such-group\", so only root may use the socket",
                            "groupadd --system no-such-group")));
}

TEST_F(DoctorTest, TellsWrongConfigurationsErrors) {
    files_.write("culvert.toml", test::with("[control]\nlog_level = 3\n"));
    std::ostringstream out;
    EXPECT_EQ(run(files_.path("culvert.toml"), false, out), 1);
    EXPECT_EQ(out.str(), "problem configuration  " + files_.path("culvert.toml").string() +
                             ":13: control.log_level: is an integer, but should be a string\n"
                             "                       → put it in quotes\n\n1 problem, 0 warnings\n");
}

TEST_F(DoctorTest, ExaminesThisMachine) {
    files_.write("culvert.toml", test::with("[dataplane]\nworkers = [0]\n"));
    std::ostringstream out;
    const int exit_code = run(files_.path("culvert.toml"), true, out);
    const auto answer = nlohmann::json::parse(out.str());
    EXPECT_EQ(exit_code, answer.at("problems").get<int>() == 0 ? 0 : 1);
    std::set<std::string> areas;
    for (const auto& finding : answer.at("findings"))
        areas.insert(finding.at("area"));
    EXPECT_THAT(areas, ::testing::IsSupersetOf({"configuration", "culvertd", "capabilities", "files",
                                                "certificate", "hugepages", "cores", "/dev/net/tun", "port eth0",
                                                "udp 4433", "forwarding", "firewall"}));
}

} // namespace
} // namespace culvert::control::doctor
