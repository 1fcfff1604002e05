#include "perf/raw_aead.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

namespace {

using namespace culvert;

struct Row {
    perf::RawAeadCase what;
    perf::Cycles cycles;
};

struct Options {
    std::vector<std::string> engines{"ipsec-mb", "libcrypto"};
    std::vector<crypto::Algorithm> algorithms{crypto::Algorithm::aes_128_gcm, crypto::Algorithm::aes_256_gcm};
    std::vector<std::uint32_t> lengths{64, 512, 1400};
    std::vector<std::size_t> keys{1, 10000};
    perf::RawAeadEffort effort;
    bool json = false;
};

void declare(CLI::App& app, Options& options) {
    const std::map<std::string, crypto::Algorithm> algorithms{{"aes-128-gcm", crypto::Algorithm::aes_128_gcm},
                                                              {"aes-256-gcm", crypto::Algorithm::aes_256_gcm}};
    app.add_option("--engine", options.engines, "ipsec-mb, libcrypto; may be given more than once");
    app.add_option("--algorithm", options.algorithms, "aes-128-gcm, aes-256-gcm")
        ->transform(CLI::CheckedTransformer(algorithms, CLI::ignore_case));
    app.add_option("--length", options.lengths, "bytes of plaintext")
        ->check(CLI::Range(0U, perf::max_raw_aead_length));
    app.add_option("--keys", options.keys, "how many keys, each packet's drawn at random")
        ->check(CLI::PositiveNumber);
    app.add_option("--rounds", options.effort.rounds, "counts to take the median of")->check(CLI::PositiveNumber);
    app.add_flag("--json", options.json, "print rows as JSON");
}

std::string_view name(perf::Direction direction) {
    return direction == perf::Direction::open ? "open" : "seal";
}

std::vector<Row> measure(const Options& options) {
    std::vector<Row> rows;
    for (const auto& engine : options.engines)
        for (const auto algorithm : options.algorithms)
            for (const auto keys : options.keys)
                for (const auto direction : {perf::Direction::open, perf::Direction::seal})
                    for (const auto length : options.lengths) {
                        const perf::RawAeadCase what{engine, algorithm, direction, length, keys};
                        if (const auto cycles = perf::raw_aead_cycles(what, options.effort))
                            rows.push_back({what, *cycles});
                        else
                            std::cerr << cycles.error() << '\n';
                    }
    return rows;
}

void print_table(const std::vector<Row>& rows, double hertz) {
    std::printf("%-10s %-12s %6s %-5s %6s %14s %8s %8s\n", "engine", "algorithm", "keys", "", "bytes",
                "cycles/packet", "lowest", "Mpps");
    for (const auto& [what, cycles] : rows)
        std::printf("%-10s %-12s %6zu %-5s %6u %14.1f %8.1f %8.2f\n", what.engine.c_str(),
                    std::string(crypto::name(what.algorithm)).c_str(), what.keys,
                    std::string(name(what.direction)).c_str(), what.length, cycles.median, cycles.lowest,
                    hertz / cycles.median / 1e6);
    std::printf("TSC at %.2f GHz, one core\n", hertz / 1e9);
}

void print_json(const std::vector<Row>& rows, double hertz) {
    nlohmann::json document{{"tsc_hertz", hertz}, {"rows", nlohmann::json::array()}};
    for (const auto& [what, cycles] : rows)
        document["rows"].push_back({{"engine", what.engine},
                                    {"algorithm", crypto::name(what.algorithm)},
                                    {"keys", what.keys},
                                    {"direction", name(what.direction)},
                                    {"size", what.length},
                                    {"raw_aead_cycles", cycles.median},
                                    {"lowest_cycles", cycles.lowest},
                                    {"mpps", hertz / cycles.median / 1e6}});
    std::cout << document.dump(2) << '\n';
}

} // namespace

int main(int argc, char** argv) try {
    CLI::App app{"Cycles per packet of the AEAD engines alone"};
    Options options;
    declare(app, options);
    CLI11_PARSE(app, argc, argv);
    const auto rows = measure(options);
    (options.json ? print_json : print_table)(rows, perf::tsc_hertz());
    return rows.empty() ? 1 : 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
