#include "control/daemon/daemon.h"
#include "control/daemon/version.h"

#include <algorithm>

/// What the API shows of a running gateway.
namespace culvert::control {

GatewayStatus Daemon::status() const {
    GatewayStatus status;
    status.name = configuration_.gateway.name;
    status.version = version;
    status.configuration_file = file_.string();
    if (certificate_) {
        status.pin = pin_text(certificate_->pin);
        status.certificate_expires = certificate_->not_after;
    }
    status.since = since_;
    status.uptime =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started_);
    status.engine = dataplane_->workers().front().engine;
    status.listeners = listeners_->texts();
    const auto all = tunnels_->status();
    status.peers = all.size();
    for (const PeerStatus& peer : all) {
        status.peers_up += peer.state == TunnelState::up ? 1 : 0;
        status.sessions += peer.sessions.size();
    }
    status.handshakes = tunnels_->handshakes();
    return status;
}

std::vector<PeerStatus> Daemon::peers() const {
    return tunnels_->status();
}
std::vector<dataplane::PortFigures> Daemon::ports() const {
    return dataplane_->ports();
}
std::vector<dataplane::WorkerFigures> Daemon::workers() const {
    return dataplane_->workers();
}

std::vector<RouteStatus> Daemon::routes() const {
    std::vector<RouteStatus> all;
    for (const PeerSection& peer : configuration_.peers)
        for (const dataplane::Prefix& prefix : peer.prefixes)
            all.push_back(
                {prefix, RouteStatus::Kind::peer, peer.name,
                 peer.tun.empty() && !configuration_.tuns.empty() ? configuration_.tuns.front().name : peer.tun});
    for (const TunSection& tun : configuration_.tuns)
        for (const dataplane::Prefix& address : tun.addresses)
            all.push_back({address.network(), RouteStatus::Kind::tun, tun.name, tun.name});
    std::ranges::sort(all, {},
                      [](const RouteStatus& route) { return std::pair(!route.prefix.is_v4(), route.prefix); });
    return all;
}

std::vector<BridgeStatus> Daemon::bridge() const {
    std::vector<BridgeStatus> all;
    for (const tun_bridge::QueueFigures& queue : instances_->figures()) {
        const TunSection& section = instances_->sections()[raw(queue.instance)];
        BridgeStatus status;
        status.tun = section.name;
        status.network_namespace = section.network_namespace;
        status.queue = queue.queue;
        status.offloads = instances_->offloads(queue.instance).tcp;
        status.udp_offloads = instances_->offloads(queue.instance).udp;
        status.reads = queue.reads;
        status.writes = queue.writes;
        status.rx_packets = queue.from_tun;
        status.rx_bytes = queue.from_tun_bytes;
        status.tx_packets = queue.to_tun;
        status.tx_bytes = queue.to_tun_bytes;
        status.pauses = queue.stalls;
        for (std::size_t i = 0; i < tun_bridge::bridge_drops; ++i)
            status.drops.emplace_back(tun_bridge::bridge_drop_texts[i].name, queue.drops[i]);
        all.push_back(std::move(status));
    }
    return all;
}

} // namespace culvert::control
