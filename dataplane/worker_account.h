#pragma once

#include "dataplane/counter.h"
#include "dataplane/counters.h"

#include <array>

namespace culvert::dataplane {

/// PacketAccount in the making: a worker counts, others read.
struct WorkerAccount {
    Counter rx_port, rx_bridge, rx_kernel, generated;
    Counter tx_port, tx_bridge, tx_kernel, consumed;
    Counter handed_over, taken_over;
    std::array<Counter, drop_reasons> drops;
    Counter opened, sealed, rounds, empty_rounds;

    PacketAccount read() const {
        PacketAccount account{rx_port.get(),
                              rx_bridge.get(),
                              rx_kernel.get(),
                              generated.get(),
                              tx_port.get(),
                              tx_bridge.get(),
                              tx_kernel.get(),
                              consumed.get(),
                              handed_over.get(),
                              taken_over.get(),
                              {}};
        for (std::size_t i = 0; i < drop_reasons; ++i)
            account.drops[i] = drops[i].get();
        return account;
    }
};

} // namespace culvert::dataplane
