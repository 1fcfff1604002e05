#include "control/configuration/credentials.h"
#include "control/configuration/sections.h"
#include "control/configuration/value_syntax.h"

namespace culvert::control {
namespace {

constexpr std::int64_t least_rekey_packets = 1000;
constexpr std::int64_t most_rekey_packets = std::int64_t{1} << 35; // a record number has 36 bits in the nonce

void read_credentials(PeerDraft& draft, const std::filesystem::path& folder) {
    TableReader& in = draft.reader;
    PeerSection& section = draft.section;
    for (const auto& element : in.strings("pin")) {
        if (const auto pin = parse_pin(element.text); !pin) {
            in.complain("pin", element.index, pin.error().problem, pin.error().advice);
        } else {
            draft.pins.push_back(element);
            section.pins.push_back(element.text);
        }
    }
    section.psk_file = resolved(folder, in.string("psk_file").value_or(""));
    if (in.has("psk_file") && in.has("pin"))
        in.complain("psk_file", "stands beside pin", "leave one out: a peer proves itself by its pin or by a key");
    else if (!in.has("psk_file") && !in.has("pin"))
        in.complain("has neither pin nor psk_file",
                    "write pin = \"pin-sha256:…\" as \"culvertctl keygen\" printed it there, or psk_file = \"…\"");
    if (!section.psk_file.empty()) {
        if (const auto key = read_psk_file(section.psk_file); !key)
            in.complain("psk_file", key.error().problem, key.error().advice);
    }
}

void read_dscp(TableReader& in, PeerSection& section) {
    const toml::node* value = in.any("dscp");
    if (value != nullptr && value->is_string() && value->as_string()->get() == "copy")
        return;
    if (value != nullptr && !value->is_integer())
        in.complain_of_type("dscp", *value, "an integer or \"copy\"", "write a number from 0 to 63, or \"copy\"");
    else
        section.dscp = in.number<std::uint8_t>("dscp", 0, 63);
}

} // namespace

PeerDraft read_peer(TableReader reader, const std::filesystem::path& folder) {
    PeerDraft draft{{}, std::move(reader), {}, {}};
    TableReader& in = draft.reader;
    PeerSection& section = draft.section;
    const auto name = in.required_string("name", "write name = \"…\": how this peer is called");
    if (name)
        in.rename("peer." + *name);
    section.name = read_parsed(in, "name", name, parse_name);
    if (const auto text = in.string("endpoint")) {
        if (const auto endpoint = parse_remote_endpoint(*text))
            section.endpoint = *endpoint;
        else
            in.complain("endpoint", endpoint.error().problem, endpoint.error().advice);
    }
    read_credentials(draft, folder);
    draft.prefixes = read_prefixes(in, "prefixes", parse_prefix);
    for (const auto& listed : draft.prefixes)
        section.prefixes.push_back(listed.prefix);
    if (!in.has("prefixes"))
        in.complain("prefixes", "is missing", "write prefixes = [\"…\"]: the inner networks behind this peer");
    section.tun = in.string("tun").value_or("");
    section.lanes = in.number<std::uint16_t>("lanes", 1, 64).value_or(section.lanes);
    section.mtu = in.number<std::uint16_t>("mtu", 576, 9600).value_or(section.mtu);
    read_dscp(in, section);
    section.keepalive =
        std::chrono::seconds(in.number<std::int64_t>("keepalive", 1, 3600).value_or(section.keepalive.count()));
    section.rekey_time = std::chrono::seconds(
        in.number<std::int64_t>("rekey_time", 5, 604'800).value_or(section.rekey_time.count()));
    section.rekey_packets = in.number<std::uint64_t>("rekey_packets", least_rekey_packets, most_rekey_packets)
                                .value_or(section.rekey_packets);
    in.refuse_unknown_keys();
    return draft;
}

} // namespace culvert::control
