#include "dataplane/eal.h"
#include "perf/bench_report.h"
#include "perf/worker_bench.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <map>
#include <stdexcept>

namespace {

using namespace culvert;
using perf::Direction;

struct Options {
    bool quick = false;
    std::string json;
    std::vector<std::string> engines{"ipsec-mb", "libcrypto"};
    std::vector<std::uint32_t> sessions{1};
    unsigned rounds = 15;
};

/// What the worker's net cycles may be, over the raw AEAD's, with the ipsec-mb engine and one session.
const std::map<std::string, double> limits{{"64", 3.3}, {"512", 2.2}, {"1400", 1.6}};

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

double spread(std::vector<double> values) {
    std::ranges::sort(values);
    return (values[values.size() * 3 / 4] - values[values.size() / 4]) / values[values.size() / 2];
}

/// The engine alone over the sizes of a mix.
double raw_cycles(const perf::WorkerCase& what) {
    std::map<std::uint16_t, double> known;
    double sum = 0;
    for (const std::uint16_t size : what.mix.sizes) {
        if (!known.contains(size)) {
            const auto cycles = perf::raw_aead_cycles({.engine = what.engine,
                                                       .algorithm = crypto::Algorithm::aes_256_gcm,
                                                       .direction = what.direction,
                                                       .length = size,
                                                       .keys = what.sessions},
                                                      {.rounds = 25, .bursts_per_round = 10});
            if (!cycles)
                throw std::runtime_error(cycles.error());
            known[size] = cycles->median;
        }
        sum += known[size];
    }
    return sum / static_cast<double>(what.mix.sizes.size());
}

/// Worker, vdevs and raw AEAD take turns, so that a disturbance hits all three.
perf::Row measure(const perf::WorkerCase& what, const Options& options) {
    perf::WorkerBench bench(what);
    const unsigned laps = options.quick ? 20 : 60;
    bench.worker_cycles(laps);
    std::vector<double> worker, vdevs, raw;
    for (unsigned round = 0; round < options.rounds; ++round) {
        worker.push_back(bench.worker_cycles(laps));
        vdevs.push_back(bench.forward_cycles(laps));
        raw.push_back(raw_cycles(what));
    }
    perf::Row row;
    row.direction = what.direction == Direction::open ? "inbound" : "outbound";
    row.size = what.mix.name;
    row.engine = what.engine;
    row.sessions = what.sessions;
    row.cycles_per_packet = median(worker);
    row.vdev_cycles = median(vdevs);
    row.raw_aead_cycles = median(raw);
    row.spread = spread(worker);
    row.mean_bytes = what.mix.mean();
    if (const auto limit = limits.find(what.mix.name);
        limit != limits.end() && what.engine == "ipsec-mb" && what.sessions == 1)
        row.limit = limit->second;
    return row;
}

std::vector<perf::WorkerCase> cases(const Options& options) {
    std::vector<perf::WorkerCase> all;
    for (const std::string& engine : options.engines)
        for (const std::uint32_t sessions : options.sessions)
            for (const Direction direction : {Direction::open, Direction::seal})
                for (const perf::Mix& mix :
                     {perf::fixed_size(64), perf::fixed_size(512), perf::fixed_size(1400), perf::imix()})
                    all.push_back({engine, direction, mix, sessions});
    return all;
}

int run(const Options& options) {
    dataplane::Settings settings;
    settings.hugepages = dataplane::Settings::Hugepages::automatic;
    settings.memory_mib = 1024;
    if (const auto eal = dataplane::start_eal(settings); !eal)
        throw std::runtime_error(eal.error());
    const auto all = cases(options);
    std::vector<perf::Row> rows;
    for (const perf::WorkerCase& what : all) {
        std::fprintf(stderr, "\r%zu of %zu", rows.size() + 1, all.size());
        rows.push_back(measure(what, options));
    }
    std::fprintf(stderr, "\r\033[K");
    print_table(rows, perf::tsc_hertz());
    if (!options.json.empty())
        write_json(options.json, rows, perf::tsc_hertz());
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app{"Cycles a packet through a Culvert worker, beside what its crypto and its devices cost alone"};
    Options options;
    app.add_flag("--quick", options.quick, "fewer laps a round");
    app.add_option("--json", options.json, "write the rows to this file, too");
    app.add_option("--engine", options.engines, "ipsec-mb, libcrypto; may be given more than once");
    app.add_option("--sessions", options.sessions, "numbers of sessions, each packet's drawn at random")
        ->check(CLI::Range(1U, 100000U));
    app.add_option("--rounds", options.rounds, "rounds to take the median of")->check(CLI::PositiveNumber);
    CLI11_PARSE(app, argc, argv);
    try {
        return run(options);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "\nculvert-bench: %s\n", error.what());
        return 1;
    }
}
