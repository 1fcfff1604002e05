#pragma once

#include "dataplane/counter.h"
#include "dataplane/ids.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

namespace culvert::dataplane {

struct Session;

inline constexpr std::uint16_t max_lanes = 64;

/// What one worker has counted for one peer, on a cache line of its own.
struct alignas(64) PeerCounters {
    Counter rx_packets, rx_bytes, tx_packets, tx_bytes;
};

/// A peer as the workers see it. Control writes the settings; pointers to sessions are published under RCU.
struct Peer {
    Peer(PeerId peer, std::size_t workers) : id(peer), counters(std::make_unique<PeerCounters[]>(workers)) {}

    /// The session that a flow is sealed on; null when the peer is down. A lane without a session lends its flows
    /// to the next one that has.
    Session* sender(std::uint32_t flow) const noexcept {
        const std::uint16_t count = lanes.load(std::memory_order_relaxed);
        const std::uint16_t first = count == 1 ? std::uint16_t{0} : static_cast<std::uint16_t>(flow % count);
        Session* session = lane[first].load(std::memory_order_acquire);
        for (std::uint16_t i = 0; session == nullptr && i < count; ++i)
            session = lane[i].load(std::memory_order_acquire);
        return session;
    }

    /// Takes a session off whatever lane it is on. Control.
    void forget(Session* session) noexcept {
        for (auto& sending : lane) {
            Session* expected = session;
            sending.compare_exchange_strong(expected, nullptr, std::memory_order_acq_rel);
        }
    }

    const PeerId id;
    std::atomic<std::uint16_t> lanes{1};
    std::atomic<std::uint16_t> instance{0};
    std::atomic<std::int16_t> fixed_dscp{-1}; ///< −1: copy the inner packet's
    std::array<std::atomic<Session*>, max_lanes> lane{};
    std::unique_ptr<PeerCounters[]> counters; ///< one a worker
};

} // namespace culvert::dataplane
