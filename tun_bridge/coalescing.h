#pragma once

#include "tun_bridge/virtio_net.h"

#include <array>
#include <cstdint>
#include <rte_mbuf.h>
#include <span>
#include <sys/uio.h>

namespace culvert::tun_bridge {

/// Joins the inner packets of a burst that a sender once cut from one stretch of data: TCP segments of a flow that
/// follow each other and differ in nothing else, UDP datagrams of a flow of one length. The kernel then takes them
/// in one write and one pass through its stack.
///
/// What comes out is, cut again at `gso_size`, byte for byte what came in (but for the IPv4 id of packets that
/// must not be fragmented, which has no meaning: RFC 6864 §4.1). A packet with a wrong checksum is never joined,
/// so it stays wrong. Packets of a flow keep their order. Everything is in fixed tables; nothing is carried over
/// to the next burst. One thread.
class Coalescer {
  public:
    static constexpr std::size_t max_burst = 256;

    /// Packets that go out together; one that stands alone is a group of one, unchanged and with a zero header.
    struct Group {
        VirtioNetHeader header{};
        std::uint16_t first = 0, last = 0; ///< indices into the burst
        std::uint16_t packets = 0;
        std::uint32_t bytes = 0; ///< of the packet as the kernel gets it
    };

    Coalescer(bool tcp, bool udp) noexcept : tcp_(tcp), udp_(udp) {}

    /// Groups up to max_burst packets of one segment each, and rewrites the headers of each group's first packet.
    /// They stay the caller's. The result is valid until the next call; its order keeps that of each flow.
    std::span<Group> coalesce(std::span<rte_mbuf* const> burst) noexcept;

    /// What to write for a group: the virtio-net header, the first packet, the payloads of the others.
    std::span<const iovec> vectors(Group& group) noexcept;

  private:
    /// A packet as far as joining is concerned.
    struct Candidate {
        std::uint8_t version, protocol;
        std::uint16_t l4, header_bytes; ///< where the L4 header begins; IP and L4 header together
        std::uint16_t payload;
        std::uint8_t tcp_flags; ///< 0 for UDP
        std::uint32_t flow;     ///< hash of addresses and ports
    };
    enum class Sort : std::uint8_t {
        joinable,
        alone,    ///< of a flow that is known, so nothing may pass it
        foreign,  ///< neither TCP nor UDP
        fragment, ///< of a flow that can't be told
    };
    /// What else is kept of each group while the burst is worked on.
    struct Open {
        Candidate head;
        std::uint32_t next_sequence;
        bool closed, head_verified;
    };
    struct Slot {
        std::uint32_t generation = 0;
        std::uint16_t group = 0;
    };

    Sort classify(const rte_mbuf& packet, Candidate& candidate) const noexcept;
    Sort classify_l4(const std::uint8_t* data, std::uint32_t bytes, Candidate& candidate) const noexcept;
    bool continues(const Group& group, const Open& open, std::uint16_t index,
                   const Candidate& candidate) const noexcept;
    bool join(Group& group, Open& open, std::uint16_t index, const Candidate& candidate) noexcept;
    void open_group(std::uint16_t index, Sort sort, const Candidate& candidate) noexcept;
    void prefetch(std::size_t index) const noexcept;
    void finish(Group& group, const Candidate& head) const noexcept;
    const std::uint8_t* data(std::uint16_t index) const noexcept {
        return rte_pktmbuf_mtod(burst_[index], const std::uint8_t*);
    }

    bool tcp_, udp_;
    std::span<rte_mbuf* const> burst_;
    std::size_t groups_used_ = 0;
    std::uint32_t generation_ = 0; ///< slots of another one are empty
    std::array<Group, max_burst> groups_;
    std::array<Open, max_burst> open_;
    std::array<std::uint16_t, max_burst> next_; ///< the next packet of the same group
    std::array<Slot, 512> slots_; ///< by flow hash: the flow's latest group; a collision only ends the joining
    std::array<iovec, max_burst + 1> vectors_;
};

} // namespace culvert::tun_bridge
