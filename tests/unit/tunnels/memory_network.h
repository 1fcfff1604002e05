#pragma once

#include "dataplane/dataplane.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <vector>

namespace culvert::control::tests {

class MemoryDataplane;

/// The Internet, in memory: carries UDP payloads between gateways at once, unless it loses them. One thread.
class MemoryNetwork {
  public:
    unsigned loss_percent = 0;
    std::uint16_t path_mtu = 1500;      ///< larger outer packets vanish
    std::set<dataplane::IpAddress> cut; ///< nothing from or to these
    std::map<dataplane::Endpoint, dataplane::Endpoint>
        moved; ///< what comes from the first seems to come from the second
    std::size_t carried = 0;

    void attach(const dataplane::IpAddress& address, MemoryDataplane& gateway) { gateways_[address] = &gateway; }
    void detach(const MemoryDataplane& gateway);
    void carry(dataplane::Endpoint from, dataplane::Endpoint to, std::span<const std::uint8_t> payload);

  private:
    std::map<dataplane::IpAddress, MemoryDataplane*> gateways_;
    std::mt19937 random_{11};
};

/// A data plane without workers: does what it is told at once, on the caller's thread. Records are really sealed
/// and opened, as docs/wire-format-dtls.md says, so that keys, salts and session indices must agree.
class MemoryDataplane final : public dataplane::Dataplane {
  public:
    MemoryDataplane(MemoryNetwork& network, const dataplane::IpAddress& address);
    ~MemoryDataplane() override;

    // --- what a test does and sees
    /// Sends an inner packet of a flow to a peer, as a worker would. False: no session, or too large for the path.
    bool send_inner(dataplane::PeerId peer, std::uint32_t flow = 0, std::size_t bytes = 100);
    /// The same to whoever has the route; a test has one peer in most cases.
    bool send_inner_to(const dataplane::Prefix& prefix, std::uint32_t flow = 0, std::size_t bytes = 100);
    void receive(const dataplane::Endpoint& from, const dataplane::Endpoint& to,
                 std::span<const std::uint8_t> payload);
    void hint(const dataplane::Endpoint& remote, std::uint32_t mtu); ///< an ICMP too-big

    bool mute_hello = false; ///< loses every HELLO that it should seal: a stranger's end
    bool mute_all = false;   ///< loses every control frame that it should seal
    std::uint64_t inner_received = 0;
    std::vector<std::vector<std::uint8_t>> frames_sealed;
    std::map<dataplane::Prefix, dataplane::Destination> routes;
    std::map<dataplane::Prefix, dataplane::PeerId> sources;
    std::map<dataplane::PeerId, dataplane::PeerSettings> peers;
    std::map<std::uint16_t, dataplane::FormatId> listening;
    std::size_t session_count() const { return sessions_.size(); }
    std::optional<dataplane::Endpoint> local_of(dataplane::SessionIndex index) const;
    std::size_t most_sessions = 1000;
    std::uint16_t mtu = 1500;

