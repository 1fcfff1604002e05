#include "control/tunnels/attempt.h"

#include "control/tunnels/tunnel.h"

namespace culvert::control {

Attempt::Attempt(TunnelContext& context, Tunnel& tunnel, PeerHandle peer, const dataplane::Endpoint& remote,
                 std::uint32_t generation, TimePoint now)
    : context_(context), tunnel_(tunnel), peer_(peer), id_(AttemptId{++context.last_attempt}), remote_(remote),
      generation_(generation), deadline_(now + context.timing().attempt),
      way_(context.paths.open(remote.address)) {
    context_.attempts[id_] = &tunnel_;
    way_->add(*this);
    if (way_->path())
        begin();
    else if (!way_->error().empty())
        fail(way_->error());
}

Attempt::~Attempt() {
    context_.attempts.erase(id_);
    if (port_ != nullptr)
        context_.handshakes.cancel(id_, remote_);
}

void Attempt::path_changed(const RemotePath& path, const std::optional<Path>&) {
    if (port_ != nullptr || !failure_.empty())
        return; // under way: the handshake repeats what gets lost meanwhile
    if (path.path())
        begin();
    else
        fail(path.error());
}

void Attempt::begin() {
    auto port = LocalPort::open(context_.local_ports, context_.dataplane, context_.settings.format);
    if (!port) {
        fail(port.error());
        return;
    }
    port_ = std::move(*port);
    const Path& path = *way_->path();
    context_.handshakes.initiate(id_, peer_, path.port, {path.source, port_->number()}, remote_);
}

void Attempt::fail(std::string reason) {
    failure_ = std::move(reason);
    context_.wheel.schedule(tunnel_, TimePoint{});
}

std::string Attempt::failure(TimePoint now) const {
    if (!failure_.empty() || now < deadline_)
        return failure_;
    if (!way_->path())
        return "no way to it was found in time";
    if (!way_->path()->link_address)
        return "the next hop towards it does not answer";
    return "no answer";
}

std::shared_ptr<LocalPort> Attempt::taken() {
    return std::exchange(port_, nullptr);
}

} // namespace culvert::control
