#include <utility>

#include "control/tunnels/tunnels_core.h"

#include "control/configuration/credentials.h"

#include <algorithm>
#include <boost/asio/post.hpp>

namespace culvert::control {

namespace {
constexpr std::size_t wheel_slots = 512; ///< at 250 ms two minutes a turn
}

Tunnels::Core::Core(boost::asio::io_context& io, dataplane::Dataplane& dataplane, Paths& paths, Names& names,
                    LocalPorts& ports, TunnelsSettings settings)
    : io_(io), dataplane_(dataplane), settings_(std::move(settings)), routes_(dataplane), paths_(dataplane, paths),
      wheel_(settings_.timing.scan, wheel_slots, TunnelContext::now()),
      handshakes_(dataplane, outputs(), settings_.handshakes, settings_.handshake_threads),
      context_{.dataplane = dataplane,
               .names = names,
               .local_ports = ports,
               .settings = settings_,
               .handshakes = handshakes_,
               .paths = paths_,
               .routes = routes_,
               .wheel = wheel_,
               .tell = [this](Event::Kind kind, const std::string& peer,
                              std::string text) { tell(kind, peer, std::move(text)); }},
      timer_(io), notices_(io, dataplane, [this](const dataplane::Notice& each) { notice(each); }) {
    tick();
}

Tunnels::Core::~Core() {
    handshakes_.stop();
    on_event = nullptr;
    tunnels_.clear();
    leaving_.clear();
}

// --- from the handshake threads

/// What the handshake threads say is carried over to the control thread; once the core is gone, nowhere.
HandshakeOutputs Tunnels::Core::outputs() {
    const auto carry = [&io = io_, alive = std::weak_ptr(alive_)](auto what) {
        boost::asio::post(io, [alive, what = std::move(what)]() mutable {
            if (const Alive core = alive.lock())
                what(**core);
        });
    };
    HandshakeOutputs outputs;
    outputs.send = [carry, in_post = in_post_](const dataplane::Datagram& datagram) {
        if (in_post->fetch_add(1) >= most_in_post) {
            in_post->fetch_sub(1);
            return;
        }
        carry([in_post, datagram,
               bytes = std::vector(datagram.payload.begin(), datagram.payload.end())](Core& core) {
            in_post->fetch_sub(1);
            core.send(datagram, bytes);
        });
    };
    outputs.established = [carry](Established made) {
        carry([made = std::move(made)](Core& core) { core.established(made); });
    };
    outputs.failed = [carry](AttemptId attempt, std::string reason) {
        carry([attempt, reason = std::move(reason)](Core& core) { core.attempt_failed(attempt, reason); });
    };
    outputs.refused = [carry](const dataplane::Endpoint& remote, std::string reason) {
        carry([remote, reason = std::move(reason)](Core& core) {
            core.tell(Event::Kind::handshake_refused, "", remote.text() + ": " + reason);
        });
    };
    return outputs;
}

void Tunnels::Core::send(const dataplane::Datagram& datagram, std::span<const std::uint8_t> payload) {
    dataplane::Datagram whole = datagram;
    whole.payload = payload;
    paths_.transmit(whole);
}

void Tunnels::Core::established(const Established& made) {
    if (made.initiator) {
        if (const auto attempt = context_.attempts.find(made.attempt); attempt != context_.attempts.end())
            attempt->second->established(made);
    } else if (const auto peer = by_handle_.find(made.peer); peer != by_handle_.end()) {
        peer->second->established(made);
    }
}

void Tunnels::Core::attempt_failed(AttemptId attempt, std::string reason) {
    if (const auto found = context_.attempts.find(attempt); found != context_.attempts.end())
        found->second->attempt_failed(attempt, std::move(reason));
}

// --- from the workers, and from the clock

void Tunnels::Core::notice(const dataplane::Notice& notice) {
    using Kind = dataplane::Notice::Kind;
    if (notice.kind == Kind::handshake) {
        handshakes_.deliver({.port = notice.port,
                             .worker = notice.worker,
                             .local = notice.local,
                             .remote = notice.remote,
                             .payload = notice.bytes});
    } else if (notice.kind == Kind::path_mtu_hint) {
        if (const auto path = paths_.find(notice.remote.address))
            path->each([&](PathUser& user) { user.path_mtu_hint(notice.value); });
    } else if (const auto session = context_.sessions.find(notice.session); session != context_.sessions.end()) {
        session->second->owner().session_notice(*session->second, notice);
    }
}

void Tunnels::Core::tick() {
    wheel_.advance(TunnelContext::now());
    std::erase_if(leaving_, [](const auto& tunnel) { return tunnel->left(); });
    timer_.expires_after(settings_.timing.scan);
    // A handler that is queued already runs even after the timer's end.
    timer_.async_wait([alive = std::weak_ptr(alive_)](const boost::system::error_code& error) {
        if (const Alive core = alive.lock(); core != nullptr && !error)
            (*core)->tick();
    });
}

void Tunnels::Core::tell(Event::Kind kind, const std::string& peer, std::string text) const {
    if (on_event)
        on_event({.kind = kind, .time = std::chrono::system_clock::now(), .peer = peer, .text = std::move(text)});
}

// --- the list of peers

Tunnel* Tunnels::Core::find(std::string_view name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
}

std::expected<PeerCredentials, std::string> Tunnels::Core::credentials_of(const PeerSection& section) {
    PeerCredentials credentials;
    credentials.name = section.name;
    for (const std::string& text : section.pins) {
        const auto pin = parse_pin(text);
        if (!pin)
            return std::unexpected(pin.error().text());
        credentials.pins.push_back(*pin);
    }
    if (!section.psk_file.empty()) {
        auto psk = read_psk_file(section.psk_file);
        if (!psk)
            return std::unexpected(psk.error().text());
        credentials.psk = *psk;
    }
    return credentials;
}

std::expected<void, std::string> Tunnels::Core::check(const PeerSection& section) const {
    if (shut_down_)
        return std::unexpected("the gateway is shutting down");
    if (section.lanes < 1 || section.lanes > max_lanes)
        return std::unexpected("a peer has 1 to 64 lanes");
    if (!section.tun.empty() && std::ranges::find(settings_.tuns, section.tun) == settings_.tuns.end())
        return std::unexpected("there is no [[tun]] named \"" + section.tun + "\"");
    return {};
}

void Tunnels::Core::insert(const PeerSection& section, PeerCredentials credentials) {
    credentials.peer = PeerHandle{++last_handle_};
    Tunnel& tunnel = *tunnels_.emplace_back(std::make_unique<Tunnel>(context_, section, std::move(credentials)));
    by_name_[section.name] = &tunnel;
    by_handle_[tunnel.handle()] = &tunnel;
}

std::expected<void, std::string> Tunnels::Core::add(const PeerSection& section) {
    if (auto good = check(section); !good)
        return good;
    if (find(section.name) != nullptr)
        return std::unexpected("there is a peer \"" + section.name + "\" already");
    if (auto conflict = routes_.conflict(section.prefixes, section.name))
        return std::unexpected(*conflict);
    auto credentials = credentials_of(section);
    if (!credentials)
        return std::unexpected(credentials.error());
    insert(section, std::move(*credentials));
    return {};
}

std::expected<void, std::string> Tunnels::Core::change(const PeerSection& section) {
    if (auto good = check(section); !good)
        return good;
    Tunnel* tunnel = find(section.name);
    if (tunnel == nullptr)
        return std::unexpected("there is no peer \"" + section.name + "\"");
    if (auto conflict = routes_.conflict(section.prefixes, section.name))
        return std::unexpected(*conflict);
    auto credentials = credentials_of(section);
    if (!credentials)
        return std::unexpected(credentials.error());
    if (!tunnel->is_as(section, *credentials))
        tunnel->change(section, std::move(*credentials));
    return {};
}

std::expected<void, std::string> Tunnels::Core::remove(std::string_view name) {
    Tunnel* tunnel = find(name);
    if (tunnel == nullptr)
        return std::unexpected("there is no peer \"" + std::string(name) + "\"");
    dismiss(*tunnel, "this peer has been removed");
    return {};
}

void Tunnels::Core::dismiss(Tunnel& tunnel, std::string_view reason) {
    tell(Event::Kind::peer_removed, tunnel.section().name, "");
    by_name_.erase(tunnel.section().name);
    by_handle_.erase(tunnel.handle());
    tunnel.leave(reason);
    const auto at = std::ranges::find(tunnels_, &tunnel, &std::unique_ptr<Tunnel>::get);
    leaving_.push_back(std::move(*at));
    tunnels_.erase(at);
}

/// All is read and checked before anything is touched; prefixes are freed before any is given to somebody else.
std::expected<void, std::string> Tunnels::Core::set(const std::vector<PeerSection>& sections) {
    std::vector<PeerCredentials> credentials;
    std::map<std::string_view, const PeerSection*> wanted;
    for (const PeerSection& section : sections) {
        if (auto good = check(section); !good)
            return std::unexpected("peer \"" + section.name + "\": " + good.error());
        auto read = credentials_of(section);
        if (!read)
            return std::unexpected("peer \"" + section.name + "\": " + read.error());
        credentials.push_back(std::move(*read));
        wanted[section.name] = &section;
    }

    std::vector<Tunnel*> unwanted;
    for (const auto& tunnel : tunnels_) {
        const auto section = wanted.find(tunnel->section().name);
        if (section == wanted.end())
            unwanted.push_back(tunnel.get());
        else
            routes_.shrink(tunnel->section().name, section->second->prefixes);
    }
    for (Tunnel* tunnel : unwanted)
        dismiss(*tunnel, "this peer has been removed");
    for (std::size_t i = 0; i < sections.size(); ++i) {
        Tunnel* tunnel = find(sections[i].name);
        if (tunnel == nullptr)
            insert(sections[i], std::move(credentials[i]));
        else if (!tunnel->is_as(sections[i], credentials[i]))
            tunnel->change(sections[i], std::move(credentials[i]));
    }
    return {};
}

void Tunnels::Core::shut_down(std::function<void()> done) {
    shut_down_ = true;
    while (!tunnels_.empty())
        dismiss(*tunnels_.back(), "this gateway is going down");
    // The workers send the last frames within this time; the keys go when the core does.
    auto wait = std::make_shared<boost::asio::steady_timer>(io_, settings_.timing.farewell);
    wait->async_wait([wait, done = std::move(done)](const boost::system::error_code&) { done(); });
}

std::vector<PeerStatus> Tunnels::Core::status() const {
    std::vector<PeerStatus> all;
    for (const auto& tunnel : tunnels_)
        all.push_back(tunnel->status(TunnelContext::now()));
    return all;
}

std::optional<PeerStatus> Tunnels::Core::status(std::string_view name) const {
    const Tunnel* tunnel = find(name);
    return tunnel == nullptr ? std::nullopt : std::optional(tunnel->status(TunnelContext::now()));
}

} // namespace culvert::control
