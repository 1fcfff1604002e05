#include "control/configuration/peer_request.h"

#include "control/configuration/cross_checks.h"
#include "control/configuration/sections.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace culvert::control {
namespace {

using nlohmann::json;

std::unexpected<std::vector<ConfigurationError>> refused(std::string key, std::string problem,
                                                         std::string advice) {
    Problems problems("");
    problems.add(0, std::move(key), std::move(problem), std::move(advice));
    return std::unexpected(problems.take());
}

/// What TOML doesn't have as a value of ours (null inside a list, objects) becomes a table, which no key takes.
template <typename Into>
void put_value(Into&& into, const json& value) {
    switch (value.type()) {
    case json::value_t::boolean:
        return into(value.get<bool>());
    case json::value_t::number_integer:
        return into(value.get<std::int64_t>());
    case json::value_t::number_unsigned:
        return into(static_cast<std::int64_t>(
            std::min<std::uint64_t>(value.get<std::uint64_t>(), std::numeric_limits<std::int64_t>::max())));
    case json::value_t::number_float:
        return into(value.get<double>());
    case json::value_t::string:
        return into(value.get<std::string>());
    default:
        return into(toml::table{});
    }
}

void put(toml::table& table, const std::string& key, const json& value) {
    if (!value.is_array()) {
        put_value([&](auto plain) { table.insert_or_assign(key, std::move(plain)); }, value);
        return;
    }
    toml::array list;
    for (const auto& each : value)
        put_value([&](auto plain) { list.push_back(std::move(plain)); }, each);
    table.insert_or_assign(key, std::move(list));
}

std::expected<PeerSection, std::vector<ConfigurationError>> check(const json& keys, const Configuration& running,
                                                                  const std::string* replaced) {
    toml::table table;
    for (const auto& [key, value] : keys.items())
        if (!value.is_null())
            put(table, key, value);
    Problems problems("");
    PeerDraft draft = read_peer(TableReader(table, "peer", problems), "/");
    if (const auto file = table["psk_file"].value<std::string>(); file && !file->starts_with('/'))
        draft.reader.complain("psk_file", in_quotes(*file) + " is a relative path", "write it from the root");
    PeerChecks checks({running.tuns, !running.gateway.certificate.empty(), !running.listens.empty()});
    for (const auto& peer : running.peers)
        if (replaced == nullptr || peer.name != *replaced)
            checks.accept(peer);
    checks.check(draft);
    if (!problems.none())
        return std::unexpected(problems.take());
    return std::move(draft.section);
}

} // namespace

std::expected<PeerSection, std::vector<ConfigurationError>> new_peer(const json& keys,
                                                                     const Configuration& running) {
    if (!keys.is_object())
        return refused("peer", "is not a JSON object", "send the keys of a [[peer]]");
    return check(keys, running, nullptr);
}

std::expected<PeerSection, std::vector<ConfigurationError>>
changed_peer(const std::string& name, const json& changes, const Configuration& running) {
    if (!changes.is_object())
        return refused("peer." + name, "is not a JSON object", "send the keys of a [[peer]]");
    const auto peer = std::ranges::find(running.peers, name, &PeerSection::name);
    if (peer == running.peers.end())
        return refused("peer." + name, "is not there", "see \"culvertctl show peers\", or add it");
    if (const auto given = changes.find("name"); given != changes.end() && *given != name)
        return refused("peer." + name + ".name", "can't be changed", "remove the peer and add it anew");
    json keys = to_json(*peer);
    if (changes.contains("pin"))
        keys.erase("psk_file");
    if (changes.contains("psk_file"))
        keys.erase("pin");
    keys.update(changes);
    return check(keys, running, &name);
}

json to_json(const PeerSection& peer) {
    const PeerSection defaults;
    json keys{{"name", peer.name}, {"prefixes", json::array()}};
    for (const auto& prefix : peer.prefixes)
        keys["prefixes"].push_back(prefix.text());
    if (peer.endpoint)
        keys["endpoint"] = peer.endpoint->text();
    if (!peer.pins.empty())
        keys["pin"] = peer.pins;
    if (!peer.psk_file.empty())
        keys["psk_file"] = peer.psk_file.string();
    if (!peer.tun.empty())
        keys["tun"] = peer.tun;
    if (peer.lanes != defaults.lanes)
        keys["lanes"] = peer.lanes;
    if (peer.mtu != defaults.mtu)
        keys["mtu"] = peer.mtu;
    if (peer.dscp)
        keys["dscp"] = *peer.dscp;
    if (peer.keepalive != defaults.keepalive)
        keys["keepalive"] = peer.keepalive.count();
    if (peer.rekey_time != defaults.rekey_time)
        keys["rekey_time"] = peer.rekey_time.count();
    if (peer.rekey_packets != defaults.rekey_packets)
        keys["rekey_packets"] = peer.rekey_packets;
    return keys;
}

} // namespace culvert::control
