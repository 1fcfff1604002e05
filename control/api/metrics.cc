#include "control/api/metrics.h"

#include <chrono>
#include <fmt/format.h>
#include <iterator>
#include <string_view>
#include <utility>

namespace culvert::control {
namespace {

using Labels = std::vector<std::pair<std::string_view, std::string>>;

/// Writes the exposition format: HELP and TYPE once a name, then its samples.
class Exposition {
  public:
    void begin(std::string_view name, std::string_view type, std::string_view help) {
        name_ = name;
        fmt::format_to(std::back_inserter(text_), "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
    }

    template <typename Number>
    void sample(const Labels& labels, Number value) {
        text_ += name_;
        char separator = '{';
        for (const auto& [key, text] : labels) {
            fmt::format_to(std::back_inserter(text_), "{}{}=\"{}\"", separator, key, escaped(text));
            separator = ',';
        }
        fmt::format_to(std::back_inserter(text_), "{} {}\n", labels.empty() ? "" : "}", value);
    }

    std::string take() { return std::move(text_); }

  private:
    static std::string escaped(std::string_view text) {
        std::string result;
        for (const char c : text) {
            if (c == '\\' || c == '"')
                result += '\\';
            result += c == '\n' ? ' ' : c;
        }
        return result;
    }

    std::string text_;
    std::string_view name_;
};

/// A counter that every thing of a kind has.
template <typename Figures>
struct Counter {
    std::string_view name, help;
    std::uint64_t Figures::* value;
};

template <typename Figures, std::size_t Count, typename Things, typename FiguresOf, typename LabelsOf>
void write_counters(Exposition& out, const Counter<Figures> (&counters)[Count], const Things& things,
                    FiguresOf figures_of, LabelsOf labels_of) {
    for (const auto& counter : counters) {
        out.begin(counter.name, "counter", counter.help);
        for (const auto& thing : things)
            out.sample(labels_of(thing), figures_of(thing).*counter.value);
    }
}

std::int64_t unix_seconds(std::chrono::system_clock::time_point time) {
    return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

void write_gateway(Exposition& out, const GatewayStatus& status) {
    out.begin("culvert_info", "gauge", "The gateway and its version; always 1.");
    out.sample({{"name", status.name}, {"version", status.version}, {"instance", status.instance}}, 1);
    out.begin("culvert_start_time_seconds", "gauge", "When the gateway was started, in Unix time.");
    out.sample({}, unix_seconds(status.since));
    if (status.certificate_expires) {
        out.begin("culvert_certificate_expiry_seconds", "gauge",
                  "When the own certificate expires, in Unix time.");
        out.sample({}, unix_seconds(*status.certificate_expires));
    }
    const auto& handshakes = status.handshakes;
    out.begin("culvert_handshakes_total", "counter", "Handshakes by how they ended.");
    out.sample({{"end", "established"}}, handshakes.established);
    out.sample({{"end", "failed"}}, handshakes.failed);
    out.sample({{"end", "refused"}}, handshakes.refused);
    out.sample({{"end", "displaced"}}, handshakes.displaced);
    out.begin("culvert_handshakes_half_open", "gauge", "Handshakes under way as a responder.");
    out.sample({}, handshakes.half_open);
    out.begin("culvert_handshake_datagrams_total", "counter", "Handshake datagrams by what became of them.");
    out.sample({{"kind", "seen"}}, handshakes.datagrams);
    out.sample({{"kind", "cookie"}}, handshakes.cookies_sent);
    out.sample({{"kind", "dropped"}}, handshakes.dropped);
    out.sample({{"kind", "overflowed"}}, handshakes.overflowed);
    out.sample({{"kind", "flight_repeated"}}, handshakes.flights_repeated);
}

constexpr std::pair<std::string_view, std::uint64_t dataplane::PacketAccount::*> ways[] = {
    {"rx_port", &dataplane::PacketAccount::rx_port},         {"rx_bridge", &dataplane::PacketAccount::rx_bridge},
    {"rx_kernel", &dataplane::PacketAccount::rx_kernel},     {"generated", &dataplane::PacketAccount::generated},
    {"tx_port", &dataplane::PacketAccount::tx_port},         {"tx_bridge", &dataplane::PacketAccount::tx_bridge},
    {"tx_kernel", &dataplane::PacketAccount::tx_kernel},     {"consumed", &dataplane::PacketAccount::consumed},
    {"handed_over", &dataplane::PacketAccount::handed_over}, {"taken_over", &dataplane::PacketAccount::taken_over},
};

constexpr Counter<dataplane::WorkerFigures> worker_counters[] = {
    {"culvert_opened_total", "Records opened and verified.", &dataplane::WorkerFigures::opened},
    {"culvert_sealed_total", "Records sealed.", &dataplane::WorkerFigures::sealed},
    {"culvert_rounds_total", "Rounds of the worker's loop.", &dataplane::WorkerFigures::rounds},
    {"culvert_empty_rounds_total", "Rounds that found nothing to do.", &dataplane::WorkerFigures::empty_rounds},
    {"culvert_sleeps_total", "Times that the worker went to sleep.", &dataplane::WorkerFigures::sleeps},
};

void write_workers(Exposition& out, const std::vector<dataplane::WorkerFigures>& workers) {
    const auto id = [](const auto& worker) { return fmt::to_string(raw(worker.worker)); };
    out.begin("culvert_packets_total", "counter",
              "Packets by worker and way: what comes in goes out or is dropped.");
    for (const auto& worker : workers)
        for (const auto& [way, packets] : ways)
            out.sample({{"worker", id(worker)}, {"way", std::string(way)}}, worker.account.*packets);
    out.begin("culvert_drops_total", "counter", "Dropped packets by worker and reason.");
    for (const auto& worker : workers)
        for (std::size_t reason = 0; reason < dataplane::drop_reasons; ++reason)
            out.sample(
                {{"worker", id(worker)}, {"reason", std::string(dataplane::drop_reason_texts[reason].name)}},
                worker.account.drops[reason]);
    write_counters(
        out, worker_counters, workers, [](const auto& worker) -> const auto& { return worker; },
        [&](const auto& worker) { return Labels{{"worker", id(worker)}}; });
}

constexpr Counter<dataplane::PortFigures> port_counters[] = {
    {"culvert_port_rx_packets_total", "Packets received.", &dataplane::PortFigures::rx_packets},
    {"culvert_port_rx_bytes_total", "Bytes received.", &dataplane::PortFigures::rx_bytes},
    {"culvert_port_tx_packets_total", "Packets sent.", &dataplane::PortFigures::tx_packets},
    {"culvert_port_tx_bytes_total", "Bytes sent.", &dataplane::PortFigures::tx_bytes},
    {"culvert_port_rx_missed_total", "Packets that the port had no room for.", &dataplane::PortFigures::rx_missed},
    {"culvert_port_rx_errors_total", "Packets received broken.", &dataplane::PortFigures::rx_errors},
    {"culvert_port_tx_errors_total", "Packets that could not be sent.", &dataplane::PortFigures::tx_errors},
};

constexpr Counter<dataplane::PeerFigures> peer_counters[] = {
    {"culvert_peer_rx_packets_total", "Inner packets received.", &dataplane::PeerFigures::rx_packets},
    {"culvert_peer_rx_bytes_total", "Inner bytes received.", &dataplane::PeerFigures::rx_bytes},
    {"culvert_peer_tx_packets_total", "Inner packets sent.", &dataplane::PeerFigures::tx_packets},
    {"culvert_peer_tx_bytes_total", "Inner bytes sent.", &dataplane::PeerFigures::tx_bytes},
};

void write_peers(Exposition& out, const std::vector<PeerStatus>& peers) {
    out.begin("culvert_peer_up", "gauge", "1 while at least one lane carries traffic.");
    for (const auto& peer : peers)
        out.sample({{"peer", peer.name}}, peer.state == TunnelState::up ? 1 : 0);
    out.begin("culvert_peer_sessions", "gauge", "Sessions of the peer, draining ones as well.");
    for (const auto& peer : peers)
        out.sample({{"peer", peer.name}}, peer.sessions.size());
    write_counters(
        out, peer_counters, peers, [](const PeerStatus& peer) -> const auto& { return peer.figures; },
        [](const PeerStatus& peer) { return Labels{{"peer", peer.name}}; });
}

constexpr Counter<BridgeStatus> bridge_counters[] = {
    {"culvert_tun_rx_packets_total", "Packets from the kernel, after segmentation.", &BridgeStatus::rx_packets},
    {"culvert_tun_rx_bytes_total", "Bytes from the kernel.", &BridgeStatus::rx_bytes},
    {"culvert_tun_tx_packets_total", "Packets to the kernel, before coalescing.", &BridgeStatus::tx_packets},
    {"culvert_tun_tx_bytes_total", "Bytes to the kernel.", &BridgeStatus::tx_bytes},
    {"culvert_tun_reads_total", "System calls that read something.", &BridgeStatus::reads},
    {"culvert_tun_writes_total", "System calls that wrote something.", &BridgeStatus::writes},
    {"culvert_tun_pauses_total", "Times that reading stopped for a full ring.", &BridgeStatus::pauses},
};

void write_bridge(Exposition& out, const std::vector<BridgeStatus>& queues) {
    const auto labels = [](const BridgeStatus& queue) {
        return Labels{{"tun", queue.tun}, {"queue", fmt::to_string(queue.queue)}};
    };
    write_counters(out, bridge_counters, queues, [](const auto& queue) -> const auto& { return queue; }, labels);
    out.begin("culvert_tun_drops_total", "counter", "Packets that the bridge dropped, by reason.");
    for (const auto& queue : queues) {
        for (const auto& [reason, packets] : queue.drops) {
            Labels all = labels(queue);
            all.emplace_back("reason", reason);
            out.sample(all, packets);
        }
    }
}

} // namespace

std::string metrics_text(const Gateway& gateway) {
    Exposition out;
    write_gateway(out, gateway.status());
    write_workers(out, gateway.workers());
    write_counters(
        out, port_counters, gateway.ports(), [](const auto& port) -> const auto& { return port; },
        [](const auto& port) { return Labels{{"port", port.name}}; });
    write_peers(out, gateway.peers());
    write_bridge(out, gateway.bridge());
    return out.take();
}

} // namespace culvert::control
