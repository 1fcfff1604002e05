#include "control/api/json.h"

#include "control/api/packet_sums.h"

#include <ctime>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <numeric>

namespace culvert::control {
namespace {

template <typename Value, typename Write>
Json optional_json(const std::optional<Value>& value, Write write) {
    return value ? Json(write(*value)) : Json(nullptr);
}

std::string link_address_text(const std::array<std::uint8_t, 6>& address) {
    std::string text;
    for (const unsigned byte : address)
        text += fmt::format("{}{:02x}", text.empty() ? "" : ":", byte);
    return text;
}

template <typename Things>
Json texts_json(const Things& things) {
    Json list = Json::array();
    for (const auto& thing : things)
        list.push_back(thing.text());
    return list;
}

/// A peer that has just lost its last session shows no last record.
Json last_record_json(const PeerStatus& peer) {
    std::optional<std::chrono::milliseconds> youngest;
    for (const auto& session : peer.sessions)
        if (!youngest || session.since_rx < *youngest)
            youngest = session.since_rx;
    return optional_json(youngest, [](auto span) { return span.count(); });
}

Json path_mtu_json(const PeerStatus& peer) {
    std::optional<std::uint16_t> smallest;
    for (const auto& session : peer.sessions)
        if (session.phase == SessionPhase::active && (!smallest || session.path_mtu < *smallest))
            smallest = session.path_mtu;
    return optional_json(smallest, [](auto bytes) { return bytes; });
}

Json account_json(const dataplane::PacketAccount& account) {
    return {{"rx_port", account.rx_port},         {"rx_bridge", account.rx_bridge},
            {"rx_kernel", account.rx_kernel},     {"generated", account.generated},
            {"tx_port", account.tx_port},         {"tx_bridge", account.tx_bridge},
            {"tx_kernel", account.tx_kernel},     {"consumed", account.consumed},
            {"handed_over", account.handed_over}, {"taken_over", account.taken_over}};
}

std::uint64_t drop_sum(const dataplane::PacketAccount& account) {
    return std::accumulate(account.drops.begin(), account.drops.end(), std::uint64_t{0});
}

} // namespace

std::string iso_time(std::chrono::system_clock::time_point time) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    std::array<char, 32> text{};
    const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
    return {text.data(), length};
}

