#pragma once

#include "dataplane/bridge_ends.h"
#include "tun_bridge/bridge_figures.h"
#include "tun_bridge/coalescing.h"
#include "tun_bridge/segmentation.h"
#include "tun_bridge/tun_device.h"

#include <array>
#include <cstdint>
#include <memory>
#include <rte_mempool.h>
#include <vector>

namespace culvert::tun_bridge {

/// One queue of a TUN device and the workers' rings that belong to it. All but figures() is its bridge thread's.
class TunQueue {
  public:
    /// `tun` (non-blocking), `ends` and `pool` outlive this object.
    TunQueue(int tun, TunOffloads offloads, dataplane::BridgeQueue& ends, rte_mempool* pool);
    ~TunQueue(); ///< what it still holds goes back to the pool
    TunQueue(const TunQueue&) = delete;
    TunQueue& operator=(const TunQueue&) = delete;

    /// Moves at most a few bursts each way. False: there was nothing to move.
    bool round() noexcept;

    dataplane::Waker& waker() noexcept { return ends_.bridge_waker; }
    /// After waker().prepare(): whether the thread may sleep until its waker or, if watches_tun(), `tun` is
    /// readable.
    bool may_sleep() noexcept;
    bool watches_tun() const noexcept { return !gone_ && !stalled_; }
    int tun() const noexcept { return tun_; }
    /// poll() has seen the descriptor fail: the device was removed.
    void device_failed() noexcept;

    QueueFigures figures() const; ///< any thread

  private:
    /// Packets for one worker that are not in its ring yet.
    struct Staged {
        std::array<rte_mbuf*, 64> packets;
        std::uint32_t count = 0;
    };

    bool tun_to_workers() noexcept;
    bool read_packet() noexcept;
    void take_up(std::size_t bytes) noexcept;
    bool stage_segments() noexcept;
    bool flush(std::size_t worker) noexcept;
    bool flush_all() noexcept;
    bool workers_to_tun() noexcept;
    void write_group(Coalescer::Group& group) noexcept;
    void drop(BridgeDrop reason, std::uint64_t packets) noexcept {
        drops_[static_cast<std::size_t>(reason)].add(packets);
    }

    int tun_;
    dataplane::BridgeQueue& ends_;
    rte_mempool* pool_;
    std::vector<Staged> staged_; ///< by worker
    std::size_t worker_ = 0;     ///< of the packet that the segmenter has loaded
    bool stalled_ = false;       ///< a worker's ring is full: read nothing more until there is room
    bool gone_ = false;
    Segmenter segmenter_;
    Coalescer coalescer_;
    std::unique_ptr<std::uint8_t[]> buffer_; ///< a virtio-net header and the longest packet

    Counter from_tun_, from_tun_bytes_, reads_, to_workers_, from_workers_, to_tun_packets_, to_tun_bytes_,
        writes_, in_flight_, stalls_, device_gone_;
    std::array<Counter, bridge_drops> drops_;
};

} // namespace culvert::tun_bridge
