#pragma once

#include "tests/unit/packet_builder.h"

#include <memory>
#include <rte_mbuf.h>

/// DPDK without hugepages, root or devices, started once for the whole executable by linking eal_environment.cc.
namespace culvert::testing {

struct FreesMbuf {
    void operator()(rte_mbuf* packet) const { rte_pktmbuf_free(packet); }
};
using Mbuf = std::unique_ptr<rte_mbuf, FreesMbuf>;

/// 1,023 mbufs of 2,048 bytes behind the usual headroom. Tests return all they took; the environment checks that.
rte_mempool* test_pool();

Mbuf mbuf_of(const Bytes& bytes); ///< one segment with full headroom
Bytes bytes_of(const rte_mbuf* packet);

} // namespace culvert::testing
