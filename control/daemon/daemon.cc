#include "control/daemon/daemon.h"

#include "control/configuration/peer_request.h"
#include "control/daemon/log.h"
#include "control/kernel/service_notify.h"

#include <csignal>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

namespace culvert::control {
namespace {

constexpr auto certificate_warning = std::chrono::days(30);
constexpr auto certificate_check = std::chrono::hours(24);

Refusal refusal(const std::vector<ConfigurationError>& errors, Refusal::Kind kind = Refusal::Kind::invalid) {
    std::string text;
    for (const ConfigurationError& error : errors)
        text += (text.empty() ? "" : "\n") + error.text();
    return {kind, text};
}

/// What the workers are started with, the lists of ports and instances included.
dataplane::Settings dataplane_settings(const Configuration& configuration) {
    dataplane::Settings settings = configuration.dataplane;
    settings.ports.clear();
    settings.instances.clear();
    for (const PortSection& port : configuration.ports)
        settings.ports.push_back(port.settings);
    for (const TunSection& tun : configuration.tuns)
        settings.instances.push_back({.queues = tun.queues});
    return settings;
}

} // namespace

std::expected<std::unique_ptr<Daemon>, std::string> Daemon::start(const std::filesystem::path& file,
                                                                  const Configuration& configuration) {
    std::unique_ptr<Daemon> daemon(new Daemon(file, configuration));
    if (const auto opened = daemon->open(); !opened)
        return std::unexpected(opened.error());
    return daemon;
}

/// A gateway that was killed leaves its XDP program on the interface, which would go on swallowing packets.
std::expected<void, std::string> Daemon::clear_leftovers() {
    auto netlink = tun_bridge::Netlink::open();
    if (!netlink)
        return std::unexpected(netlink.error());
    for (const PortSection& port : configuration_.ports) {
        if (!port.settings.is_kernel_interface() || port.settings.driver != "af_xdp")
            continue;
        const auto link = tun_bridge::find_link(*netlink, port.settings.name);
        if (!link)
            return std::unexpected(link.error());
        if (const auto detached = tun_bridge::detach_xdp(*netlink, *link); !detached)
            return detached;
    }
    return {};
}

std::expected<void, std::string> Daemon::open() {
    if (const auto cleared = clear_leftovers(); !cleared)
        return cleared;
    auto dataplane = dataplane::Dataplane::start(dataplane_settings(configuration_));
    if (!dataplane)
        return std::unexpected(dataplane.error());
    dataplane_ = std::move(*dataplane);
    auto instances = NetworkInstances::open(context_, *dataplane_, configuration_);
    if (!instances)
        return std::unexpected(instances.error());
    instances_ = std::move(*instances);
    if (const auto opened = open_paths(); !opened)
        return opened;
    listeners_.emplace(*dataplane_);
    for (const ListenSection& listen : configuration_.listens)
        if (const auto added = listeners_->add(listen); !added)
            return std::unexpected(fmt::format("listen on UDP port {}: {}", listen.port, added.error()));
    if (const auto opened = open_tunnels(); !opened)
        return opened;
    auto api =
        ApiServer::start(context_, *this, events_,
                         {.socket = configuration_.control.socket, .group = configuration_.control.socket_group});
    if (!api)
        return std::unexpected(api.error());
    api_ = std::move(*api);
    return {};
}

std::expected<void, std::string> Daemon::open_paths() {
    auto ports = OuterPorts::bring_up(*dataplane_, configuration_.ports);
    if (!ports)
        return std::unexpected(ports.error());
    outer_ports_.emplace(std::move(*ports));
    auto paths = NextHops::open(context_, outer_ports_->refresh());
    if (!paths)
        return std::unexpected(paths.error());
    paths_ = std::move(*paths);
    auto events =
        KernelEvents::open(context_, {.neighbour = [](const Neighbour&) {},
                                      .routing = [this] { paths_->set_ports(outer_ports_->refresh()); }});
    if (!events)
        return std::unexpected(events.error());
    kernel_events_ = std::move(*events);
    names_.emplace(context_);
    return {};
}

std::expected<void, std::string> Daemon::open_tunnels() {
    TunnelsSettings settings;
    settings.format = *dataplane::Dataplane::format_by_name("dtls");
    settings.handshake_threads = configuration_.control.handshake_threads;
    for (const TunSection& tun : configuration_.tuns)
        settings.tuns.push_back(tun.name);
    tunnels_ =
        std::make_unique<Tunnels>(context_, *dataplane_, *paths_, *names_, local_ports_, std::move(settings));
    tunnels_->on_event([this](const Event& event) {
        log_event(event);
        events_.publish(event);
    });
    tunnels_->on_routes(
        {.add = [this](dataplane::InstanceId instance,
                       const dataplane::Prefix& prefix) { instances_->add_route(instance, prefix); },
         .remove = [this](dataplane::InstanceId instance,
                          const dataplane::Prefix& prefix) { instances_->remove_route(instance, prefix); }});
    if (const auto read = read_certificate_files(); !read)
        return read;
    return tunnels_->set_peers(configuration_.peers);
}

/// Own certificate and key, for handshakes from now on.
std::expected<void, std::string> Daemon::read_certificate_files() {
    if (configuration_.gateway.certificate.empty())
        return {};
    const auto own = read_own_certificate(configuration_.gateway.certificate, configuration_.gateway.private_key);
    if (!own)
        return std::unexpected(own.error().problem + "; " + own.error().advice);
    if (const auto taken = tunnels_->set_own_credentials({own->chain, own->private_key}); !taken)
        return taken;
    certificate_ = own->facts;
    watch_certificate();
    return {};
}

/// The pin alone decides, so an old certificate stops nothing; but others may look at it.
void Daemon::watch_certificate() {
    const auto left = certificate_->not_after - std::chrono::system_clock::now();
    if (left < certificate_warning)
        spdlog::warn("the certificate {} {}; peers go by its pin alone, but renew it",
                     configuration_.gateway.certificate.string(),
                     left.count() < 0
                         ? std::string("has expired")
                         : fmt::format("expires in {} days", std::chrono::floor<std::chrono::days>(left).count()));
    certificate_timer_.expires_after(certificate_check);
    certificate_timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error)
            watch_certificate();
    });
}

