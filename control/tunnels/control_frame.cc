#include "control/tunnels/control_frame.h"

#include <bit>
#include <cstring>

namespace culvert::control {

namespace {

std::expected<ControlFrame, FrameError> decode_hello(std::span<const std::uint8_t> bytes) {
    if (bytes.size() < 2)
        return std::unexpected(FrameError::truncated);
    if (bytes[1] != hello_version)
        return std::unexpected(FrameError::unknown_version);
    if (bytes.size() < sizeof(HelloWire))
        return std::unexpected(FrameError::truncated);

    HelloWire wire;
    std::memcpy(&wire, bytes.data(), sizeof wire);
    const bool valid = wire.lanes >= 1 && wire.lanes <= max_lanes && wire.lane < max_lanes &&
                       wire.session_index != 0 && wire.session_index <= largest_session_index;
    if (!valid)
        return std::unexpected(FrameError::invalid);
    return Hello{.seen = (wire.flags & hello_flag_seen) != 0,
                 .lane = wire.lane,
                 .lanes = wire.lanes,
                 .largest_packet = wire.largest_packet,
                 .generation = wire.generation,
                 .session_index = wire.session_index,
                 .instance = wire.instance};
}

} // namespace

std::string_view name(FrameError error) {
    switch (error) {
    case FrameError::empty:
        return "empty";
    case FrameError::unknown_type:
        return "unknown type";
    case FrameError::truncated:
        return "truncated";
    case FrameError::unknown_version:
        return "unknown version";
    case FrameError::invalid:
        return "invalid";
    }
    return "?";
}

std::expected<ControlFrame, FrameError> decode_frame(std::span<const std::uint8_t> bytes) {
    if (bytes.empty())
        return std::unexpected(FrameError::empty);
    const auto body = bytes.subspan(1);
    switch (FrameType{bytes[0]}) {
    case FrameType::dpd_request:
        return DpdRequest{body};
    case FrameType::dpd_response:
        return DpdResponse{body};
    case FrameType::disconnect:
        return Disconnect{{reinterpret_cast<const char*>(body.data()), body.size()}};
    case FrameType::keepalive:
        return Keepalive{};
    case FrameType::terminate:
        return Terminate{};
    case FrameType::hello:
        return decode_hello(bytes);
    }
    return std::unexpected(FrameError::unknown_type);
}

std::array<std::uint8_t, sizeof(HelloWire)> encode(const Hello& hello) {
    const HelloWire wire{.type = static_cast<std::uint8_t>(FrameType::hello),
                         .version = hello_version,
                         .flags = hello.seen ? hello_flag_seen : std::uint8_t{0},
                         .lane = hello.lane,
                         .lanes = hello.lanes,
                         .zero = 0,
                         .largest_packet = hello.largest_packet,
                         .generation = hello.generation,
                         .session_index = hello.session_index,
                         .instance = hello.instance};
    return std::bit_cast<std::array<std::uint8_t, sizeof wire>>(wire);
}

void encode(FrameType type, std::span<const std::uint8_t> body, std::vector<std::uint8_t>& to) {
    to.clear();
    to.reserve(1 + body.size());
    to.push_back(static_cast<std::uint8_t>(type));
    to.insert(to.end(), body.begin(), body.end());
}

std::string printable(std::string_view text, std::size_t longest) {
    std::string out;
    for (const char c : text.substr(0, longest))
        out.push_back(c >= ' ' && c <= '~' ? c : '?');
    return out;
}

} // namespace culvert::control
