#include "control/cli/doctor/checks.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace culvert::control::doctor {
namespace {

using nlohmann::json;

std::string text_of(const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

/// The command's standard output; nothing when it isn't there or fails.
std::optional<std::string> output_of(const char* command) {
    std::FILE* pipe = popen(command, "re");
    if (pipe == nullptr)
        return std::nullopt;
    std::string text;
    std::array<char, 4096> block{};
    while (const std::size_t length = std::fread(block.data(), 1, block.size(), pipe))
        text.append(block.data(), length);
    return pclose(pipe) == 0 ? std::optional(text) : std::nullopt;
}

/// Does a rule of the chain speak of the interface?
bool mentions(const json& entries, const json& chain, const std::string& interface) {
    const std::string word = json(interface).dump();
    return std::ranges::any_of(entries, [&](const json& entry) {
        const auto rule = entry.is_object() ? entry.find("rule") : entry.end();
        return rule != entry.end() && rule->is_object() && text_of(*rule, "family") == text_of(chain, "family") &&
               text_of(*rule, "table") == text_of(chain, "table") &&
               text_of(*rule, "chain") == text_of(chain, "name") && rule->contains("expr") &&
               (*rule)["expr"].dump().find(word) != std::string::npos;
    });
}

} // namespace

void judge_ruleset(const std::string& ruleset, const std::vector<std::string>& tuns, Findings& findings) {
    const json document = json::parse(ruleset, nullptr, false);
    const json entries = document.is_object() ? document.value("nftables", json::array()) : json::array();
    const std::size_t before = findings.all().size();
    for (const auto& entry : entries) {
        const auto found = entry.is_object() ? entry.find("chain") : entry.end();
        if (found == entry.end() || text_of(*found, "hook") != "forward" || text_of(*found, "policy") != "drop")
            continue;
        const std::string chain =
            text_of(*found, "family") + " " + text_of(*found, "table") + " " + text_of(*found, "name");
        for (const auto& tun : tuns)
            if (!mentions(entries, *found, tun))
                findings.problem("firewall",
                                 "chain " + chain + " drops what is forwarded, and no rule of its own is about " +
                                     tun,
                                 "nft insert rule " + chain + " iifname " + tun + " accept; nft insert rule " +
                                     chain + " oifname " + tun + " accept");
    }
    if (findings.all().size() == before)
        findings.ok("firewall", "nothing drops what is forwarded");
}

void check_firewall(const Patient& patient, const std::string& network_namespace, Findings& findings) {
    std::vector<std::string> tuns;
    for (const auto& tun : patient.configuration.tuns)
        if (tun.network_namespace == network_namespace)
            tuns.push_back(tun.name);
    const std::string legacy = patient.system.text("/proc/thread-self/net/ip_tables_names") +
                               patient.system.text("/proc/thread-self/net/ip6_tables_names");
    if (legacy.find("filter") != std::string::npos)
        findings.warning("firewall", "rules of the old iptables are in force, which nft doesn't show",
                         "see whether FORWARD drops: iptables-legacy -S FORWARD; ip6tables-legacy -S FORWARD");
    if (const auto ruleset = output_of("nft -j list ruleset 2>/dev/null"))
        judge_ruleset(*ruleset, tuns, findings);
    else
        findings.warning("firewall", "the rules can't be read", "apt-get install nftables, and look as root");
}

} // namespace culvert::control::doctor