void Daemon::run() {
    for (const int signal : {SIGTERM, SIGINT, SIGHUP})
        signals_.add(signal);
    await_signal();
    spdlog::info("gateway {} is ready: {} peers, {}", configuration_.gateway.name, configuration_.peers.size(),
                 dataplane_->workers().front().engine);
    notify_ready(fmt::format("{} peers", configuration_.peers.size()));
    context_.run();
}

void Daemon::await_signal() {
    signals_.async_wait([this](const boost::system::error_code& error, int signal) {
        if (error)
            return;
        if (signal != SIGHUP)
            return stop();
        notify_reloading();
        if (const auto done = reload(); !done)
            spdlog::error("not reloaded: {}", done.error().text);
        notify_ready("reloaded");
        await_signal();
    });
}

void Daemon::stop() {
    if (std::exchange(stopping_, true))
        return;
    spdlog::info("stopping");
    notify_stopping();
    api_.reset();
    tunnels_->shut_down([this] { context_.stop(); });
}

std::expected<Deeds, Refusal> Daemon::add_peer(const nlohmann::json& keys) {
    const auto section = new_peer(keys, configuration_);
    if (!section)
        return std::unexpected(refusal(section.error()));
    if (const auto added = tunnels_->add_peer(*section); !added)
        return std::unexpected(Refusal{Refusal::Kind::conflict, added.error()});
    configuration_.peers.push_back(*section);
    return Deeds{fmt::format("peer {} added", section->name)};
}

std::expected<Deeds, Refusal> Daemon::change_peer(const std::string& name, const nlohmann::json& changes) {
    const auto known = std::ranges::find(configuration_.peers, name, &PeerSection::name);
    if (known == configuration_.peers.end())
        return std::unexpected(Refusal{Refusal::Kind::unknown, fmt::format("there is no peer \"{}\"", name)});
    const auto section = changed_peer(name, changes, configuration_);
    if (!section)
        return std::unexpected(refusal(section.error()));
    if (*section == *known)
        return Deeds{};
    if (const auto changed = tunnels_->change_peer(*section); !changed)
        return std::unexpected(Refusal{Refusal::Kind::conflict, changed.error()});
    *known = *section;
    return Deeds{fmt::format("peer {} changed", name)};
}

