#pragma once

#include "dataplane/big_endian.h"

#include <array>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// The control frames inside a session's records: docs/wire-format-dtls.md, "What a record of type 23 carries".
namespace culvert::control {

/// Random at each start of a gateway; ordered as 16 bytes, most significant first.
using GatewayInstance = std::array<std::uint8_t, 16>;

inline constexpr std::uint16_t max_lanes = 64;
inline constexpr std::uint8_t hello_version = 1;
inline constexpr std::uint32_t largest_session_index = (std::uint32_t{1} << 28) - 1;

enum class FrameType : std::uint8_t {
    dpd_request = 3,
    dpd_response = 4,
    disconnect = 5,
    keepalive = 7,
    terminate = 9,
    hello = 10,
};

/// HELLO as it lies on the wire.
struct HelloWire {
    std::uint8_t type, version, flags, lane, lanes, zero;
    dataplane::be16 largest_packet;
    dataplane::be32 generation, session_index;
    GatewayInstance instance;
};
static_assert(sizeof(HelloWire) == 32 && alignof(HelloWire) == 1);
inline constexpr std::uint8_t hello_flag_seen = 1;

/// Spans and views of a decoded frame point into the bytes it was decoded from.
struct DpdRequest {
    std::span<const std::uint8_t> body;
};
struct DpdResponse {
    std::span<const std::uint8_t> body;
};
struct Disconnect {
    std::string_view reason; ///< as sent: not to be trusted as text, see printable()
};
struct Keepalive {};
struct Terminate {};
struct Hello {
    bool seen = false; ///< the sender has received the receiver's HELLO on this session
    std::uint8_t lane = 0;
    std::uint8_t lanes = 1;              ///< 1–64, that the sender would use
    std::uint16_t largest_packet = 1500; ///< outer bytes that the sender's port takes
    std::uint32_t generation = 0;
    std::uint32_t session_index = 0; ///< for the receiver of the frame to write into its nonces; 28 bits
    GatewayInstance instance{};

    bool operator==(const Hello&) const = default;
};
using ControlFrame = std::variant<DpdRequest, DpdResponse, Disconnect, Keepalive, Terminate, Hello>;

enum class FrameError : std::uint8_t {
    empty,
    unknown_type,
    truncated,       ///< shorter than its type needs
    unknown_version, ///< a HELLO of another version
    invalid,         ///< a field out of its range
};
std::string_view name(FrameError error);

std::expected<ControlFrame, FrameError> decode_frame(std::span<const std::uint8_t> bytes);

/// 32 bytes.
std::array<std::uint8_t, sizeof(HelloWire)> encode(const Hello& hello);
/// The first byte and the body, into `to`, which is emptied first.
void encode(FrameType type, std::span<const std::uint8_t> body, std::vector<std::uint8_t>& to);

/// Text from the other end, fit for a log line: ASCII without control characters, cut to `longest`.
std::string printable(std::string_view text, std::size_t longest = 100);

} // namespace culvert::control
