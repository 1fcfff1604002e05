#pragma once

#include "control/configuration/configuration.h"
#include "control/configuration/table_reader.h"

#include <cstddef>
#include <vector>

/// From TOML tables to sections: each value is checked by itself here, what spans sections in cross_checks.h.
namespace culvert::control {

/// A prefix and its place in the list, so that errors found later can point at it.
struct ListedPrefix {
    std::size_t index = 0;
    dataplane::Prefix prefix;
};

/// A section and the reader of its table, which knows lines and keys.
struct PortDraft {
    PortSection section;
    TableReader reader;
    std::vector<ListedPrefix> addresses;
};

struct TunDraft {
    TunSection section;
    TableReader reader;
    std::vector<ListedPrefix> addresses;
};

struct ListenDraft {
    ListenSection section;
    TableReader reader;
};

struct PeerDraft {
    PeerSection section;
    TableReader reader;
    std::vector<ListElement> pins;
    std::vector<ListedPrefix> prefixes;
};

GatewaySection read_gateway(TableReader& reader, const std::filesystem::path& folder);
ControlSection read_control(TableReader& reader);
dataplane::Settings read_dataplane(TableReader& reader);
PortDraft read_port(TableReader reader);
TunDraft read_tun(TableReader reader);
ListenDraft read_listen(TableReader reader);
PeerDraft read_peer(TableReader reader, const std::filesystem::path& folder);

/// A list of prefixes or addresses, each by `parse`.
template <typename Parse>
std::vector<ListedPrefix> read_prefixes(TableReader& reader, std::string_view key, Parse parse) {
    std::vector<ListedPrefix> prefixes;
    for (const auto& [index, text] : reader.strings(key)) {
        if (const auto prefix = parse(text))
            prefixes.push_back({index, *prefix});
        else
            reader.complain(key, index, prefix.error().problem, prefix.error().advice);
    }
    return prefixes;
}

/// The value of a string key that has a syntax of its own. The text is kept even if it is wrong, so that others
/// can still refer to it.
template <typename Parse>
std::string read_parsed(TableReader& reader, std::string_view key, const std::optional<std::string>& text,
                        Parse parse) {
    if (!text)
        return {};
    if (const auto good = parse(*text); !good)
        reader.complain(key, good.error().problem, good.error().advice);
    return *text;
}

/// A path of the configuration: relative ones are relative to its folder.
std::filesystem::path resolved(const std::filesystem::path& folder, const std::string& path);

} // namespace culvert::control
