#pragma once

#include "crypto/aead.h"
#include "dataplane/drop_reason.h"
#include "dataplane/ids.h"
#include "dataplane/packet.h"

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace culvert::dataplane {

class SessionTable;

/// Associated data of one operation, when it doesn't lie in the packet in one piece.
using AadScratch = std::array<std::uint8_t, 16>;

/// A wire format: how an inner packet lies in a UDP datagram. The worker knows none by name; a format is a file
/// and a line in `wire_formats`. All functions work on bursts, on worker threads, and never fail but by verdict.
struct WireFormat {
    std::string_view name;

    /// Stage 2. For each arrival, whose data is the UDP payload: its session, sequence and content type, or a
    /// verdict.
    void (*find)(const SessionTable& sessions, std::span<Arrival> burst) noexcept;

    /// Stage 3. One operation for each arrival: what to open in place.
    void (*prepare_open)(std::span<const Arrival> burst, std::span<crypto::Operation> operations,
                         std::span<AadScratch> aad) noexcept;

    /// Stage 4. Cuts header and trailer off an opened packet.
    void (*strip)(rte_mbuf* packet) noexcept;

    /// Outbound. Puts header and room for the trailer around each inner packet and fills the operations. The
    /// caller has made sure of headroom and tailroom and has drawn the sequence numbers.
    void (*prepare_seal)(std::span<Departure> burst, std::span<crypto::Operation> operations,
                         std::span<AadScratch> aad) noexcept;

    /// First sequence number that may not be used any more, and the bits of an explicit nonce that hold the
    /// sequence.
    std::uint64_t sequence_limit, nonce_sequence_mask;
    /// Bytes in front of and behind an inner packet, without IP and UDP.
    std::uint16_t header_bytes, trailer_bytes;
    /// Type byte for data and for control frames, and the one of alerts.
    std::uint8_t data_type, alert_type;
};

extern const std::array<const WireFormat*, 1> wire_formats;

inline const WireFormat& wire_format(FormatId id) noexcept {
    return *wire_formats[raw(id)];
}

} // namespace culvert::dataplane
