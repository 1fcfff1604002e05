#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

/// Why a packet was dropped: every reason stands here once, and is shown everywhere under this name.
namespace culvert::dataplane {

// clang-format off
#define CULVERT_DROP_REASONS(X)                                                                            \
    /* stage 1: the outer packet */                                                                        \
    X(left_to_kernel,        "not tunnel traffic, on a port shared with the kernel")                       \
    X(no_kernel_port,        "not tunnel traffic, and this port has no kernel port")                       \
    X(kernel_port_full,      "not tunnel traffic, and the kernel port's queue was full")                   \
    X(other_vlan,            "not of the port's VLAN")                                                       \
    X(outer_truncated,       "outer headers longer than the frame")                                        \
    X(outer_malformed,       "outer IP or UDP lengths that contradict each other")                         \
    X(outer_checksum,        "outer checksum wrong")                                                       \
    X(outer_fragment,        "outer fragment; the sender has to keep to the path MTU")                     \
    X(outer_source,          "outer source address that no host may have")                                 \
    /* stage 2: the wire format */                                                                         \
    X(record_malformed,      "not a record of the listener's wire format")                                 \
    X(record_epoch,          "record of an epoch that its session doesn't have")                           \
    X(unknown_session,       "protected record that belongs to no session")                                \
    X(handshake_policed,     "handshake datagrams beyond what is policed through")                         \
    X(control_ring_full,     "ring to the control thread full")                                            \
    X(handover_ring_full,    "ring to the owning worker full")                                             \
    X(session_gone,          "session retired while the packet waited in a ring")                          \
    /* stages 3 and 4: opened */                                                                           \
    X(authentication,        "tag wrong: forged, damaged, or of another key")                              \
    X(replayed,              "sequence seen before, or older than the replay window")                      \
    X(key_exhausted,         "the key has reached its limit and no new one is there")                      \
    X(record_type,           "authenticated record of a type that has no meaning here")                    \
    X(ecn_illegal,           "congestion marked outside on an inner packet that is not ECN-capable")       \
    X(inner_malformed,       "inner packet with a wrong version, header or length")                        \
    X(inner_source,          "inner source that does not belong to this peer")                             \
    /* stage 6: the inner packet's way */                                                                  \
    X(inner_ttl,             "inner TTL or hop limit used up")                                             \
    X(no_route,              "no route to the inner destination")                                          \
    X(inner_not_routable,    "inner multicast, broadcast or link-local destination")                       \
    X(peer_down,             "the peer has no session to send on")                                         \
    X(too_big,               "longer than the path carries, and not to be fragmented")                     \
    X(fragmentation_failed,  "could not be fragmented")                                                    \
    X(bridge_ring_full,      "ring to the TUN bridge full")                                                \
    X(tx_full,               "port's transmit queue full")                                                 \
    X(no_next_hop,           "the next hop's link address is not known yet")                               \
    X(no_buffers,            "out of packet buffers")
// clang-format on

enum class DropReason : std::uint8_t {
#define X(name, text) name,
    CULVERT_DROP_REASONS(X)
#undef X
        count
};

inline constexpr std::size_t drop_reasons = static_cast<std::size_t>(DropReason::count);

struct DropReasonText {
    std::string_view name; ///< as the API, the metrics and `culvertctl show drops` print it
    std::string_view text;
};

inline constexpr std::array<DropReasonText, drop_reasons> drop_reason_texts{{
#define X(name, text) {#name, text},
    CULVERT_DROP_REASONS(X)
#undef X
}};

} // namespace culvert::dataplane
