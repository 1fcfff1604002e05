#include "control/configuration/cores.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sched.h>
#include <string>

namespace culvert::control {
namespace {

constexpr unsigned most_cores = 4096; ///< bounds a damaged list

std::vector<unsigned> read_core_list(const char* file) {
    std::ifstream in(file);
    std::string line;
    std::getline(in, line);
    return parse_core_list(line);
}

} // namespace

std::vector<unsigned> parse_core_list(std::string_view text) {
    std::vector<unsigned> cores;
    while (!text.empty()) {
        const auto comma = std::min(text.find(','), text.size());
        const std::string_view part = text.substr(0, comma);
        text.remove_prefix(std::min(comma + 1, text.size()));
        unsigned first = 0;
        const char* const end = part.data() + part.size();
        auto [next, error] = std::from_chars(part.data(), end, first);
        if (error != std::errc{} || first >= most_cores)
            continue;
        unsigned last = first;
        if (next != end && *next == '-')
            std::from_chars(next + 1, end, last);
        for (unsigned core = first; core <= std::min(last, most_cores - 1); ++core)
            cores.push_back(core);
    }
    return cores;
}

std::vector<unsigned> online_cores() {
    return read_core_list("/sys/devices/system/cpu/online");
}

std::vector<unsigned> isolated_cores() {
    return read_core_list("/sys/devices/system/cpu/isolated");
}

std::vector<unsigned> allowed_cores() {
    cpu_set_t set;
    CPU_ZERO(&set);
    std::vector<unsigned> cores;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return online_cores();
    for (unsigned core = 0; core < CPU_SETSIZE; ++core)
        if (CPU_ISSET(core, &set))
            cores.push_back(core);
    return cores;
}

std::vector<unsigned> automatic_workers() {
    if (auto isolated = isolated_cores(); !isolated.empty())
        return isolated;
    auto cores = allowed_cores();
    cores.erase(cores.begin(), cores.begin() + static_cast<std::ptrdiff_t>(cores.size() / 2));
    return cores;
}

} // namespace culvert::control
