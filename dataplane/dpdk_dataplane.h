#pragma once

#include "dataplane/dataplane.h"
#include "dataplane/notice_ring.h"
#include "dataplane/port.h"
#include "dataplane/tables.h"
#include "dataplane/worker.h"

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace culvert::dataplane {

/// The Dataplane that is: tables, rings, ports and worker threads.
class DpdkDataplane : public Dataplane {
  public:
    explicit DpdkDataplane(const Settings& settings) : settings_(settings) {}
    ~DpdkDataplane() override;

    /// Everything up to running workers. On error the destructor undoes what was done.
    std::expected<void, std::string> open();

    rte_mempool* packets() noexcept override { return packets_; }
    std::span<const std::unique_ptr<BridgeQueue>> bridge_queues() noexcept override { return bridge_queues_; }

    void listen(std::uint16_t udp_port, FormatId format) override;
    void unlisten(std::uint16_t udp_port) override;

    std::vector<PortFigures> ports() const override;
    void set_port_addresses(PortId port, std::span<const IpAddress> addresses) override;
    NextHopId add_next_hop(PortId port, std::optional<std::array<std::uint8_t, 6>> link_address) override;
    void change_next_hop(NextHopId hop, std::optional<std::array<std::uint8_t, 6>> link_address) override;

    PeerId add_peer(const PeerSettings& settings) override;
    void change_peer(PeerId peer, const PeerSettings& settings) override;
    void remove_peer(PeerId peer) override;
    std::optional<PeerFigures> peer(PeerId peer) const override;

    void add_route(const Prefix& prefix, Destination destination) override;
    void remove_route(const Prefix& prefix) override;
    void add_source(const Prefix& prefix, PeerId peer) override;
    void remove_source(const Prefix& prefix) override;
    void set_instance_address(InstanceId instance, const IpAddress& address) override;

    std::expected<SessionIndex, std::string> reserve_session() override;
    void release_session(SessionIndex reserved) override;
    void install(SessionState state) override;
    void activate(SessionIndex session, std::uint8_t lane) override;
    void set_remote_index(SessionIndex session, std::uint32_t remote_index) override;
    void set_path_mtu(SessionIndex session, std::uint16_t outer_bytes) override;
    void set_next_hop(SessionIndex session, NextHopId hop) override;
    void set_local_address(SessionIndex session, const IpAddress& address) override;
    void retire(SessionIndex session) override;
    std::optional<SessionFigures> session(SessionIndex session) const override;
    bool seal_frame(SessionIndex session, std::span<const std::uint8_t> frame, std::uint16_t padded_to) override;

    bool transmit(const Datagram& datagram, NextHopId hop) override;
    std::size_t poll_strangers(const std::function<void(const Datagram&)>& each) override;
    Waker& strangers_waker() noexcept override { return strangers_->waker(); }
    std::size_t poll_notices(const std::function<void(const Notice&)>& each) override;
    Waker& notices_waker() noexcept override { return notices_->waker(); }

    std::vector<WorkerFigures> workers() const override;

  private:
    // dpdk_dataplane_start.cc
    std::expected<void, std::string> check_counts() const;
    std::expected<void, std::string> make_memory();
    std::expected<void, std::string> open_ports();
    void make_bridge_queues();
    std::expected<void, std::string> make_workers();
    Idle idle_policy() const;
    void start_threads();

    bool command(const Session& session, PacketMeta::Kind kind, std::span<const std::uint8_t> bytes,
                 std::uint16_t padded_to);
    Datagram datagram(const NoticeRecord& record) const;
    Notice notice(const NoticeRecord& record) const;
    NextHop next_hop(PortId port, const std::optional<std::array<std::uint8_t, 6>>& link_address) const;
    void publish(NextHopId hop, const NextHop& value);

    Settings settings_;
    std::string engine_name_, engine_text_, idle_text_;
    rte_mempool* packets_ = nullptr;
    rte_rcu_qsbr* readers_ = nullptr;
    std::unique_ptr<Tables> tables_;
    std::unique_ptr<NoticeRing> notices_, strangers_;
    std::vector<std::unique_ptr<Port>> ports_;
    std::vector<std::unique_ptr<BridgeQueue>> bridge_queues_;
    std::vector<std::unique_ptr<Worker>> workers_;
    std::vector<std::thread> threads_;
    std::atomic<bool> stop_{false};

    std::deque<std::uint32_t> free_peers_;
    std::uint32_t peers_used_ = 0;
    mutable std::mutex hops_mutex_; ///< transmit() is called from any thread
    std::vector<NextHop> hops_;
    std::array<std::vector<IpAddress>, max_ports> addresses_;
};

} // namespace culvert::dataplane
