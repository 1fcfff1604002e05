#pragma once

#include "dataplane/ids.h"
#include "dataplane/packet_ring.h"

#include <atomic>
#include <memory>
#include <vector>

namespace culvert::dataplane {

/// The dataplane's ends of one queue of one network instance; the TUN bridge holds the other ends. Packets are
/// bare inner IP packets in one segment, `data_off` at least RTE_PKTMBUF_HEADROOM, from `Dataplane::packets()`.
///
/// The bridge picks the worker with `flow_hash(packet) % to_worker.size()`; workers pick the queue the same way.
/// So a flow stays on one path, in order.
struct BridgeQueue {
    InstanceId instance;
    std::uint16_t queue;

    /// Filled by this queue's bridge thread alone, one ring a worker. When one is full the bridge keeps the
    /// packet, stops reading its TUN queue, raises `waiting_for_room`, and is woken when the worker has taken
    /// packets.
    std::vector<std::unique_ptr<PacketRing>> to_worker;
    std::atomic<bool> waiting_for_room{false};

    /// Filled by every worker, emptied by this queue's bridge thread.
    std::unique_ptr<PacketRing> from_workers;

    /// Wakes this queue's bridge thread: packets in `from_workers`, or room again. The bridge sleeps on it.
    Waker bridge_waker;
};

} // namespace culvert::dataplane