    // --- Dataplane
    rte_mempool* packets() noexcept override { return nullptr; }
    std::span<const std::unique_ptr<dataplane::BridgeQueue>> bridge_queues() noexcept override { return {}; }
    void listen(std::uint16_t udp_port, dataplane::FormatId format) override { listening[udp_port] = format; }
    void unlisten(std::uint16_t udp_port) override { listening.erase(udp_port); }
    std::vector<dataplane::PortFigures> ports() const override;
    void set_port_addresses(dataplane::PortId, std::span<const dataplane::IpAddress>) override {}
    dataplane::NextHopId add_next_hop(dataplane::PortId port,
                                      std::optional<std::array<std::uint8_t, 6>> link_address) override;
    void change_next_hop(dataplane::NextHopId, std::optional<std::array<std::uint8_t, 6>>) override {}
    dataplane::PeerId add_peer(const dataplane::PeerSettings& settings) override;
    void change_peer(dataplane::PeerId peer, const dataplane::PeerSettings& settings) override;
    void remove_peer(dataplane::PeerId peer) override;
    std::optional<dataplane::PeerFigures> peer(dataplane::PeerId) const override {
        return dataplane::PeerFigures{};
    }
    void add_route(const dataplane::Prefix& prefix, dataplane::Destination to) override { routes[prefix] = to; }
    void remove_route(const dataplane::Prefix& prefix) override { routes.erase(prefix); }
    void add_source(const dataplane::Prefix& prefix, dataplane::PeerId peer) override { sources[prefix] = peer; }
    void remove_source(const dataplane::Prefix& prefix) override { sources.erase(prefix); }
    void set_instance_address(dataplane::InstanceId, const dataplane::IpAddress&) override {}
    std::expected<dataplane::SessionIndex, std::string> reserve_session() override;
    void release_session(dataplane::SessionIndex reserved) override { reserved_.erase(reserved); }
    void install(dataplane::SessionState state) override;
    void activate(dataplane::SessionIndex session, std::uint8_t lane) override;
    void set_remote_index(dataplane::SessionIndex session, std::uint32_t remote_index) override;
    void set_path_mtu(dataplane::SessionIndex session, std::uint16_t outer_bytes) override;
    void set_next_hop(dataplane::SessionIndex session, dataplane::NextHopId hop) override;
    void set_local_address(dataplane::SessionIndex session, const dataplane::IpAddress& address) override;
    void retire(dataplane::SessionIndex session) override { sessions_.erase(session); }
    std::optional<dataplane::SessionFigures> session(dataplane::SessionIndex session) const override;
    bool seal_frame(dataplane::SessionIndex session, std::span<const std::uint8_t> frame,
                    std::uint16_t padded_to) override;
    bool transmit(const dataplane::Datagram& datagram, dataplane::NextHopId hop) override;
    std::size_t poll_strangers(const std::function<void(const dataplane::Datagram&)>& each) override;
    dataplane::Waker& strangers_waker() noexcept override { return strangers_waker_; }
    std::size_t poll_notices(const std::function<void(const dataplane::Notice&)>& each) override;
    dataplane::Waker& notices_waker() noexcept override { return notices_waker_; }
    std::vector<dataplane::WorkerFigures> workers() const override { return {}; }

  private:
    using Clock = std::chrono::steady_clock;
    struct Session {
        dataplane::SessionState state;
        std::unique_ptr<crypto::Key> rx_key, tx_key;
        std::optional<std::uint8_t> lane; ///< that sends on it
        std::uint16_t path_mtu = 1500;
        std::uint64_t sealed = 0, opened = 0;
        std::set<std::uint64_t> seen;
        dataplane::SessionFigures counted;
        std::optional<Clock::time_point> last_rx, last_tx, unanswered_since;
    };
    /// A notice or stranger's datagram with the bytes that it points to.
    struct Held {
        dataplane::Notice notice;
        std::vector<std::uint8_t> bytes;
    };

    Session* sender(dataplane::PeerId peer, std::uint32_t flow);
    bool known_hop(dataplane::NextHopId hop) const;
    bool seal(Session& session, std::span<const std::uint8_t> plaintext, std::size_t padded_to, bool inner);
    bool open(Session& session, std::vector<std::uint8_t> record, const dataplane::Endpoint& from);
    void authenticated(Session& session, std::uint64_t sequence, const dataplane::Endpoint& from);
    Session* find(std::span<const std::uint8_t> record, const dataplane::Endpoint& from,
                  const dataplane::Endpoint& to);
    Session* find_by_endpoints(const dataplane::Endpoint& from, const dataplane::Endpoint& to);
    void tell(dataplane::Notice notice, std::span<const std::uint8_t> bytes);
    void tell(dataplane::Notice::Kind kind, const Session& session);

    MemoryNetwork& network_;
    const dataplane::IpAddress address_;
    std::unique_ptr<crypto::Engine> engine_;
    std::map<dataplane::SessionIndex, Session> sessions_;
    std::set<dataplane::SessionIndex> reserved_;
    std::uint32_t last_index_, last_peer_ = 0;
    std::vector<std::optional<std::array<std::uint8_t, 6>>> hops_;
    std::deque<Held> notices_;
    std::mutex strangers_mutex_; ///< the handshake thread polls them
    std::deque<Held> strangers_;
    dataplane::Waker strangers_waker_, notices_waker_;
};

} // namespace culvert::control::tests
