#pragma once

#include "dataplane/checksum.h"
#include "tun_bridge/virtio_net.h"

#include <cstdint>
#include <rte_mbuf.h>
#include <span>

namespace culvert::tun_bridge {

/// Cuts one packet that the kernel handed over (a TCP or UDP super-packet, or a plain packet with an unfinished
/// checksum) into inner IP packets that are complete on their own. It can be stopped and resumed between any two
/// of them, so that it never needs more buffers than there is room for. One thread.
class Segmenter {
  public:
    enum class Verdict : std::uint8_t {
        accepted,
        malformed, ///< the virtio-net header contradicts the packet, or that is no IP
        too_long,  ///< a segment would not fit into a buffer
    };

    /// `buffer_bytes`: what an mbuf of the pool holds behind its headroom.
    explicit Segmenter(std::uint32_t buffer_bytes) noexcept : buffer_bytes_(buffer_bytes) {}

    /// Takes up `packet`, which stays unchanged until remaining() is 0 again. Whatever was left before is
    /// forgotten.
    Verdict load(const VirtioNetHeader& header, std::span<const std::uint8_t> packet) noexcept;

    std::uint32_t remaining() const noexcept { return segments_ - next_; } ///< packets still to be cut
    void discard() noexcept { next_ = segments_; }

    /// Cuts the next `buffers.size()` packets, at most remaining(), into mbufs fresh from the pool. Returns their
    /// bytes altogether.
    std::uint64_t cut(std::span<rte_mbuf* const> buffers) noexcept;

  private:
    enum class Kind : std::uint8_t { plain, tcp, udp };

    Verdict load_plain(const VirtioNetHeader& header) noexcept;
    Verdict load_segments(const VirtioNetHeader& header, Kind kind) noexcept;
    void sum_constant_parts() noexcept;
    std::uint32_t cut_plain(rte_mbuf& buffer) const noexcept;
    std::uint32_t cut_segment(rte_mbuf& buffer, std::uint32_t index) const noexcept;
    void write_ip(std::uint8_t* packet, std::uint32_t bytes, std::uint32_t index) const noexcept;
    dataplane::OnesSum write_tcp(std::uint8_t* l4, std::uint32_t index) const noexcept;

    std::uint32_t buffer_bytes_;
    std::span<const std::uint8_t> packet_;
    Kind kind_ = Kind::plain;
    bool finish_checksum_ = false;
    std::uint16_t checksum_start_ = 0, checksum_offset_ = 0; ///< checksum_start is where the L4 header begins
    std::uint16_t header_bytes_ = 0;                         ///< IP and L4
    std::uint16_t segment_bytes_ = 0;                        ///< payload of each but the last
    std::uint32_t segments_ = 0, next_ = 0;
    dataplane::OnesSum ip_sum_; ///< of the IPv4 header less length, id and checksum
    dataplane::OnesSum l4_sum_; ///< of pseudo-header and L4 header less what differs between segments
};

} // namespace culvert::tun_bridge
