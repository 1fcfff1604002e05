#pragma once

#include "crypto/aead.h"
#include "crypto/secret.h"
#include "dataplane/address.h"
#include "dataplane/bridge_ends.h"
#include "dataplane/counters.h"
#include "dataplane/ids.h"
#include "dataplane/settings.h"

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

struct rte_mempool;

namespace culvert::dataplane {

/// All that a session is made of. Control builds it, the owning worker imports it; a standby could, too.
struct SessionState {
    SessionIndex index = no_session; ///< from Dataplane::reserve_session()
    FormatId format{};
    PeerId peer{};
    WorkerId owner{};
    PortId port{};
    Endpoint local, remote;
    NextHopId next_hop{};

    crypto::Algorithm algorithm{};
    crypto::Secret<crypto::max_key_bytes> rx_key, tx_key;
    std::array<std::uint8_t, 4> rx_salt{}, tx_salt{};
    std::uint16_t rx_epoch = 1, tx_epoch = 1;
    std::uint64_t tx_next = 0;              ///< first sequence number to seal with
    std::vector<std::uint64_t> used_nonces; ///< explicit nonces (host order) that the handshake sealed with
    std::uint32_t remote_index = 0;         ///< the other end's session index; 0 until its HELLO
    std::uint64_t rekey_after_packets = 0;  ///< Notice::rekey_due is sent once this many are sealed or opened
};

/// A datagram that is the control side's business, as it came or shall go.
struct Datagram {
    PortId port{};
    WorkerId worker{}; ///< that received it, or shall send it
    Endpoint local, remote;
    std::span<const std::uint8_t> payload; ///< UDP payload; valid during the call only
};

/// What a worker tells the control thread.
struct Notice {
    enum class Kind : std::uint8_t {
        frame,         ///< opened control frame or alert of a session: `bytes`, `content_type`
        first_record,  ///< a session's first authenticated record has come
        roamed,        ///< authenticated, newest record from a new endpoint; already followed: `remote`
        rekey_due,     ///< the session nears a limit
        key_exhausted, ///< the session has stopped sealing
        handshake,     ///< handshake record in clear from a live session's endpoint: `bytes` is the datagram
        path_mtu_hint, ///< an ICMP too-big for our outer packets, unauthenticated: `value` is the MTU, `remote`
                       ///< whom to
    };
    Kind kind{};
    SessionIndex session{};
    WorkerId worker{};
    PortId port{};
    Endpoint local, remote;
    std::uint8_t content_type = 0;
    std::uint32_t value = 0;
    std::span<const std::uint8_t> bytes; ///< valid during the callback only
};

struct PeerSettings {
    std::uint16_t lanes = 1; ///< 1–64
    /// Where its packets leave to the kernel when no other peer of the same instance has the destination.
    InstanceId instance{};
    /// DSCP of outer packets (RFC 2983): the inner one's copy, or one fixed value.
    std::optional<std::uint8_t> fixed_dscp;
};

struct SessionFigures {
    std::chrono::nanoseconds since_rx{}, since_tx{}; ///< since the last authenticated record / the last sealed one
    /// How long data has been sent without any authenticated record in return; zero when answered.
    std::chrono::nanoseconds unanswered{};
    std::uint64_t rx_packets = 0, rx_bytes = 0, tx_packets = 0, tx_bytes = 0; ///< inner packets and bytes
    std::uint64_t rx_records = 0, tx_records = 0;                             ///< control frames as well
    Endpoint remote;
};

/// The workers, their ports and tables, as the control side sees them. Not thread-safe except where said: one
/// control thread calls it. Nothing here blocks longer than an RCU grace period (one round of the workers' loops).
class Dataplane {
  public:
    /// Starts EAL, ports and workers. The error is one sentence with the command that mends it.
    static std::expected<std::unique_ptr<Dataplane>, std::string> start(const Settings& settings);
    virtual ~Dataplane() = default; ///< stops the workers, returns every packet, closes the ports

    // --- bridge
    virtual rte_mempool* packets() noexcept = 0; ///< any thread
    /// One entry per instance and queue, in the order of the settings. Owned by the dataplane.
    virtual std::span<const std::unique_ptr<BridgeQueue>> bridge_queues() noexcept = 0;

