#include "dataplane/notice_ring.h"

#include <rte_mbuf.h>
#include <stdexcept>

namespace culvert::dataplane {

NoticeRing::NoticeRing(const std::string& name, unsigned size)
    : ring_(rte_ring_create_elem(name.c_str(), sizeof(Element), size, SOCKET_ID_ANY, RING_F_SC_DEQ)) {
    if (ring_ == nullptr)
        throw std::runtime_error("no memory for ring " + name + "; raise dataplane.memory_mib");
}

NoticeRing::~NoticeRing() {
    NoticeRecord record{};
    while (dequeue(record))
        rte_pktmbuf_free(record.packet);
    rte_ring_free(ring_);
}

} // namespace culvert::dataplane
