#include "tun_bridge/link.h"

#include "tests/unit/tun_bridge/scratch_namespace.h"
#include "tun_bridge/network_namespace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/rtnetlink.h>
#include <optional>

namespace culvert::tun_bridge {
namespace {

using dataplane::Prefix;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class LinkTest : public ::testing::Test {
  protected:
    void SetUp() override {
        if (const auto why = culvert::testing::kernel_refusal())
            GTEST_SKIP() << *why;
        space_.emplace("link");
        ASSERT_EQ(space_->run("ip link add va type veth peer name vb"), 0);
        netlink_.emplace(Netlink::open(space_->name()).value());
    }

    std::optional<culvert::testing::ScratchNamespace> space_;
    std::optional<Netlink> netlink_;
};

TEST_F(LinkTest, ChangesWhatItIsToldTo) {
    const Link link = find_link(*netlink_, "va").value();
    const std::array<std::uint8_t, 6> address{0x02, 0, 0, 0, 0, 0x77};
    ASSERT_TRUE(set_link_address(*netlink_, link, address));
    ASSERT_TRUE(set_mtu(*netlink_, link, 1300));
    ASSERT_TRUE(set_transmit_queue_length(*netlink_, link, 77));
    ASSERT_TRUE(rename_link(*netlink_, link, "vc"));
    ASSERT_TRUE(set_up(*netlink_, link, true));
    const Link changed = find_link(*netlink_, "vc").value();
    EXPECT_EQ(changed.index, link.index);
    EXPECT_EQ(changed.link_address, address);
    EXPECT_EQ(changed.mtu, 1300U);
    EXPECT_EQ(changed.transmit_queue_length, 77U);
    EXPECT_TRUE(changed.up);
    ASSERT_TRUE(set_up(*netlink_, link, false));
    EXPECT_FALSE(find_link(*netlink_, "vc")->up);

    std::vector<std::string> names;
    const std::vector<Link> links = list_links(*netlink_).value();
    for (const Link& each : links)
        names.push_back(each.name);
    EXPECT_THAT(names, ::testing::IsSupersetOf({"lo", "vb", "vc"}));
}

TEST_F(LinkTest, AddsAndRemovesAddresses) {
    const Link link = find_link(*netlink_, "va").value();
    const Prefix four = Prefix::parse_interface("192.0.2.7/24").value();
    const Prefix six = Prefix::parse_interface("2001:db8::7/64").value();
    for (int twice = 0; twice < 2; ++twice) {
        ASSERT_TRUE(add_address(*netlink_, link, four));
        ASSERT_TRUE(add_address(*netlink_, link, six));
    }
    EXPECT_THAT(list_addresses(*netlink_, link).value(), ElementsAre(four, six));
    for (int twice = 0; twice < 2; ++twice) {
        ASSERT_TRUE(remove_address(*netlink_, link, four));
        ASSERT_TRUE(remove_address(*netlink_, link, six));
    }
    EXPECT_THAT(list_addresses(*netlink_, link).value(), IsEmpty());
}

TEST_F(LinkTest, MovesToAnotherNamespace) {
    const culvert::testing::ScratchNamespace other("other");
    ASSERT_TRUE(move_to_namespace(*netlink_, find_link(*netlink_, "va").value(), other.name()));
    EXPECT_THAT(find_link(*netlink_, "va").error(), HasSubstr("va: there is no such network interface"));
    Netlink there = Netlink::open(other.name()).value();
    EXPECT_TRUE(find_link(there, "va"));
}

TEST_F(LinkTest, SaysWhatTheKernelRefusedAndWhy) {
    const Link link = find_link(*netlink_, "va").value();
    EXPECT_EQ(rename_link(*netlink_, link, "vb").error(), "va: cannot rename it to \"vb\": File exists");
    EXPECT_EQ(set_mtu(*netlink_, link, 20).error(), "va: cannot set its MTU to 20: mtu less than device minimum");
    EXPECT_THAT(find_link(*netlink_, "").error(), HasSubstr("is no interface name"));
    EXPECT_THAT(move_to_namespace(*netlink_, link, "cvtb-not-there").error(), HasSubstr("does not exist"));
}

TEST_F(LinkTest, RefusesAMessageThatOutgrewItsBuffer) {
    NetlinkMessage message(RTM_NEWLINK, 0);
    message.header<ifinfomsg>();
    const std::vector<std::uint8_t> block(200);
    for (int i = 0; i < 3; ++i)
        message.put(IFLA_IFALIAS, block);
    EXPECT_FALSE(message.fits());
    EXPECT_EQ(netlink_->request(message).error().number, EMSGSIZE);
    int result = 0;
    netlink_->request_all({&message, 1}, {&result, 1});
    EXPECT_EQ(result, EMSGSIZE);
}

TEST_F(LinkTest, AnotherNamespaceIsEnteredOnlyForTheWork) {
    bool there = false, here = false;
    ASSERT_TRUE(run_in_network_namespace(space_->name(), [&] {
        Netlink netlink = Netlink::open().value();
        there = find_link(netlink, "va").has_value();
    }));
    Netlink own = Netlink::open().value();
    here = find_link(own, "va").has_value();
    EXPECT_TRUE(there);
    EXPECT_FALSE(here);
    EXPECT_THAT(run_in_network_namespace("../netns", [] {}).error(), HasSubstr("no slash"));
}

} // namespace
} // namespace culvert::tun_bridge
