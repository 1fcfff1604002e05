#include "perf/bench_report.h"

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace culvert::perf {

void print_table(const std::vector<Row>& rows, double hertz) {
    std::printf("%-6s %-9s %-5s %-10s %8s %8s %8s %8s %8s %9s %7s %7s %7s  %s\n", "format", "direction", "size",
                "engine", "sessions", "cycles", "vdevs", "net", "raw", "net/raw", "spread", "Mpps", "Gbit/s",
                "limit");
    for (const Row& row : rows) {
        std::printf("%-6s %-9s %-5s %-10s %8u %8.0f %8.0f %8.0f %8.0f %9.2f %6.1f%% %7.2f %7.2f",
                    row.format.c_str(), row.direction.c_str(), row.size.c_str(), row.engine.c_str(), row.sessions,
                    row.cycles_per_packet, row.vdev_cycles, row.net_cycles(), row.raw_aead_cycles,
                    row.net_over_raw(), 100 * row.spread, row.mpps(hertz), row.gbps(hertz));
        if (row.limit)
            std::printf("  %.2f %s", *row.limit, row.net_over_raw() <= *row.limit ? "kept" : "MISSED");
        std::printf("\n");
    }
    std::printf("TSC cycles a packet at %.2f GHz, one core; AES-256-GCM; sizes are inner IP packets\n",
                hertz / 1e9);
}

void write_json(const std::string& file, const std::vector<Row>& rows, double hertz) {
    nlohmann::json document{{"tsc_hertz", hertz}, {"rows", nlohmann::json::array()}};
    for (const Row& row : rows) {
        document["rows"].push_back({{"format", row.format},
                                    {"direction", row.direction},
                                    {"size", row.size},
                                    {"engine", row.engine},
                                    {"sessions", row.sessions},
                                    {"workers", row.workers},
                                    {"cycles_per_packet", row.cycles_per_packet},
                                    {"vdev_cycles", row.vdev_cycles},
                                    {"net_cycles", row.net_cycles()},
                                    {"raw_aead_cycles", row.raw_aead_cycles},
                                    {"net_over_raw", row.net_over_raw()},
                                    {"spread", row.spread},
                                    {"mpps", row.mpps(hertz)},
                                    {"gbps", row.gbps(hertz)}});
    }
    std::ofstream out(file);
    out << document.dump(2) << '\n';
    if (!out)
        throw std::runtime_error(file + " cannot be written");
}

} // namespace culvert::perf
