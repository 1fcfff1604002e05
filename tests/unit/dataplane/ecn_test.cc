#include "dataplane/ecn.h"

#include "tests/unit/packet_builder.h"

#include <gtest/gtest.h>

using namespace culvert::dataplane;
using namespace culvert::testing;

namespace {

constexpr std::uint8_t drop = 0xff;

// RFC 6040 §4.2, figure 4, columns in the order of the field's values: Not-ECT, ECT(1), ECT(0), CE outside.
constexpr std::uint8_t figure_4[4][4] = {
    /* inside Not-ECT */ {ecn::not_ect, ecn::not_ect, ecn::not_ect, drop},
    /* inside ECT(1)  */ {ecn::ect1, ecn::ect1, ecn::ect1, ecn::ce},
    /* inside ECT(0)  */ {ecn::ect0, ecn::ect1, ecn::ect0, ecn::ce},
    /* inside CE      */ {ecn::ce, ecn::ce, ecn::ce, ecn::ce},
};

Bytes inner(int version, std::uint8_t traffic_class) {
    return version == 4 ? ipv4("10.1.0.1", "10.2.0.1").traffic_class(traffic_class).udp(1, 2).payload("x").bytes()
                        : ipv6("2001:db8::1", "2001:db8::2").traffic_class(traffic_class).udp(1, 2).bytes();
}

TEST(Ecn, DecapsulationFollowsFigure4AndKeepsTheDscp) {
    for (const int version : {4, 6})
        for (unsigned dscp = 0; dscp < 64; ++dscp)
            for (std::uint8_t inside = 0; inside < 4; ++inside)
                for (std::uint8_t outside = 0; outside < 4; ++outside) {
                    const auto before = static_cast<std::uint8_t>(dscp << 2 | inside);
                    Bytes packet = inner(version, before);
                    const std::uint8_t expected = figure_4[inside][outside];
                    ASSERT_EQ(decapsulate_ecn(packet.data(), outside), expected != drop);
                    const auto after = expected == drop ? before : static_cast<std::uint8_t>(dscp << 2 | expected);
                    ASSERT_EQ(packet, inner(version, after)) // checksum and all
                        << "IPv" << version << " inside " << int{inside} << " outside " << int{outside};
                }
}

TEST(Ecn, TheOuterHeaderCopiesOrFixesTheDscpAndCopiesEcn) {
    for (const int version : {4, 6})
        for (unsigned value = 0; value < 256; ++value) {
            const Bytes packet = inner(version, static_cast<std::uint8_t>(value));
            EXPECT_EQ(outer_traffic_class(packet.data(), std::nullopt), value);
            EXPECT_EQ(outer_traffic_class(packet.data(), std::uint8_t{46}), 46 << 2 | (value & 3));
        }
}

} // namespace
