#pragma once

#include <cstdint>
#include <rte_mbuf.h>
#include <span>

namespace culvert::dataplane {

/// Cuts an IPv4 packet into fragments of at most `inner_mtu` bytes (RFC 791 §3.2), each copied into one segment
/// with full headroom, as the sealing in place wants them. A fragment is cut further; bytes behind the packet's
/// total length are left out. `packet` starts with its IP header, has passed parse_inner(), lies in one segment,
/// and stays the caller's.
///
/// Returns how many of `out` are now the caller's. 0: Don't Fragment is set, `out` is too small, the MTU leaves no
/// room for 8 bytes, fragments are longer than the pool's buffers, the offset leaves its 13 bits, or `pool` is
/// empty. (DPDK's rte_ip_frag leaves checksums at zero, and offset and padding unchecked.)
unsigned fragment_ipv4(const rte_mbuf* packet, std::uint16_t inner_mtu, rte_mempool* pool,
                       std::span<rte_mbuf*> out) noexcept;

} // namespace culvert::dataplane
