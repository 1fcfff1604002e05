#include "control/configuration/cores.h"
#include "control/configuration/sections.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace culvert::control {
namespace {

constexpr unsigned most_sleep_microseconds = 10'000;

/// Tells once for each core that is listed twice or isn't there.
void check_cores(TableReader& reader, const std::vector<std::pair<std::size_t, unsigned>>& listed) {
    const auto online = online_cores();
    for (auto entry = listed.begin(); entry != listed.end(); ++entry) {
        const auto& [index, core] = *entry;
        if (std::ranges::find(online, core) == online.end())
            reader.complain("workers", index, "this machine has no core " + std::to_string(core),
                            "its cores are " + std::to_string(online.front()) + " to " +
                                std::to_string(online.back()) + " (see \"lscpu\")");
        else if (std::any_of(listed.begin(), entry, [&](const auto& earlier) { return earlier.second == core; }))
            reader.complain("workers", index, "core " + std::to_string(core) + " is listed twice",
                            "give each worker a core of its own");
    }
}

std::vector<unsigned> read_workers(TableReader& reader) {
    const toml::node* value = reader.any("workers");
    static constexpr const char* advice = "write a list of cores like [2, 3], or \"auto\"";
    if (value == nullptr || (value->is_string() && value->as_string()->get() == "auto"))
        return automatic_workers();
    const toml::array* list = value->as_array();
    if (list == nullptr || list->empty()) {
        const bool empty = list != nullptr;
        const bool text = value->is_string();
        if (empty || text)
            reader.complain("workers",
                            empty ? "is an empty list" : in_quotes(value->as_string()->get()) + " is not known",
                            advice);
        else
            reader.complain_of_type("workers", *value, "a list of integers", advice);
        return automatic_workers();
    }
    std::vector<std::pair<std::size_t, unsigned>> listed;
    std::vector<unsigned> cores;
    for (std::size_t i = 0; i < list->size(); ++i) {
        const auto* core = (*list)[i].as_integer();
        if (core == nullptr) {
            reader.complain("workers", i,
                            "is " + std::string(type_name((*list)[i])) + ", but should be an integer", advice);
        } else if (core->get() < 0 || core->get() > 4095) {
            reader.complain("workers", i, std::to_string(core->get()) + " is not the number of a core", advice);
        } else {
            cores.push_back(static_cast<unsigned>(core->get()));
            listed.emplace_back(i, cores.back());
        }
    }
    check_cores(reader, listed);
    return cores;
}

void read_idle(TableReader& reader, dataplane::Settings& settings) {
    const auto text = reader.string("idle");
    if (!text || *text == "auto")
        return;
    if (*text == "busy") {
        settings.idle = dataplane::Idle::busy;
    } else if (*text == "event") {
        settings.idle = dataplane::Idle::event;
    } else {
        const std::string_view number =
            std::string_view(*text).substr(std::min(text->find(':') + 1, text->size()));
        const auto [end, error] =
            std::from_chars(number.data(), number.data() + number.size(), settings.sleep_microseconds);
        settings.idle = dataplane::Idle::sleep;
        if (!text->starts_with("sleep:") || error != std::errc{} || end != number.data() + number.size() ||
            settings.sleep_microseconds == 0 || settings.sleep_microseconds > most_sleep_microseconds)
            reader.complain("idle", in_quotes(*text) + " is not known",
                            "write \"auto\", \"busy\", \"event\" or \"sleep:N\" with 1 to 10000 microseconds");
    }
}

void read_hugepages(TableReader& reader, dataplane::Settings& settings) {
    using Hugepages = dataplane::Settings::Hugepages;
    const toml::node* value = reader.any("hugepages");
    if (value == nullptr || (value->is_string() && value->as_string()->get() == "auto"))
        return;
    if (const auto* flag = value->as_boolean())
        settings.hugepages = flag->get() ? Hugepages::yes : Hugepages::no;
    else
        reader.complain_of_type("hugepages", *value, "a boolean or \"auto\"", "write true, false or \"auto\"");
}

} // namespace

dataplane::Settings read_dataplane(TableReader& reader) {
    static constexpr std::array<std::string_view, 3> engines{"auto", "ipsec-mb", "libcrypto"};
    dataplane::Settings settings;
    settings.cores = read_workers(reader);
    settings.engine = reader.choice("engine", engines).value_or(settings.engine);
    read_idle(reader, settings);
    settings.packet_buffers =
        reader.number<std::uint32_t>("packet_buffers", 2048, 16'777'216).value_or(settings.packet_buffers);
    settings.memory_mib = reader.number<std::uint32_t>("memory_mib", 0, 1'048'576).value_or(settings.memory_mib);
    settings.max_sessions =
        reader.number<std::uint32_t>("max_sessions", 1, 1'048'576).value_or(settings.max_sessions);
    read_hugepages(reader, settings);
    for (auto& [index, argument] : reader.strings("eal"))
        settings.eal.push_back(std::move(argument));
    reader.refuse_unknown_keys();
    return settings;
}

} // namespace culvert::control
