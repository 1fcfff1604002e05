#include "tun_bridge/kernel_port.h"

#include "dataplane/headers.h"
#include "tests/unit/tun_bridge/bridge_rig.h"
#include "tests/unit/tun_bridge/scratch_namespace.h"
#include "tun_bridge/network_namespace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <optional>
#include <rte_dev.h>
#include <rte_ethdev.h>

namespace culvert::tun_bridge {
namespace {

using namespace culvert::testing;
using dataplane::Prefix;
using ::testing::HasSubstr;
using ::testing::Not;

class KernelPortTest : public ::testing::Test {
  protected:
    void SetUp() override {
        if (const auto why = kernel_refusal())
            GTEST_SKIP() << *why;
        space_.emplace("port");
    }
    std::unique_ptr<KernelPort> open(const KernelPortSettings& settings) {
        std::unique_ptr<KernelPort> port;
        EXPECT_TRUE(run_in_network_namespace(space_->name(), [&] {
            auto opened = KernelPort::open(settings);
            if (opened)
                port = std::move(*opened);
            else
                problem_ = opened.error();
        }));
        return port;
    }

    const KernelPortSettings settings_{.name = "cvk0",
                                       .addresses = {Prefix::parse_interface("192.0.2.1/24").value(),
                                                     Prefix::parse_interface("2001:db8::1/64").value()},
                                       .mtu = 1450,
                                       .link_address = {0x02, 0xc0, 0, 0, 0, 0x11}};
    std::optional<ScratchNamespace> space_;
    std::string problem_;
};

/// A started port of net_tap with one queue each way.
class TapPort {
  public:
    explicit TapPort(rte_mempool* pool) {
        if (rte_eal_hotplug_add("vdev", "net_tap_cvk0", "iface=cvk0") != 0 ||
            rte_eth_dev_get_port_by_name("net_tap_cvk0", &id_) != 0)
            throw std::runtime_error("cannot make a net_tap port");
        const rte_eth_conf conf{};
        if (rte_eth_dev_configure(id_, 1, 1, &conf) != 0 ||
            rte_eth_rx_queue_setup(id_, 0, 128, SOCKET_ID_ANY, nullptr, pool) != 0 ||
            rte_eth_tx_queue_setup(id_, 0, 128, SOCKET_ID_ANY, nullptr) != 0 || rte_eth_dev_start(id_) != 0)
            throw std::runtime_error("cannot start a net_tap port");
    }
    ~TapPort() {
        rte_eth_dev_stop(id_);
        rte_eal_hotplug_remove("vdev", "net_tap_cvk0");
    }
    TapPort(const TapPort&) = delete;
    TapPort& operator=(const TapPort&) = delete;
    /// The next frame, if there is one.
    std::optional<Bytes> receive() const {
        rte_mbuf* frame = nullptr;
        if (rte_eth_rx_burst(id_, 0, &frame, 1) == 0)
            return std::nullopt;
        Bytes bytes = bytes_of(frame);
        rte_pktmbuf_free(frame);
        return bytes;
    }

  private:
    std::uint16_t id_ = 0;
};

TEST_F(KernelPortTest, SetsTheInterfaceUpAndUndoesIt) {
    ASSERT_EQ(space_->run("ip link add cvk0 type veth peer name cvp0"), 0);
    auto port = open(settings_);
    ASSERT_TRUE(port) << problem_;
    const std::string up = space_->output("ip address show dev cvk0");
    EXPECT_THAT(up, HasSubstr("mtu 1450"));
    EXPECT_THAT(up, HasSubstr("02:c0:00:00:00:11"));
    EXPECT_THAT(up, HasSubstr("192.0.2.1/24"));
    EXPECT_THAT(up, HasSubstr("2001:db8::1/64"));
    EXPECT_THAT(up, HasSubstr(",UP"));
    port.reset();
    const std::string down = space_->output("ip address show dev cvk0");
    EXPECT_THAT(down, Not(HasSubstr("192.0.2.1")));
    EXPECT_THAT(down, Not(HasSubstr("2001:db8::1")));
    EXPECT_THAT(down, Not(HasSubstr(",UP")));
}

TEST_F(KernelPortTest, SaysWhatIsMissingAndLeavesNothing) {
    EXPECT_FALSE(open(settings_));
    EXPECT_EQ(problem_, "cvk0: there is no such network interface");
    ASSERT_EQ(space_->run("ip link add cvk0 type veth peer name cvp0"), 0);
    KernelPortSettings wrong = settings_;
    wrong.addresses.push_back(Prefix{dataplane::IpAddress::parse("192.0.2.9").value(), 77});
    EXPECT_FALSE(open(wrong));
    EXPECT_THAT(problem_, HasSubstr("cvk0: cannot add the address 192.0.2.9/77: "));
    EXPECT_THAT(space_->output("ip address show dev cvk0"), Not(HasSubstr("192.0.2.1")));
}

TEST_F(KernelPortTest, TheKernelAnswersForThePortThroughNetTap) {
    PacketPool pool(1023);
    std::optional<TapPort> tap;
    ASSERT_TRUE(run_in_network_namespace(space_->name(), [&] { tap.emplace(pool.get()); }));
    const auto port = open(settings_);
    ASSERT_TRUE(port) << problem_;
    space_->run("ping -c 1 -W 1 192.0.2.2 >/dev/null &");
    // The kernel asks for its neighbour with the port's own link address.
    Bytes request;
    EXPECT_TRUE(eventually([&] {
        const auto frame = tap->receive();
        if (!frame || frame->size() < 42 || frame->at(12) != 0x08 || frame->at(13) != 0x06)
            return false;
        request = *frame;
        return true;
    }));
    ASSERT_GE(request.size(), 42U);
    EXPECT_EQ(Bytes(request.begin() + 6, request.begin() + 12), Bytes({0x02, 0xc0, 0, 0, 0, 0x11}));
    EXPECT_EQ(Bytes(request.begin() + 28, request.begin() + 32), Bytes({192, 0, 2, 1}));
    EXPECT_EQ(Bytes(request.begin() + 38, request.begin() + 42), Bytes({192, 0, 2, 2}));
}

} // namespace
} // namespace culvert::tun_bridge