std::string line_of(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

Json error_json(std::string_view sentence) {
    return {{"error", sentence}};
}

Json json_of(const GatewayStatus& status) {
    const auto& handshakes = status.handshakes;
    return {{"name", status.name},
            {"version", status.version},
            {"configuration", status.configuration_file},
            {"instance", status.instance},
            {"pin", status.pin},
            {"certificate_expires", optional_json(status.certificate_expires, iso_time)},
            {"since", iso_time(status.since)},
            {"uptime_ms", status.uptime.count()},
            {"engine", status.engine},
            {"listeners", status.listeners},
            {"peers", status.peers},
            {"peers_up", status.peers_up},
            {"sessions", status.sessions},
            {"handshakes",
             {{"datagrams", handshakes.datagrams},
              {"cookies_sent", handshakes.cookies_sent},
              {"dropped", handshakes.dropped},
              {"overflowed", handshakes.overflowed},
              {"established", handshakes.established},
              {"failed", handshakes.failed},
              {"refused", handshakes.refused},
              {"displaced", handshakes.displaced},
              {"flights_repeated", handshakes.flights_repeated},
              {"half_open", handshakes.half_open},
              {"attempts", handshakes.attempts}}}};
}

Json json_of(const SessionStatus& session) {
    return {{"index", raw(session.index)},
            {"remote_index", session.remote_index},
            {"lane", session.lane},
            {"generation", session.generation},
            {"initiator", session.initiator},
            {"stranger", session.stranger},
            {"phase", name(session.phase)},
            {"port", raw(session.port)},
            {"worker", raw(session.worker)},
            {"local", session.local.text()},
            {"remote", session.remote.text()},
            {"cipher", session.cipher},
            {"since", iso_time(session.since)},
            {"age_ms", session.age.count()},
            {"since_rx_ms", session.since_rx.count()},
            {"since_tx_ms", session.since_tx.count()},
            {"rx_packets", session.rx_packets},
            {"rx_bytes", session.rx_bytes},
            {"tx_packets", session.tx_packets},
            {"tx_bytes", session.tx_bytes},
            {"path_mtu", session.path_mtu},
            {"path_mtu_verified", session.path_mtu_verified}};
}

Json json_of(const PeerStatus& peer) {
    Json sessions = Json::array();
    for (const auto& session : peer.sessions)
        sessions.push_back(json_of(session));
    const auto text = [](const auto& endpoint) { return endpoint.text(); };
    return {{"name", peer.name},
            {"id", raw(peer.id)},
            {"state", name(peer.state)},
            {"since", iso_time(peer.since)},
            {"endpoint", optional_json(peer.endpoint, text)},
            {"configured_endpoint", optional_json(peer.configured_endpoint, text)},
            {"authentication", peer.authentication},
            {"prefixes", texts_json(peer.prefixes)},
            {"tun", peer.tun},
            {"lanes", peer.lanes},
            {"lanes_configured", peer.lanes_configured},
            {"last_record_ms", last_record_json(peer)},
            {"path_mtu", path_mtu_json(peer)},
            {"rx_packets", peer.figures.rx_packets},
            {"rx_bytes", peer.figures.rx_bytes},
            {"tx_packets", peer.figures.tx_packets},
            {"tx_bytes", peer.figures.tx_bytes},
            {"last_error", peer.last_error},
            {"next_attempt_ms", optional_json(peer.next_attempt, [](auto span) { return span.count(); })},
            {"sessions", std::move(sessions)}};
}

Json json_of(const dataplane::PortFigures& port) {
    return {{"port", raw(port.port)},
            {"name", port.name},
            {"device", port.device},
            {"driver", port.driver},
            {"link_address", link_address_text(port.link_address)},
            {"addresses", texts_json(port.addresses)},
            {"mtu", port.mtu},
            {"vlan", port.vlan},
            {"queues", port.queues},
            {"shared_with_kernel", port.shared_with_kernel},
            {"kernel_interface", port.kernel_interface},
            {"rx_packets", port.rx_packets},
            {"rx_bytes", port.rx_bytes},
            {"tx_packets", port.tx_packets},
            {"tx_bytes", port.tx_bytes},
            {"rx_missed", port.rx_missed},
            {"rx_errors", port.rx_errors},
            {"tx_errors", port.tx_errors}};
}

Json json_of(const dataplane::WorkerFigures& worker) {
    Json drops = Json::object();
    for (std::size_t reason = 0; reason < dataplane::drop_reasons; ++reason)
        drops[std::string(dataplane::drop_reason_texts[reason].name)] = worker.account.drops[reason];
    return {{"worker", raw(worker.worker)}, {"core", worker.core},
            {"engine", worker.engine},      {"idle", worker.idle},
            {"opened", worker.opened},      {"sealed", worker.sealed},
            {"rounds", worker.rounds},      {"empty_rounds", worker.empty_rounds},
            {"sleeps", worker.sleeps},      {"account", account_json(worker.account)},
            {"drops", std::move(drops)}};
}

Json json_of(const RouteStatus& route) {
    return {{"prefix", route.prefix.text()},
            {"kind", route.kind == RouteStatus::Kind::peer ? "peer" : "tun"},
            {"destination", route.destination},
            {"tun", route.tun}};
}

Json json_of(const BridgeStatus& queue) {
    Json drops = Json::object();
    for (const auto& [reason, count] : queue.drops)
        drops[reason] = count;
    return {{"tun", queue.tun},
            {"namespace", queue.network_namespace},
            {"queue", queue.queue},
            {"offloads", queue.offloads},
            {"udp_offloads", queue.udp_offloads},
            {"reads", queue.reads},
            {"writes", queue.writes},
            {"rx_packets", queue.rx_packets},
            {"rx_bytes", queue.rx_bytes},
            {"tx_packets", queue.tx_packets},
            {"tx_bytes", queue.tx_bytes},
            {"pauses", queue.pauses},
            {"drops", std::move(drops)}};
}

Json json_of(const Event& event) {
    return {
        {"time", iso_time(event.time)}, {"event", name(event.kind)}, {"peer", event.peer}, {"text", event.text}};
}

Json lost_events_json(std::uint64_t count) {
    return {{"time", iso_time(std::chrono::system_clock::now())},
            {"event", "events_lost"},
            {"peer", ""},
            {"text", fmt::format("{} events were lost because they were not read in time", count)}};
}

Json drops_json(std::span<const dataplane::WorkerFigures> workers) {
    const auto sum = sum_of(workers);
    Json list = Json::array();
    for (std::size_t reason = 0; reason < dataplane::drop_reasons; ++reason)
        list.push_back({{"reason", dataplane::drop_reason_texts[reason].name},
                        {"packets", sum.drops[reason]},
                        {"text", dataplane::drop_reason_texts[reason].text}});
    return list;
}

Json balance_json(std::span<const dataplane::WorkerFigures> workers) {
    const auto sum = sum_of(workers);
    const auto in_flight = static_cast<std::int64_t>(sum.handed_over - sum.taken_over);
    const std::uint64_t in = sum.rx_port + sum.rx_bridge + sum.rx_kernel + sum.generated;
    const std::uint64_t out = sum.tx_port + sum.tx_bridge + sum.tx_kernel + sum.consumed + drop_sum(sum);
    Json balance = account_json(sum);
    balance["drops"] = drop_sum(sum);
    balance["in_flight"] = in_flight;
    balance["difference"] = static_cast<std::int64_t>(in - out) - in_flight;
    return balance;
}

} // namespace culvert::control
