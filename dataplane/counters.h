#pragma once

#include "dataplane/address.h"
#include "dataplane/drop_reason.h"
#include "dataplane/ids.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace culvert::dataplane {

/// A worker's packet account. For all workers together, at any moment when they stand still:
///
///     rx_port + rx_bridge + rx_kernel + generated
///         = tx_port + tx_bridge + tx_kernel + consumed + Σ drops + in flight
///
/// where "in flight" is what lies in rings between workers. Written by the worker alone.
struct PacketAccount {
    std::uint64_t rx_port = 0, rx_bridge = 0, rx_kernel = 0;
    std::uint64_t generated = 0; ///< ICMP answers, further fragments, control frames, handshake datagrams
    std::uint64_t tx_port = 0, tx_bridge = 0, tx_kernel = 0;
    std::uint64_t consumed = 0;                    ///< handed to control
    std::uint64_t handed_over = 0, taken_over = 0; ///< to and from other workers
    std::array<std::uint64_t, drop_reasons> drops{};
};

struct WorkerFigures {
    WorkerId worker{};
    unsigned core = 0;
    std::string engine; ///< and why, e.g. "ipsec-mb (auto: 98 ns a packet; libcrypto 420 ns)"
    std::string idle;   ///< "busy", "event", "sleep:50"
    PacketAccount account;
    std::uint64_t opened = 0, sealed = 0;
    std::uint64_t rounds = 0, empty_rounds = 0, sleeps = 0;
};

struct PeerFigures {
    std::uint64_t rx_packets = 0, rx_bytes = 0, tx_packets = 0, tx_bytes = 0; ///< inner
};

struct PortFigures {
    PortId port{};
    std::string name, device, driver;
    std::array<std::uint8_t, 6> link_address{};
    std::vector<IpAddress> addresses;
    std::uint16_t mtu = 0, vlan = 0, queues = 0;
    bool shared_with_kernel = false;
    std::string kernel_interface; ///< the shared interface or the kernel port; empty: none
    std::uint64_t rx_packets = 0, rx_bytes = 0, tx_packets = 0, tx_bytes = 0, rx_missed = 0, rx_errors = 0,
                  tx_errors = 0;
};

} // namespace culvert::dataplane
