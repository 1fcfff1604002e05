#pragma once

#include <cstdint>
#include <type_traits>

/// Ids are strong types: a peer's number is never taken for a session's.
namespace culvert::dataplane {

enum class PortId : std::uint16_t {};  ///< position in Settings::ports
enum class WorkerId : std::uint8_t {}; ///< 0, 1, … in the order of `workers` in the configuration
enum class FormatId : std::uint8_t {}; ///< row of the wire format table
enum class PeerId : std::uint32_t {};  ///< never given out twice while a packet could still carry it
enum class NextHopId : std::uint16_t {};
enum class InstanceId : std::uint16_t {}; ///< network instance: row of the `[[tun]]` list

/// The 28-bit session index that this end hands to the other (HELLO) and finds again in each record's nonce.
/// The low bits are a table slot, the high bits count the slot's uses, so a late packet never meets a new session.
enum class SessionIndex : std::uint32_t {};
inline constexpr unsigned session_index_bits = 28;
inline constexpr SessionIndex no_session{0};

template <typename Id>
constexpr auto raw(Id id) {
    return static_cast<std::underlying_type_t<Id>>(id);
}

/// Where an inner packet goes: nothing, a network instance, or a peer. One id space for routes and rules. 32 bits,
/// as the prefix tables store it.
class Destination {
  public:
    constexpr Destination() = default;
    constexpr explicit Destination(PeerId peer) : value_(peer_bit | raw(peer)) {}
    constexpr explicit Destination(InstanceId instance) : value_(instance_bit | raw(instance)) {}
    static constexpr Destination from_raw(std::uint32_t value) { return Destination(value, 0); }

    constexpr bool is_none() const { return value_ == 0; }
    constexpr bool is_peer() const { return (value_ & peer_bit) != 0; }
    constexpr bool is_instance() const { return (value_ & instance_bit) != 0; }
    constexpr PeerId peer() const { return PeerId{value_ & ~peer_bit}; }
    constexpr InstanceId instance() const { return InstanceId{static_cast<std::uint16_t>(value_ & 0xffff)}; }
    constexpr std::uint32_t raw_value() const { return value_; }
    constexpr bool operator==(const Destination&) const = default;

  private:
    constexpr Destination(std::uint32_t value, int) : value_(value) {}
    static constexpr std::uint32_t peer_bit = 1U << 30, instance_bit = 1U << 29;
    std::uint32_t value_ = 0;
};

} // namespace culvert::dataplane
