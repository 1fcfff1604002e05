#include "dataplane/dpdk_dataplane.h"

#include "dataplane/checksum.h"
#include "dataplane/headers.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <rte_cycles.h>
#include <rte_mbuf.h>

namespace culvert::dataplane {
namespace {

std::chrono::nanoseconds since(std::uint64_t stamp, std::uint64_t now) {
    if (stamp == 0 || now <= stamp)
        return std::chrono::nanoseconds{0};
    const double seconds = static_cast<double>(now - stamp) / static_cast<double>(rte_get_tsc_hz());
    return std::chrono::nanoseconds{static_cast<std::int64_t>(seconds * 1e9)};
}

void configure(Peer& peer, const PeerSettings& settings) {
    peer.lanes.store(std::clamp<std::uint16_t>(settings.lanes, 1, max_lanes), std::memory_order_relaxed);
    peer.instance.store(raw(settings.instance), std::memory_order_relaxed);
    peer.fixed_dscp.store(settings.fixed_dscp ? static_cast<std::int16_t>(*settings.fixed_dscp) : std::int16_t{-1},
                          std::memory_order_relaxed);
}

} // namespace

void DpdkDataplane::listen(std::uint16_t udp_port, FormatId format) {
    tables_->listeners.set(udp_port, raw(format));
}

void DpdkDataplane::unlisten(std::uint16_t udp_port) {
    tables_->listeners.set(udp_port, ListenerTable::none);
}

std::optional<FormatId> Dataplane::format_by_name(std::string_view name) {
    for (std::size_t i = 0; i < wire_formats.size(); ++i)
        if (wire_formats[i]->name == name)
            return FormatId{static_cast<std::uint8_t>(i)};
    return std::nullopt;
}

std::vector<PortFigures> DpdkDataplane::ports() const {
    std::vector<PortFigures> all;
    for (const auto& port : ports_) {
        all.push_back(port->figures());
        all.back().addresses = addresses_[port->ordinal()];
    }
    return all;
}

void DpdkDataplane::set_port_addresses(PortId port, std::span<const IpAddress> addresses) {
    addresses_[raw(port)].assign(addresses.begin(), addresses.end());
    tables_->port_addresses[raw(port)].replace(
        std::make_unique<const std::vector<IpAddress>>(addresses_[raw(port)]), tables_->reclaimer);
}

NextHop DpdkDataplane::next_hop(PortId port,
                                const std::optional<std::array<std::uint8_t, 6>>& link_address) const {
    NextHop hop;
    hop.port = port;
    hop.known = link_address.has_value();
    if (!hop.known)
        return hop;
    const Port& through = *ports_[raw(port)];
    EthernetHeader ethernet{*link_address, through.link_address(), ether_type::ipv4};
    if (through.settings().vlan != 0)
        ethernet.type = ether_type::vlan;
    std::memcpy(hop.bytes.data(), &ethernet, sizeof ethernet);
    if (through.settings().vlan != 0) {
        const VlanHeader tag{through.settings().vlan, ether_type::ipv4};
        std::memcpy(hop.bytes.data() + sizeof ethernet, &tag, sizeof tag);
        hop.length = sizeof ethernet + sizeof tag;
    }
    return hop;
}

void DpdkDataplane::publish(NextHopId hop, const NextHop& value) {
    tables_->next_hops[raw(hop)].replace(std::make_unique<const NextHop>(value), tables_->reclaimer);
}

NextHopId DpdkDataplane::add_next_hop(PortId port, std::optional<std::array<std::uint8_t, 6>> link_address) {
    NextHop hop = next_hop(port, link_address);
    const std::lock_guard lock(hops_mutex_);
    for (std::size_t i = 0; i < hops_.size(); ++i)
        if (hops_[i].known == hop.known && hops_[i].port == hop.port && hops_[i].bytes == hop.bytes)
            return NextHopId{static_cast<std::uint16_t>(i)};
    if (hops_.size() == max_next_hops) // more neighbours than any segment holds: this one stays unknown
        return NextHopId{max_next_hops - 1};
    if (hops_.size() == max_next_hops - 1)
        hop = next_hop(port, std::nullopt);
    hops_.push_back(hop);
    const NextHopId id{static_cast<std::uint16_t>(hops_.size() - 1)};
    publish(id, hop);
    return id;
}

void DpdkDataplane::change_next_hop(NextHopId id, std::optional<std::array<std::uint8_t, 6>> link_address) {
    const std::lock_guard lock(hops_mutex_);
    NextHop& hop = hops_[raw(id)];
    hop = next_hop(hop.port, link_address);
    publish(id, hop);
}

PeerId DpdkDataplane::add_peer(const PeerSettings& settings) {
    tables_->reclaimer.poll();
    std::uint32_t id = peers_used_;
    if (id < tables_->max_peers) {
        ++peers_used_;
    } else if (!free_peers_.empty()) {
        id = free_peers_.front();
        free_peers_.pop_front();
    } else {
        throw std::runtime_error("all peers that dataplane.max_sessions allows are there; raise it");
    }
    auto peer = std::make_unique<Peer>(PeerId{id}, workers_.size());
    configure(*peer, settings);
    tables_->peers[id].store(peer.release(), std::memory_order_release);
    return PeerId{id};
}

void DpdkDataplane::change_peer(PeerId id, const PeerSettings& settings) {
    if (Peer* peer = tables_->peer(id))
        configure(*peer, settings);
}

void DpdkDataplane::remove_peer(PeerId id) {
    Peer* peer = tables_->peer(id);
    if (peer == nullptr)
        return;
    tables_->peers[raw(id)].store(nullptr, std::memory_order_release);
    tables_->reclaimer.defer([this, peer, id] {
        delete peer;
        free_peers_.push_back(raw(id));
    });
}

std::optional<PeerFigures> DpdkDataplane::peer(PeerId id) const {
    const Peer* peer = tables_->peer(id);
    if (peer == nullptr)
        return std::nullopt;
    PeerFigures figures;
    for (std::size_t i = 0; i < workers_.size(); ++i) {
        figures.rx_packets += peer->counters[i].rx_packets.get();
        figures.rx_bytes += peer->counters[i].rx_bytes.get();
        figures.tx_packets += peer->counters[i].tx_packets.get();
        figures.tx_bytes += peer->counters[i].tx_bytes.get();
    }
    return figures;
}

void DpdkDataplane::add_route(const Prefix& prefix, Destination destination) {
    tables_->routes.insert(prefix, destination.raw_value());
}
void DpdkDataplane::remove_route(const Prefix& prefix) {
    tables_->routes.remove(prefix);
}
void DpdkDataplane::add_source(const Prefix& prefix, PeerId peer) {
    tables_->sources.insert(prefix, Destination(peer).raw_value());
}
void DpdkDataplane::remove_source(const Prefix& prefix) {
    tables_->sources.remove(prefix);
}

void DpdkDataplane::set_instance_address(InstanceId instance, const IpAddress& address) {
    auto& published = tables_->instance_addresses[raw(instance)];
    InstanceAddresses addresses = published.get() != nullptr ? *published.get() : InstanceAddresses{};
    IpAddress& own = address.is_v4() ? addresses.v4 : addresses.v6;
    const auto host = [](const IpAddress& of) {
        return Prefix{of, static_cast<std::uint8_t>(of.is_v4() ? 32 : 128)};
    };
    if (!own.is_unspecified())
        tables_->sources.remove(host(own));
    own = address;
    // Nobody may send with our own address, whatever prefix it lies in.
    tables_->sources.insert(host(own), Destination(instance).raw_value());
    published.replace(std::make_unique<const InstanceAddresses>(addresses), tables_->reclaimer);
}

std::expected<SessionIndex, std::string> DpdkDataplane::reserve_session() {
    tables_->reclaimer.poll();
    return tables_->sessions.reserve();
}

void DpdkDataplane::release_session(SessionIndex reserved) {
    tables_->sessions.release(reserved);
}

void DpdkDataplane::install(SessionState state) {
    Peer* peer = tables_->peer(state.peer);
    if (peer == nullptr)
        return tables_->sessions.release(state.index);
    auto session = std::make_unique<Session>(state, peer, workers_[raw(state.owner)]->engine());
    session->path_mtu.store(ports_[raw(state.port)]->settings().mtu, std::memory_order_relaxed);
    tables_->sessions.insert(std::move(session), state.remote);
}

void DpdkDataplane::activate(SessionIndex index, std::uint8_t lane) {
    Session* session = tables_->sessions.find(index);
    if (session == nullptr || lane >= max_lanes)
        return;
    session->peer->forget(session);
    session->peer->lane[lane].store(session, std::memory_order_release);
}

void DpdkDataplane::set_remote_index(SessionIndex index, std::uint32_t remote_index) {
    if (Session* session = tables_->sessions.find(index))
        session->remote_index.store(remote_index & ((1U << session_index_bits) - 1), std::memory_order_relaxed);
}

void DpdkDataplane::set_path_mtu(SessionIndex index, std::uint16_t outer_bytes) {
    constexpr std::uint16_t smallest = 256; // whatever was asked for, there stays room for headers
    if (Session* session = tables_->sessions.find(index))
        session->path_mtu.store(std::clamp(outer_bytes, smallest, ports_[raw(session->port)]->settings().mtu),
                                std::memory_order_relaxed);
}

void DpdkDataplane::set_next_hop(SessionIndex index, NextHopId hop) {
    if (Session* session = tables_->sessions.find(index))
        session->next_hop.store(raw(hop), std::memory_order_relaxed);
}

void DpdkDataplane::retire(SessionIndex index) {
    Session* session = tables_->sessions.find(index);
    if (session == nullptr)
        return;
    session->peer->forget(session);
    tables_->sessions.remove(index);
    tables_->reclaimer.poll();
}

std::optional<SessionFigures> DpdkDataplane::session(SessionIndex index) const {
    const Session* session = tables_->sessions.find(index);
    if (session == nullptr)
        return std::nullopt;
    const std::uint64_t now = rte_rdtsc();
    const Session::Figures& counted = session->figures;
    SessionFigures figures;
    figures.since_rx = since(counted.last_rx.get(), now);
    figures.since_tx = since(counted.last_tx.get(), now);
    figures.unanswered = since(counted.unanswered_since.get(), now);
    figures.rx_packets = counted.rx_packets.get();
    figures.rx_bytes = counted.rx_bytes.get();
    figures.tx_packets = counted.tx_packets.get();
    figures.tx_bytes = counted.tx_bytes.get();
    figures.rx_records = counted.rx_records.get();
    figures.tx_records = counted.tx_records.get();
    figures.remote = tables_->sessions.remote(index);
    return figures;
}

std::vector<WorkerFigures> DpdkDataplane::workers() const {
    std::vector<WorkerFigures> all;
    for (const auto& worker : workers_) {
        all.push_back(worker->figures());
        all.back().engine = engine_text_;
        all.back().idle = idle_text_;
    }
    return all;
}

} // namespace culvert::dataplane
