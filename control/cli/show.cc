#include "control/cli/show.h"

#include "control/cli/human.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace culvert::control {
namespace {

/// A remote end has a say in some texts: it must not steer the terminal.
std::string printable(std::string text) {
    std::ranges::replace_if(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
    return text.empty() ? "-" : text;
}

std::string text_of(const Json& value) {
    if (value.is_null())
        return "-";
    if (value.is_string())
        return printable(value.get<std::string>());
    if (value.is_array()) {
        std::string joined;
        for (const auto& element : value)
            joined += (joined.empty() ? "" : ", ") + text_of(element);
        return joined.empty() ? "-" : joined;
    }
    return value.dump();
}

std::string text_of(const Json& object, const char* key) {
    return text_of(object.at(key));
}
std::string bytes_of(const Json& object, const char* key) {
    return human_bytes(object.at(key).get<std::uint64_t>());
}
std::string yes_no(const Json& object, const char* key) {
    return object.at(key).get<bool>() ? "yes" : "no";
}

/// "2.1 s ago"; "-" where there is none.
std::string ago(const Json& object, const char* key) {
    const auto& value = object.at(key);
    return value.is_null() ? "-" : human_span(value.get<std::int64_t>()) + " ago";
}

std::string sentence_if_empty(const Table& table, std::string_view sentence) {
    return table.rows() == 0 ? fmt::format("{}\n", sentence) : table.text();
}

std::string peers_text(const Json& document, bool) {
    Table table({"NAME", "STATE", "ENDPOINT", "LAST RECORD", ">RECEIVED", ">SENT", ">LANES", ">MTU", "PREFIXES"});
    for (const auto& peer : document.at("peers"))
        table.add({text_of(peer, "name"), text_of(peer, "state"), text_of(peer, "endpoint"),
                   ago(peer, "last_record_ms"), bytes_of(peer, "rx_bytes"), bytes_of(peer, "tx_bytes"),
                   text_of(peer, "lanes"), text_of(peer, "path_mtu"), text_of(peer, "prefixes")});
    return sentence_if_empty(table, "There are no peers.");
}

std::string sessions_text(const Json& document, bool) {
    Table table({"PEER", ">LANE", ">GEN", "PHASE", "REMOTE", "LOCAL", ">WORKER", ">AGE", "LAST RECORD",
                 ">RECEIVED", ">SENT", ">MTU", "CIPHER"});
    for (const auto& session : document.at("sessions"))
        table.add({text_of(session, "peer"), text_of(session, "lane"), text_of(session, "generation"),
                   text_of(session, "phase"), text_of(session, "remote"), text_of(session, "local"),
                   text_of(session, "worker"), human_span(session.at("age_ms").get<std::int64_t>()),
                   ago(session, "since_rx_ms"), bytes_of(session, "rx_bytes"), bytes_of(session, "tx_bytes"),
                   text_of(session, "path_mtu"), text_of(session, "cipher")});
    return sentence_if_empty(table, "There are no sessions.");
}

std::string ports_text(const Json& document, bool) {
    Table table({"NAME", "DRIVER", "LINK ADDRESS", "ADDRESSES", ">MTU", ">VLAN", ">QUEUES", ">RX", ">TX",
                 ">RX BYTES", ">TX BYTES", ">MISSED", ">ERRORS"});
    for (const auto& port : document.at("ports")) {
        const auto errors = port.at("rx_errors").get<std::uint64_t>() + port.at("tx_errors").get<std::uint64_t>();
        table.add({text_of(port, "name"), text_of(port, "driver"), text_of(port, "link_address"),
                   text_of(port, "addresses"), text_of(port, "mtu"),
                   port.at("vlan") == 0 ? "-" : text_of(port, "vlan"), text_of(port, "queues"),
                   text_of(port, "rx_packets"), text_of(port, "tx_packets"), bytes_of(port, "rx_bytes"),
                   bytes_of(port, "tx_bytes"), text_of(port, "rx_missed"), fmt::to_string(errors)});
    }
    return sentence_if_empty(table, "There are no ports.");
}

std::string workers_text(const Json& document, bool) {
    Table table({">WORKER", ">CORE", "IDLE", ">OPENED", ">SEALED", ">FROM PORT", ">FROM TUN", ">TO PORT",
                 ">TO TUN", ">DROPPED", ">SLEEPS", "ENGINE"});
    for (const auto& worker : document.at("workers")) {
        std::uint64_t dropped = 0;
        for (const auto& count : worker.at("drops"))
            dropped += count.get<std::uint64_t>();
        const auto& account = worker.at("account");
        table.add({text_of(worker, "worker"), text_of(worker, "core"), text_of(worker, "idle"),
                   text_of(worker, "opened"), text_of(worker, "sealed"), text_of(account, "rx_port"),
                   text_of(account, "rx_bridge"), text_of(account, "tx_port"), text_of(account, "tx_bridge"),
                   fmt::to_string(dropped), text_of(worker, "sleeps"), text_of(worker, "engine")});
    }
    return table.text();
}

std::string routes_text(const Json& document, bool) {
    Table table({"PREFIX", "TO", "NAME", "TUN"});
    for (const auto& route : document.at("routes"))
        table.add({text_of(route, "prefix"), text_of(route, "kind"), text_of(route, "destination"),
                   text_of(route, "tun")});
    return sentence_if_empty(table, "There are no routes.");
}

std::string drops_text(const Json& document, bool all) {
    Table table({"REASON", ">PACKETS", "WHAT IT MEANS"});
    for (const auto& drop : document.at("drops"))
        if (all || drop.at("packets") != 0)
            table.add({text_of(drop, "reason"), text_of(drop, "packets"), text_of(drop, "text")});
    return sentence_if_empty(table, "Nothing has been dropped.");
}

std::string bridge_text(const Json& document, bool all) {
    Table table({"TUN", "NAMESPACE", ">QUEUE", "TSO", "USO", ">FROM KERNEL", ">BYTES", ">TO KERNEL", ">BYTES",
                 ">PAUSES", "DROPS"});
    for (const auto& queue : document.at("queues")) {
        std::string drops;
        for (const auto& [reason, count] : queue.at("drops").items())
            if (all || count != 0)
                drops += fmt::format("{}{} {}", drops.empty() ? "" : ", ", reason, count.dump());
        table.add({text_of(queue, "tun"), text_of(queue, "namespace"), text_of(queue, "queue"),
                   yes_no(queue, "offloads"), yes_no(queue, "udp_offloads"), text_of(queue, "rx_packets"),
                   bytes_of(queue, "rx_bytes"), text_of(queue, "tx_packets"), bytes_of(queue, "tx_bytes"),
                   text_of(queue, "pauses"), drops.empty() ? "-" : drops});
    }
    return sentence_if_empty(table, "There are no TUN devices.");
}

std::string balance_text(const Json& document, bool) {
    Table table({"TERM", ">PACKETS"});
    for (const auto& [term, packets] : document.items())
        table.add({term, packets.dump()});
    return table.text();
}

constexpr std::array all_shown{
    Shown{"peers", "/v1/peers", "peers, one a line", peers_text},
    Shown{"sessions", "/v1/sessions", "sessions of all peers", sessions_text},
    Shown{"ports", "/v1/ports", "ports of the outer network and their counters", ports_text},
    Shown{"workers", "/v1/workers", "workers, their crypto engine and their counters", workers_text},
    Shown{"routes", "/v1/routes", "where inner packets go", routes_text},
    Shown{"drops", "/v1/drops", "dropped packets by reason", drops_text},
    Shown{"bridge", "/v1/bridge", "queues of the TUN devices", bridge_text},
    Shown{"balance", "/v1/balance", "the packet account over all workers", balance_text},
};

std::string lanes_text(const Json& peer) {
    return peer.at("lanes") == peer.at("lanes_configured")
               ? text_of(peer, "lanes")
               : fmt::format("{} (of {} configured)", text_of(peer, "lanes"), text_of(peer, "lanes_configured"));
}

/// "198.51.100.2:4433 (tokyo.example.org:4433)"
std::string endpoint_text(const Json& peer) {
    const std::string seen = text_of(peer, "endpoint");
    const std::string configured = text_of(peer, "configured_endpoint");
    if (configured == "-" || configured == seen)
        return seen;
    return seen == "-" ? configured : fmt::format("{} ({})", seen, configured);
}

std::string peer_overview(const Json& peer) {
    std::string text = fmt::format("\npeer: {}\n", text_of(peer, "name"));
    const auto line = [&](std::string_view key, const std::string& value) {
        text += fmt::format("  {}: {}\n", key, value);
    };
    line("endpoint", endpoint_text(peer));
    line("state", fmt::format("{} since {}", text_of(peer, "state"), human_time(text_of(peer, "since"))));
    if (const auto& error = peer.at("last_error"); error != "")
        line("last error", text_of(error));
    if (const auto& next = peer.at("next_attempt_ms"); !next.is_null())
        line("next attempt", "in " + human_span(next.get<std::int64_t>()));
    if (!peer.at("last_record_ms").is_null())
        line("last record", ago(peer, "last_record_ms"));
    line("transfer", fmt::format("{} received, {} sent", bytes_of(peer, "rx_bytes"), bytes_of(peer, "tx_bytes")));
    line("lanes", lanes_text(peer));
    if (!peer.at("path_mtu").is_null())
        line("path mtu", text_of(peer, "path_mtu"));
    line("authentication", text_of(peer, "authentication"));
    line("prefixes", text_of(peer, "prefixes"));
    return text;
}

} // namespace

std::span<const Shown> shown() {
    return all_shown;
}

std::string show_overview(const Json& status, const Json& peers) {
    std::string text = fmt::format("gateway: {}\n", text_of(status, "name"));
    text += fmt::format("  version: {}, up {}\n", text_of(status, "version"),
                        human_span(status.at("uptime_ms").get<std::int64_t>()));
    if (status.at("pin") != "")
        text += fmt::format("  pin: {}\n", text_of(status, "pin"));
    if (const auto& expires = status.at("certificate_expires"); !expires.is_null())
        text += fmt::format("  certificate expires: {}\n", human_time(text_of(expires)));
    text += fmt::format("  listening: {}\n", text_of(status, "listeners"));
    text += fmt::format("  engine: {}\n", text_of(status, "engine"));
    for (const auto& peer : peers.at("peers"))
        text += peer_overview(peer);
    return text;
}

std::string show_event(const Json& event) {
    const std::string peer = text_of(event, "peer");
    return fmt::format("{}  {:<17} {}{}\n", human_time(text_of(event, "time")), text_of(event, "event"),
                       peer == "-" ? "" : peer + ": ", text_of(event, "text"));
}

} // namespace culvert::control
