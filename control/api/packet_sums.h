#pragma once

#include "dataplane/counters.h"

#include <span>

namespace culvert::control {

/// The packet accounts of all workers added up.
inline dataplane::PacketAccount sum_of(std::span<const dataplane::WorkerFigures> workers) {
    dataplane::PacketAccount sum;
    for (const auto& worker : workers) {
        const auto& account = worker.account;
        sum.rx_port += account.rx_port;
        sum.rx_bridge += account.rx_bridge;
        sum.rx_kernel += account.rx_kernel;
        sum.generated += account.generated;
        sum.tx_port += account.tx_port;
        sum.tx_bridge += account.tx_bridge;
        sum.tx_kernel += account.tx_kernel;
        sum.consumed += account.consumed;
        sum.handed_over += account.handed_over;
        sum.taken_over += account.taken_over;
        for (std::size_t reason = 0; reason < dataplane::drop_reasons; ++reason)
            sum.drops[reason] += account.drops[reason];
    }
    return sum;
}

} // namespace culvert::control
