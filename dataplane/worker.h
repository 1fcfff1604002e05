#pragma once

#include "crypto/aead.h"
#include "dataplane/bridge_ends.h"
#include "dataplane/counters.h"
#include "dataplane/icmp_answer.h"
#include "dataplane/idler.h"
#include "dataplane/notice_ring.h"
#include "dataplane/outer_packet.h"
#include "dataplane/packet.h"
#include "dataplane/packet_ring.h"
#include "dataplane/port.h"
#include "dataplane/rate_limit.h"
#include "dataplane/tables.h"
#include "dataplane/wire_format.h"
#include "dataplane/worker_account.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace culvert::dataplane {

/// What a worker shares with the others and with control. All of it outlives the worker.
struct WorkerSurroundings {
    Tables& tables;
    rte_rcu_qsbr* readers;
    rte_mempool* packets;
    std::vector<Port*> ports;
    std::vector<std::unique_ptr<BridgeQueue>>& bridge_queues;
    std::vector<std::uint16_t> first_queue; ///< by instance: position of its queue 0 in bridge_queues
    std::vector<std::uint16_t> queue_count; ///< by instance
    NoticeRing& notices;
    NoticeRing& strangers;
};

/// One core's loop: takes bursts from its own queues and rings and runs each through all stages to completion.
/// Stages are functions over bursts, in the order of docs/life-of-a-packet.md. noexcept throughout: no allocation,
/// no lock, no system call but those of kernel-backed drivers, no log line.
class Worker {
  public:
    Worker(WorkerId id, unsigned core, const WorkerSurroundings& surroundings,
           std::unique_ptr<crypto::Engine> engine, std::unique_ptr<Idler> idler);

    WorkerId id() const noexcept { return id_; }
    crypto::Engine& engine() noexcept { return *engine_; }

    /// The loop; returns once `stop` is set and has been woken.
    void run(const std::atomic<bool>& stop) noexcept;
    /// One round over all queues and rings. True when there was anything.
    bool round() noexcept;
    Waker& waker() noexcept { return idler_->waker(); }

    /// Packets that another worker received or routed, for a session of this one. Any worker.
    PacketRing& handover() noexcept { return handover_; }
    /// Control frames to seal and datagrams to send. Any thread.
    PacketRing& from_control() noexcept { return from_control_; }

    WorkerFigures figures() const; ///< any thread

    /// For another worker's routing: all workers, by id. Set before run().
    void set_colleagues(std::vector<Worker*> colleagues) { colleagues_ = std::move(colleagues); }

  private:
    /// An inner packet between opening, or the bridge, and its route.
    struct Inner {
        rte_mbuf* packet;
        Session* session; ///< that it came on; null: from the bridge, or handed over
        Peer* from;       ///< null: from the bridge
        InstanceId instance;
        std::uint32_t bytes;
        Destination destination;
    };
    template <typename T>
    struct Burst {
        std::array<T, burst_size> at;
        std::uint16_t count = 0;
        bool full() const { return count == burst_size; }
        void add(const T& value) { at[count++] = value; }
        std::span<T> span() { return {at.data(), count}; }
    };

    // worker.cc: sources of packets
    std::uint32_t poll_ports() noexcept;
    std::uint32_t poll_kernel_ports() noexcept;
    std::uint32_t poll_handover() noexcept;
    std::uint32_t poll_bridge() noexcept;
    std::uint32_t room_at_colleagues() const noexcept;
    std::uint32_t poll_control() noexcept;
    bool nothing_waits() const noexcept;
    void seal_frame(rte_mbuf* frame) noexcept;
    void readdress(rte_mbuf* command) noexcept;
    void flush() noexcept;
    void flush_port(std::size_t port) noexcept;
    void transmit(std::size_t port, rte_mbuf* frame) noexcept;
    void drop(rte_mbuf* packet, DropReason reason) noexcept;

    // inbound.cc: stages 1 to 4
    void receive(const Port& port, std::span<rte_mbuf*> frames) noexcept;
    void pass_to_kernel(const Port& port, rte_mbuf* frame, const OuterContext& context) noexcept;
    void find_sessions(std::span<Arrival> arrivals) noexcept;
    void hand_over(const Arrival& arrival) noexcept;
    void tell_handshake(const Arrival& arrival) noexcept;
    void open(std::span<Arrival> arrivals) noexcept;
    bool authenticated(Arrival& arrival) noexcept;
    void follow(const Arrival& arrival) noexcept;
    void tell_due(Session& session) noexcept;
    void opened(std::span<Arrival> arrivals) noexcept;
    void tell_frame(const Arrival& arrival) noexcept;
    void check_sources(Burst<Inner>& inner) noexcept;

    // routing.cc: stage 6
    void look_up(const PrefixTable& table, Burst<Inner>& inner, bool by_source,
                 std::span<std::uint32_t> values) noexcept;
    void route(Burst<Inner>& inner) noexcept;
    void route_one(Inner& inner) noexcept;
    void to_bridge(InstanceId instance, rte_mbuf* packet) noexcept;
    void flush_bridge() noexcept;
    void answer(const Inner& offender, IcmpAnswer kind, std::uint16_t mtu) noexcept;
    void refuse(const Inner& inner, DropReason reason, IcmpAnswer answer_with, std::uint16_t mtu = 0) noexcept;

    // outbound.cc: from the route to the wire
    void depart(const Inner& inner, Peer& peer) noexcept;
    void fit(const Inner& inner, Session& session) noexcept;
    void add_departure(rte_mbuf* packet, Session& session, std::uint32_t inner_bytes) noexcept;
    void seal() noexcept;
    bool may_seal(Departure& departure) noexcept;
    const NextHop* write_outer(const Departure& departure) noexcept;
    bool tell(Notice::Kind kind, const Session& session) noexcept;

    const WorkerId id_;
    const unsigned core_;
    WorkerSurroundings around_;
    Tables& tables_;
    std::unique_ptr<crypto::Engine> engine_;
    std::unique_ptr<Idler> idler_;
    PacketRing handover_, from_control_;
    std::vector<Worker*> colleagues_;

    std::uint64_t now_ = 0; ///< TSC at the start of the round
    WorkerAccount account_;
    RateLimit answers_, too_big_, strangers_, live_handshakes_, hints_;

    Burst<Departure> departures_;
    std::array<crypto::Operation, burst_size> operations_;
    std::array<AadScratch, burst_size> aad_;
    std::array<Burst<rte_mbuf*>, max_ports> tx_, kernel_tx_;
    std::vector<Burst<rte_mbuf*>> bridge_tx_; ///< by bridge queue
};

} // namespace culvert::dataplane
