#include "control/tunnels/control_frame.h"

#include <gtest/gtest.h>

namespace culvert::control {
namespace {

Hello sample() {
    Hello hello{.seen = true,
                .lane = 3,
                .lanes = 8,
                .largest_packet = 1500,
                .generation = 0x01020304,
                .session_index = 0x0abcdef1,
                .instance = {}};
    for (std::uint8_t i = 0; i < 16; ++i)
        hello.instance[i] = static_cast<std::uint8_t>(0xa0 + i);
    return hello;
}

TEST(ControlFrame, HelloLiesOnTheWireAsDocumented) {
    const auto bytes = encode(sample());
    const std::vector<std::uint8_t> expected{10,   1,    1,    3,    8,    0,    0x05, 0xdc, 1,    2,    3,
                                             4,    0x0a, 0xbc, 0xde, 0xf1, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5,
                                             0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf};
    EXPECT_EQ(std::vector(bytes.begin(), bytes.end()), expected);
}

TEST(ControlFrame, HelloComesBackAsItWent) {
    const auto frame = decode_frame(encode(sample()));
    ASSERT_TRUE(frame && std::holds_alternative<Hello>(*frame));
    EXPECT_EQ(std::get<Hello>(*frame), sample());
}

TEST(ControlFrame, LongerHelloIsReadUpToTheLengthKnown) {
    const auto bytes = encode(sample());
    std::vector<std::uint8_t> longer(bytes.begin(), bytes.end());
    longer.insert(longer.end(), 20, 0xff);
    const auto frame = decode_frame(longer);
    ASSERT_TRUE(frame);
    EXPECT_EQ(std::get<Hello>(*frame), sample());
}

TEST(ControlFrame, EveryShorterHelloIsTruncated) {
    const auto bytes = encode(sample());
    for (std::size_t length = 1; length < bytes.size(); ++length) {
        const auto frame = decode_frame(std::span(bytes).first(length));
        ASSERT_FALSE(frame) << length;
        EXPECT_EQ(frame.error(), FrameError::truncated) << length;
    }
}

TEST(ControlFrame, HelloOfAnotherVersionIsRefusedWhateverItsLength) {
    auto bytes = encode(sample());
    bytes[1] = 2;
    EXPECT_EQ(decode_frame(bytes).error(), FrameError::unknown_version);
    EXPECT_EQ(decode_frame(std::span(bytes).first(2)).error(), FrameError::unknown_version);
}

TEST(ControlFrame, HelloFieldsOutOfRangeAreRefused) {
    const auto with = [](std::size_t at, std::uint8_t value) {
        auto bytes = encode(sample());
        bytes[at] = value;
        return decode_frame(bytes);
    };
    EXPECT_EQ(with(3, 64).error(), FrameError::invalid);    // lane
    EXPECT_EQ(with(4, 0).error(), FrameError::invalid);     // lanes
    EXPECT_EQ(with(4, 65).error(), FrameError::invalid);    // lanes
    EXPECT_EQ(with(12, 0x1a).error(), FrameError::invalid); // an index of more than 28 bits
    EXPECT_TRUE(with(3, 63));
    EXPECT_TRUE(with(4, 64));

    Hello none = sample();
    none.session_index = 0;
    EXPECT_EQ(decode_frame(encode(none)).error(), FrameError::invalid);
}

TEST(ControlFrame, DpdCarriesItsWholeBody) {
    const std::vector<std::uint8_t> body{1, 2, 3, 4, 5};
    std::vector<std::uint8_t> bytes;
    encode(FrameType::dpd_request, body, bytes);
    EXPECT_EQ(bytes.front(), 3);
    const auto frame = decode_frame(bytes);
    ASSERT_TRUE(frame && std::holds_alternative<DpdRequest>(*frame));
    const auto got = std::get<DpdRequest>(*frame).body;
    EXPECT_EQ(std::vector(got.begin(), got.end()), body);

    encode(FrameType::dpd_response, got, bytes);
    EXPECT_EQ(bytes, (std::vector<std::uint8_t>{4, 1, 2, 3, 4, 5}));
}

TEST(ControlFrame, OthersByTheirFirstByte) {
    const std::array<std::uint8_t, 4> disconnect{5, 'b', 'y', 'e'};
    EXPECT_EQ(std::get<Disconnect>(*decode_frame(disconnect)).reason, "bye");
    EXPECT_TRUE(std::holds_alternative<Keepalive>(*decode_frame(std::array<std::uint8_t, 1>{7})));
    EXPECT_TRUE(std::holds_alternative<Terminate>(*decode_frame(std::array<std::uint8_t, 1>{9})));
    EXPECT_EQ(decode_frame({}).error(), FrameError::empty);
    for (const std::uint8_t unknown : std::to_array<std::uint8_t>({0, 1, 2, 6, 8, 11, 0x45, 0x60, 255}))
        EXPECT_EQ(decode_frame(std::array<std::uint8_t, 1>{unknown}).error(), FrameError::unknown_type);
}

TEST(ControlFrame, ForeignTextIsMadeHarmless) {
    EXPECT_EQ(printable("bye\n\x1b[31mred\xff"), "bye??[31mred?");
    EXPECT_EQ(printable(std::string(500, 'a')).size(), 100U);
}

} // namespace
} // namespace culvert::control