    // --- listeners: which UDP port belongs to which wire format
    virtual void listen(std::uint16_t udp_port, FormatId format) = 0;
    virtual void unlisten(std::uint16_t udp_port) = 0;
    static std::optional<FormatId> format_by_name(std::string_view name);

    // --- ports and next hops
    virtual std::vector<PortFigures> ports() const = 0;
    /// Local addresses whose UDP is looked at. Replaces the former list.
    virtual void set_port_addresses(PortId port, std::span<const IpAddress> addresses) = 0;
    /// A new id, or the one that exists. `link_address` empty: packets to it are dropped as no_next_hop.
    virtual NextHopId add_next_hop(PortId port, std::optional<std::array<std::uint8_t, 6>> link_address) = 0;
    virtual void change_next_hop(NextHopId hop, std::optional<std::array<std::uint8_t, 6>> link_address) = 0;

    // --- peers
    virtual PeerId add_peer(const PeerSettings& settings) = 0;
    virtual void change_peer(PeerId peer, const PeerSettings& settings) = 0;
    /// Its routes, sources and sessions must be gone.
    virtual void remove_peer(PeerId peer) = 0;
    virtual std::optional<PeerFigures> peer(PeerId peer) const = 0;

    // --- routes (inner destination → destination) and sources (inner source → peer)
    virtual void add_route(const Prefix& prefix, Destination destination) = 0;
    virtual void remove_route(const Prefix& prefix) = 0;
    virtual void add_source(const Prefix& prefix, PeerId peer) = 0;
    virtual void remove_source(const Prefix& prefix) = 0;
    /// Address that ICMP answers of an instance come from.
    virtual void set_instance_address(InstanceId instance, const IpAddress& address) = 0;

    // --- sessions
    /// An index that no live session has and that no late packet can carry. Error: the table is full.
    virtual std::expected<SessionIndex, std::string> reserve_session() = 0;
    virtual void release_session(SessionIndex reserved) = 0; ///< of one that was never installed
    virtual void install(SessionState state) = 0;            ///< receives from now on; sends once activated
    /// The peer's `lane` sends on it from now on, instead of what it sent on before. At most one session a lane,
    /// one lane a session: a responder learns the lane from the HELLO, after install().
    virtual void activate(SessionIndex session, std::uint8_t lane) = 0;
    virtual void set_remote_index(SessionIndex session, std::uint32_t remote_index) = 0;
    /// Outer packet size (IP header included) that the path carries.
    virtual void set_path_mtu(SessionIndex session, std::uint16_t outer_bytes) = 0;
    virtual void set_next_hop(SessionIndex session, NextHopId hop) = 0;
    /// Send from another address of the same port from now on: ours has changed while the session lives.
    virtual void set_local_address(SessionIndex session, const IpAddress& address) = 0;
    virtual void retire(SessionIndex session) = 0; ///< neither sends nor receives; the keys are wiped
    virtual std::optional<SessionFigures> session(SessionIndex session) const = 0;
    /// Has the owner seal `frame` (a control frame, without padding) on the session. `padded_to`: when not 0, the
    /// outer packet is made this long (path MTU probes). False: ring full, or too long.
    virtual bool seal_frame(SessionIndex session, std::span<const std::uint8_t> frame,
                            std::uint16_t padded_to = 0) = 0;

    // --- datagrams of handshakes
    /// Any thread. Sends `datagram` in clear through its worker and port. False: ring full.
    virtual bool transmit(const Datagram& datagram, NextHopId hop) = 0;
    /// Handshake datagrams from endpoints without a session. Handshake thread. Returns how many were given.
    virtual std::size_t poll_strangers(const std::function<void(const Datagram&)>& each) = 0;
    virtual Waker& strangers_waker() noexcept = 0;

    // --- what workers tell
    virtual std::size_t poll_notices(const std::function<void(const Notice&)>& each) = 0;
    virtual Waker& notices_waker() noexcept = 0;

    // --- figures
    virtual std::vector<WorkerFigures> workers() const = 0;
};

} // namespace culvert::dataplane
