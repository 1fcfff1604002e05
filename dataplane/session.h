#pragma once

#include "crypto/aead.h"
#include "crypto/key_limits.h"
#include "dataplane/address.h"
#include "dataplane/counter.h"
#include "dataplane/ids.h"
#include "dataplane/replay_window.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace culvert::dataplane {

struct NextHop;
struct Peer;
struct SessionState;

/// IP and UDP header that a session's packets start with, and what it takes to finish it.
struct OuterTemplate {
    std::array<std::uint8_t, 48> bytes{};
    std::uint8_t length = 0; ///< 28 or 48
    bool v6 = false;
    std::uint32_t partial_sum = 0; ///< IPv4: header checksum without total length and TOS; IPv6: pseudo-header's

    void build(const Endpoint& local, const Endpoint& remote) noexcept;
};

/// Sequence numbers to seal with: rising, never one twice, none that would repeat a nonce of the handshake, none
/// from `stop` on. Since every nonce is a pure function of its sequence number, this is where nonces stay unique.
class SequenceSource {
  public:
    SequenceSource() = default;
    /// `used`: 36-bit values that are to be stepped over.
    SequenceSource(std::uint64_t next, std::uint64_t stop, const std::vector<std::uint64_t>& used);

    bool exhausted() const noexcept { return next_ >= stop_; }
    std::uint64_t take() noexcept { ///< only when not exhausted
        const std::uint64_t sequence = next_++;
        if (next_ == skip_[0]) [[unlikely]]
            step_over();
        return sequence;
    }
    std::uint64_t next() const noexcept { return next_; }

  private:
    void step_over() noexcept;

    std::uint64_t next_ = 0, stop_ = 0;
    std::array<std::uint64_t, 16> skip_{}; ///< ascending; ~0 when none is left
};

/// One set of keys with one remote end. Made by control, published under RCU, mutable only by its owner but for
/// what is atomic.
struct alignas(64) Session {
    Session(const SessionState& state, Peer* peer, crypto::Engine& engine);

    // Read by every worker; fixed for life, but for remote_tag, which the owner changes when the peer roams.
    const SessionIndex index;
    const PeerId peer_id;
    const WorkerId owner;
    const FormatId format;
    const PortId port;
    const std::uint16_t local_port;
    std::atomic<std::uint64_t> remote_tag;
    /// The other end writes our index into its nonces: an authenticated record has shown it. Owner writes.
    std::atomic<bool> speaks_index{false};
    Peer* const peer;

    // Set by control, read by the owner.
    std::atomic<std::uint32_t> remote_index;
    std::atomic<std::uint16_t> next_hop;
    std::atomic<std::uint16_t> path_mtu;

    struct Rx {
        std::unique_ptr<crypto::Key> key;
        std::array<std::uint8_t, 4> salt;
        std::uint16_t epoch;
        std::uint64_t failed_tags = 0;
        std::uint64_t records = 0;
        ReplayWindow window;
    };
    struct Tx {
        std::unique_ptr<crypto::Key> key;
        std::array<std::uint8_t, 4> salt;
        std::uint16_t epoch;
        std::int64_t blocks_left = static_cast<std::int64_t>(crypto::key_limits::sealed_blocks);
        std::uint64_t records = 0;
        SequenceSource sequence;
        OuterTemplate outer;
    };
    alignas(64) Rx rx;
    alignas(64) Tx tx;
    Endpoint local, remote;          ///< owner only
    const std::uint64_t rekey_after; ///< records, sealed or opened
    /// Whether a new key should be asked for: by count, or since this one nears its end.
    bool rekey_due() const noexcept {
        constexpr auto left =
            static_cast<std::int64_t>(crypto::key_limits::sealed_blocks - crypto::key_limits::rekey_at_blocks);
        return rx.records >= rekey_after || tx.records >= rekey_after || tx.blocks_left < left ||
               rx.failed_tags >= crypto::key_limits::failed_tags / 2;
    }

    // Told once each, and again if the ring to control had no room. Owner only.
    bool heard_told = false, rekey_told = false, exhausted_told = false, roam_told = true;

    /// Written by the owner, read by control. Stamps are TSC cycles; 0: never.
    struct alignas(64) Figures {
        Counter last_rx, last_tx, unanswered_since;
        Counter rx_packets, rx_bytes, tx_packets, tx_bytes;
        Counter rx_records, tx_records;
    } figures;
};

} // namespace culvert::dataplane
