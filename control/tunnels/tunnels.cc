#include <utility>

#include "control/tunnels/tunnels.h"

#include "control/tunnels/tunnels_core.h"

namespace culvert::control {

Tunnels::Tunnels(boost::asio::io_context& context, dataplane::Dataplane& dataplane, Paths& paths, Names& names,
                 LocalPorts& ports, TunnelsSettings settings)
    : core_(std::make_unique<Core>(context, dataplane, paths, names, ports, std::move(settings))) {}

Tunnels::~Tunnels() = default;

void Tunnels::on_event(std::function<void(const Event&)> told) {
    core_->on_event = std::move(told);
}

void Tunnels::on_routes(KernelRoutes routes) {
    core_->routes().set_kernel(std::move(routes));
}

std::expected<void, std::string> Tunnels::set_own_credentials(const OwnCredentials& own) {
    return core_->handshakes().set_own_credentials(own);
}

std::expected<void, std::string> Tunnels::add_peer(const PeerSection& section) {
    return core_->add(section);
}

std::expected<void, std::string> Tunnels::change_peer(const PeerSection& section) {
    return core_->change(section);
}

std::expected<void, std::string> Tunnels::remove_peer(std::string_view name) {
    return core_->remove(name);
}

std::expected<void, std::string> Tunnels::set_peers(const std::vector<PeerSection>& sections) {
    return core_->set(sections);
}

void Tunnels::shut_down(std::function<void()> done) {
    core_->shut_down(std::move(done));
}

std::vector<PeerStatus> Tunnels::status() const {
    return core_->status();
}

std::optional<PeerStatus> Tunnels::status(std::string_view name) const {
    return core_->status(name);
}

HandshakeFigures Tunnels::handshakes() const {
    return core_->handshakes().figures();
}

std::uint64_t Tunnels::frames_ignored() const {
    return core_->frames_ignored();
}

} // namespace culvert::control
