#include "tun_bridge/tun_queue.h"

#include "dataplane/flow_hash.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/uio.h>
#include <unistd.h>

namespace culvert::tun_bridge {

namespace {

/// Per round and direction, so that neither starves the other: some 256 packets of 1,400 bytes.
constexpr unsigned reads_per_round = 8;
/// The IP header of what is read lies aligned.
constexpr std::size_t header_at = 16 - sizeof(VirtioNetHeader);

std::uint32_t buffer_bytes(rte_mempool* pool) noexcept {
    return std::min<std::uint32_t>(rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM, 65535);
}

BridgeDrop write_failure(int error) noexcept {
    switch (error) {
    case EINVAL:
        return BridgeDrop::device_refused;
    case EIO:
        return BridgeDrop::device_down;
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
        return BridgeDrop::device_full;
    default:
        return BridgeDrop::device_gone;
    }
}

} // namespace

TunQueue::TunQueue(int tun, TunOffloads offloads, dataplane::BridgeQueue& ends, rte_mempool* pool)
    : tun_(tun), ends_(ends), pool_(pool), staged_(ends.to_worker.size()), segmenter_(buffer_bytes(pool)),
      coalescer_(offloads.tcp, offloads.udp),
      buffer_(
          std::make_unique<std::uint8_t[]>(header_at + sizeof(VirtioNetHeader) + virtio_net::max_packet_bytes)) {}

TunQueue::~TunQueue() {
    for (Staged& staged : staged_) {
        rte_pktmbuf_free_bulk(staged.packets.data(), staged.count);
        drop(BridgeDrop::stopped, staged.count);
    }
}

bool TunQueue::round() noexcept {
    const bool out = workers_to_tun();
    const bool in = tun_to_workers();
    return in || out;
}

bool TunQueue::tun_to_workers() noexcept {
    if (gone_)
        return false;
    const std::uint64_t before = to_workers_.get();
    unsigned reads = 0;
    bool room = !stalled_ || (flush_all() && stage_segments());
    while (room && reads < reads_per_round && read_packet()) {
        ++reads;
        room = stage_segments();
    }
    room &= flush_all();
    if (!room && !stalled_)
        stalls_.add(1);
    stalled_ = !room;
    std::uint64_t held = 0;
    for (const Staged& staged : staged_)
        held += staged.count;
    in_flight_.set(held);
    return reads > 0 || to_workers_.get() != before;
}

/// Reads one packet and has the segmenter take it up. False: there was none.
bool TunQueue::read_packet() noexcept {
    std::uint8_t* header = buffer_.get() + header_at;
    const ssize_t bytes = ::read(tun_, header, sizeof(VirtioNetHeader) + virtio_net::max_packet_bytes);
    if (bytes < 0) {
        if (errno == EAGAIN || errno == EINTR)
            return false;
        if (errno != EINVAL) { // the kernel had no virtio-net header for the packet, which is lost
            device_failed();
            return false;
        }
        from_tun_.add(1);
        drop(BridgeDrop::malformed, 1);
        return true;
    }
    reads_.add(1);
    take_up(static_cast<std::size_t>(bytes));
    return true;
}

void TunQueue::take_up(std::size_t bytes) noexcept {
    const std::uint8_t* header_bytes = buffer_.get() + header_at;
    VirtioNetHeader header;
    if (bytes < sizeof header) {
        from_tun_.add(1);
        drop(BridgeDrop::malformed, 1);
        return;
    }
    std::memcpy(&header, header_bytes, sizeof header);
    const std::span<const std::uint8_t> packet(header_bytes + sizeof header, bytes - sizeof header);
    const auto verdict = segmenter_.load(header, packet);
    if (verdict != Segmenter::Verdict::accepted) {
        from_tun_.add(1);
        drop(verdict == Segmenter::Verdict::too_long ? BridgeDrop::too_long : BridgeDrop::malformed, 1);
        return;
    }
    worker_ = dataplane::flow_hash(packet.data(), static_cast<std::uint32_t>(packet.size())) % staged_.size();
}

/// Cuts what the segmenter has loaded. False: its worker's ring is full and something is left.
bool TunQueue::stage_segments() noexcept {
    Staged& staged = staged_[worker_];
    while (const std::uint32_t remaining = segmenter_.remaining()) {
        if (staged.count == staged.packets.size())
            flush(worker_);
        if (staged.count == staged.packets.size())
            return false;
        const std::span<rte_mbuf*> room = std::span(staged.packets).subspan(staged.count);
        const std::span<rte_mbuf*> buffers = room.first(std::min<std::size_t>(room.size(), remaining));
        if (rte_pktmbuf_alloc_bulk(pool_, buffers.data(), static_cast<unsigned>(buffers.size())) != 0)
            [[unlikely]] {
            from_tun_.add(remaining);
            drop(BridgeDrop::no_buffers, remaining);
            segmenter_.discard();
            break;
        }
        from_tun_bytes_.add(segmenter_.cut(buffers));
        from_tun_.add(buffers.size());
        staged.count += static_cast<std::uint32_t>(buffers.size());
    }
    return true;
}

/// Hands the worker what is staged for it. False: its ring is full and something stays.
bool TunQueue::flush(std::size_t worker) noexcept {
    Staged& staged = staged_[worker];
    if (staged.count == 0)
        return true;
    const std::span<rte_mbuf* const> packets(staged.packets.data(), staged.count);
    const std::uint32_t taken = ends_.to_worker[worker]->enqueue(packets);
    to_workers_.add(taken);
    std::copy(packets.begin() + taken, packets.end(), staged.packets.begin());
    staged.count -= taken;
    return staged.count == 0;
}

bool TunQueue::flush_all() noexcept {
    bool all = true;
    for (std::size_t worker = 0; worker < staged_.size(); ++worker)
        all &= flush(worker);
    return all;
}

bool TunQueue::workers_to_tun() noexcept {
    std::array<rte_mbuf*, Coalescer::max_burst> packets;
    const std::uint32_t count = ends_.from_workers->dequeue(packets);
    if (count == 0)
        return false;
    from_workers_.add(count);
    for (Coalescer::Group& group : coalescer_.coalesce({packets.data(), count}))
        write_group(group);
    rte_pktmbuf_free_bulk(packets.data(), count);
    return true;
}

void TunQueue::write_group(Coalescer::Group& group) noexcept {
    const auto vectors = coalescer_.vectors(group);
    if (::writev(tun_, vectors.data(), static_cast<int>(vectors.size())) < 0) [[unlikely]] {
        drop(write_failure(errno), group.packets);
        return;
    }
    writes_.add(1);
    to_tun_packets_.add(group.packets);
    // Each packet that was joined came with headers of its own.
    to_tun_bytes_.add(group.bytes + (group.packets - 1U) * std::uint64_t{group.header.header_bytes});
}

bool TunQueue::may_sleep() noexcept {
    if (!ends_.from_workers->empty())
        return false;
    if (!stalled_)
        return true;
    // Raised anew before each look: another worker may have taken it down since, and its wake-up have come to
    // nothing.
    ends_.waiting_for_room.store(true, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    for (std::size_t worker = 0; worker < staged_.size(); ++worker)
        if (staged_[worker].count > 0 && ends_.to_worker[worker]->room() > 0)
            return false;
    return true;
}

void TunQueue::device_failed() noexcept {
    gone_ = true;
    device_gone_.set(1);
}

QueueFigures TunQueue::figures() const {
    QueueFigures figures{.instance = ends_.instance,
                         .queue = ends_.queue,
                         .from_tun = from_tun_.get(),
                         .from_tun_bytes = from_tun_bytes_.get(),
                         .reads = reads_.get(),
                         .to_workers = to_workers_.get(),
                         .from_workers = from_workers_.get(),
                         .to_tun = to_tun_packets_.get(),
                         .to_tun_bytes = to_tun_bytes_.get(),
                         .writes = writes_.get(),
                         .in_flight = in_flight_.get(),
                         .stalls = stalls_.get(),
                         .drops = {},
                         .device_gone = device_gone_.get() != 0};
    for (std::size_t i = 0; i < bridge_drops; ++i)
        figures.drops[i] = drops_[i].get();
    return figures;
}

} // namespace culvert::tun_bridge