std::expected<Deeds, Refusal> Daemon::remove_peer(const std::string& name) {
    const auto known = std::ranges::find(configuration_.peers, name, &PeerSection::name);
    if (known == configuration_.peers.end())
        return std::unexpected(Refusal{Refusal::Kind::unknown, fmt::format("there is no peer \"{}\"", name)});
    if (const auto removed = tunnels_->remove_peer(name); !removed)
        return std::unexpected(Refusal{Refusal::Kind::conflict, removed.error()});
    configuration_.peers.erase(known);
    return Deeds{fmt::format("peer {} removed", name)};
}

std::expected<Deeds, Refusal> Daemon::reload() {
    const auto next = read_configuration(file_);
    if (!next)
        return std::unexpected(refusal(next.error()));
    const Difference difference = compare(configuration_, *next);
    if (!difference.needs_restart.empty()) {
        std::string text = "nothing has been changed, since this needs a restart:";
        for (const RestartReason& reason : difference.needs_restart)
            text += "\n" + reason.text();
        return std::unexpected(Refusal{Refusal::Kind::conflict, text});
    }
    return apply(*next, difference);
}

/// In the order in which a failure leaves the least behind: what can fail first, and undone if it does.
std::expected<Deeds, Refusal> Daemon::apply(const Configuration& next, const Difference& difference) {
    const auto conflict = [](std::string text) {
        return std::unexpected(Refusal{Refusal::Kind::conflict, std::move(text)});
    };
    if (const auto opened = open_listens(difference); !opened)
        return conflict(opened.error());
    const Configuration former = std::exchange(configuration_, next);
    const auto give_up = [&](const std::string& why) {
        configuration_ = former;
        for (const ListenSection& listen : difference.added_listens)
            listeners_->remove(listen);
        return conflict(why);
    };
    if (const auto read = read_certificate_files(); !read)
        return give_up(read.error());
    if (const auto set = tunnels_->set_peers(next.peers); !set)
        return give_up(set.error());
    for (const ListenSection& listen : difference.removed_listens)
        listeners_->remove(listen);
    Deeds deeds;
    for (const PeerSection& peer : difference.added_peers)
        deeds.push_back(fmt::format("peer {} added", peer.name));
    for (const PeerChange& change : difference.changed_peers)
        deeds.push_back(fmt::format("peer {} changed", change.now.name));
    for (const PeerSection& peer : difference.removed_peers)
        deeds.push_back(fmt::format("peer {} removed", peer.name));
    for (const ListenSection& listen : difference.added_listens)
        deeds.push_back(fmt::format("listening on UDP port {}", listen.port));
    for (const ListenSection& listen : difference.removed_listens)
        deeds.push_back(fmt::format("no longer listening on UDP port {}", listen.port));
    if (difference.log_level) {
        set_log_level(*difference.log_level);
        deeds.push_back("log level " + *difference.log_level);
    }
    if (difference.certificate)
        deeds.emplace_back("certificate changed");
    if (deeds.empty())
        spdlog::info("reloaded: nothing has changed");
    for (const std::string& deed : deeds)
        spdlog::info("reloaded: {}", deed);
    return deeds;
}

/// All of the new listeners, or none.
std::expected<void, std::string> Daemon::open_listens(const Difference& difference) {
    for (std::size_t i = 0; i < difference.added_listens.size(); ++i) {
        const auto added = listeners_->add(difference.added_listens[i]);
        if (added)
            continue;
        for (std::size_t undone = 0; undone < i; ++undone)
            listeners_->remove(difference.added_listens[undone]);
        return std::unexpected(
            fmt::format("listen on UDP port {}: {}", difference.added_listens[i].port, added.error()));
    }
    return {};
}

} // namespace culvert::control
