#include "dataplane/packet_ring.h"

#include <array>
#include <rte_errno.h>
#include <stdexcept>

namespace culvert::dataplane {

/// Several producers synchronise their tails relaxed: one that is preempted, as cores may be shared, doesn't stop
/// the rest.
PacketRing::PacketRing(const std::string& name, unsigned size, Producers producers, Waker* consumer)
    : ring_(rte_ring_create(name.c_str(), size, SOCKET_ID_ANY,
                            RING_F_SC_DEQ | (producers == Producers::one ? RING_F_SP_ENQ : RING_F_MP_RTS_ENQ))),
      consumer_(consumer) {
    if (ring_ == nullptr)
        throw std::runtime_error("cannot create packet ring " + name + " of " + std::to_string(size) + ": " +
                                 rte_strerror(rte_errno));
}

PacketRing::~PacketRing() {
    std::array<rte_mbuf*, 32> left;
    while (const std::uint32_t count = dequeue(left))
        rte_pktmbuf_free_bulk(left.data(), count);
    rte_ring_free(ring_);
}

} // namespace culvert::dataplane
