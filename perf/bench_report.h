#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace culvert::perf {

/// One row of the benchmark: medians of interleaved rounds, TSC cycles a packet.
struct Row {
    std::string format = "dtls", direction, size, engine;
    std::uint32_t sessions = 1, workers = 1;
    double cycles_per_packet = 0; ///< through the worker, vdevs included
    double vdev_cycles = 0;       ///< the vdevs alone, with the same packets
    double raw_aead_cycles = 0;   ///< the engine alone, the same sizes
    double spread = 0;            ///< interquartile range of cycles_per_packet over its median
    double mean_bytes = 0;        ///< inner
    std::optional<double> limit;  ///< of net_over_raw, where there is one

    double net_cycles() const { return cycles_per_packet - vdev_cycles; }
    double net_over_raw() const { return net_cycles() / raw_aead_cycles; }
    double mpps(double hertz) const { return hertz / cycles_per_packet / 1e6; }
    double gbps(double hertz) const { return mpps(hertz) * mean_bytes * 8 / 1e3; }
};

void print_table(const std::vector<Row>& rows, double hertz);
void write_json(const std::string& file, const std::vector<Row>& rows, double hertz); ///< throws on a bad path

} // namespace culvert::perf
