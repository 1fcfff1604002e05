#pragma once

#include "tests/unit/eal_environment.h"
#include "tests/unit/packet_builder.h"
#include "tun_bridge/segmentation.h"
#include "tun_bridge/virtio_net.h"

#include <vector>

/// What the kernel and the bridge hand each other, for tests.
namespace culvert::testing {

struct SuperPacket {
    tun_bridge::VirtioNetHeader header{};
    Bytes packet;
};

/// Turns a complete TCP or UDP packet into a super-packet to be cut every `gso_size` bytes: with the
/// pseudo-header's sum alone in its checksum field.
SuperPacket super_packet(Bytes packet, std::uint16_t gso_size);
/// The same as one plain packet with an unfinished checksum.
SuperPacket unfinished(Bytes packet);

/// All packets that the segmenter makes of it, `at_once` buffers at a time.
std::vector<Bytes> cut(tun_bridge::Segmenter& segmenter, const SuperPacket& super, std::size_t at_once = 7);

/// Room of the test pool's buffers behind the headroom.
inline constexpr std::uint32_t test_buffer_bytes = 2048;

} // namespace culvert::testing
