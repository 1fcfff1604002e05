#include <utility>

#include "tests/unit/tunnels/site.h"

#include "control/configuration/credentials.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <fstream>
#include <unistd.h>

namespace culvert::control::tests {

using dataplane::IpAddress;

Timing quick_timing() {
    Timing timing;
    timing.scan = 10ms;
    timing.hello_first = 20ms;
    timing.hello_longest = 100ms;
    timing.hello_patience = 300ms;
    timing.unanswered = 300ms;
    timing.probe_interval = 100ms;
    timing.stranger_silence = 2s;
    timing.backoff_first = 50ms;
    timing.backoff_longest = 2s;
    timing.attempt = 3s;
    timing.lane_patience = 400ms;
    timing.drain = 300ms;
    timing.farewell = 50ms;
    timing.unproven = 1500ms;
    timing.rekey_grace = 500ms;
    timing.path_probe = 50ms;
    timing.path_raise = 1s;
    timing.path_suspicion = 500ms;
    return timing;
}

// --- a site

Site::Site(boost::asio::io_context& io, MemoryNetwork& network, const std::string& name,
           const std::string& address)
    : io_(io), network_(network), name_(name), address_(IpAddress::parse(address).value()), source_(address_) {}

Site::~Site() {
    kill();
}

void Site::start(TunnelsSettings settings) {
    dataplane_ = std::make_unique<MemoryDataplane>(network_, address_);
    dataplane_->listen(listen_port, {});
    settings.tuns = {"cv0", "cv1"};
    tunnels_ = std::make_unique<Tunnels>(io_, *dataplane_, *this, *this, *this, std::move(settings));
    tunnels_->on_event([this](const Event& event) { log.push_back(event); });
    tunnels_->on_routes(
        {.add = [this](dataplane::InstanceId instance, const auto& prefix) { kernel_routes[prefix] = instance; },
         .remove = [this](dataplane::InstanceId, const auto& prefix) { kernel_routes.erase(prefix); }});
    ASSERT_TRUE(tunnels_->set_own_credentials(identity_.own));
}

void Site::kill() {
    tunnels_.reset();
    dataplane_.reset();
}

std::string Site::pin() const {
    return pin_text(identity_.pin);
}

dataplane::Prefix Site::prefix() const {
    return dataplane::Prefix::parse(name_ == "paris" ? "10.8.0.0/16" : "10.9.0.0/16").value();
}

PeerSection Site::as_peer(bool with_endpoint) const {
    PeerSection section;
    section.name = name_;
    section.pins = {pin()};
    section.prefixes = {prefix()};
    section.keepalive = 5s;
    if (with_endpoint)
        section.endpoint = RemoteEndpoint{address_.text(), listen_port};
    return section;
}

PeerStatus Site::peer(const std::string& name) const {
    return tunnels_->status(name).value_or(PeerStatus{});
}

SessionStatus Site::active(const std::string& peer_name, std::uint8_t lane) const {
    for (const SessionStatus& session : peer(peer_name).sessions)
        if (session.phase == SessionPhase::active && session.lane == lane)
            return session;
    return {};
}

std::size_t Site::events(Event::Kind kind, const std::string& text) const {
    return static_cast<std::size_t>(std::ranges::count_if(log, [&](const Event& event) {
        return event.kind == kind && event.text.find(text) != std::string::npos;
    }));
}

// --- what its kernel says

class Site::PathWatch final : public Paths::Watch {
  public:
    PathWatch(Site& site, const IpAddress& to, Changed told) : remote(to), changed(std::move(told)), site_(site) {
        site_.watches_.insert(this);
    }
    ~PathWatch() override { site_.watches_.erase(this); }
    const IpAddress remote;
    const Changed changed;

  private:
    Site& site_;
};

void Site::tell_path(const IpAddress& remote, const Changed& changed) const {
    if (unreachable.contains(remote))
        changed(std::unexpected("no route to " + remote.text()));
    else
        changed(
            Path{.port = {}, .source = source_, .link_address = std::array<std::uint8_t, 6>{2, 0, 0, 0, 0, 1}});
}

std::unique_ptr<Paths::Watch> Site::watch(const IpAddress& remote, Changed changed) {
    auto made = std::make_unique<PathWatch>(*this, remote, std::move(changed));
    boost::asio::post(io_, [this, watch = made.get()] {
        if (watches_.contains(watch))
            tell_path(watch->remote, watch->changed);
    });
    return made;
}

void Site::change_source(const IpAddress& source) {
    network_.attach(source, *dataplane_);
    source_ = source;
    for (PathWatch* watch : std::set(watches_))
        if (watches_.contains(watch))
            tell_path(watch->remote, watch->changed);
}

void Site::resolve(const std::string& host, Resolved resolved) {
    ++names_asked;
    boost::asio::post(io_, [this, host, resolved = std::move(resolved)] {
        if (const auto literal = IpAddress::parse(host))
            resolved(std::vector{*literal});
        else if (names.contains(host))
            resolved(names.at(host));
        else
            resolved(std::unexpected(host + ": name not known"));
    });
}

std::expected<std::unique_ptr<HeldPort>, std::string> Site::hold_any() {
    class Held final : public HeldPort {
      public:
        Held(Site& site, std::uint16_t number) : site_(site), number_(number) { ++site_.ports_held; }
        ~Held() override { --site_.ports_held; }
        std::uint16_t number() const override { return number_; }

      private:
        Site& site_;
        std::uint16_t number_;
    };
    return std::make_unique<Held>(*this, next_port_++);
}

// --- two of them

TwoSites::TwoSites() : paris(io, network, "paris", "192.0.2.1"), tokyo(io, network, "tokyo", "198.51.100.2") {
    settings.timing = quick_timing();
    settings.handshakes.first_timeout = 50ms;
    settings.handshakes.longest_timeout = 400ms;
    paris.start(settings);
    tokyo.start(settings);
}

TwoSites::~TwoSites() {
    for (const auto& file : files_)
        std::filesystem::remove(file);
}

bool TwoSites::until(const std::function<bool()>& condition, std::chrono::milliseconds patience) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline)
            return false;
        io.run_one_for(20ms);
    }
    return true;
}

void TwoSites::run(std::chrono::milliseconds time) {
    io.run_for(time);
}

void TwoSites::introduce(bool paris_calls, bool tokyo_calls, const std::function<void(PeerSection&)>& change) {
    PeerSection to_tokyo = tokyo.as_peer(paris_calls), to_paris = paris.as_peer(tokyo_calls);
    if (change) {
        change(to_tokyo);
        change(to_paris);
    }
    ASSERT_TRUE(paris.tunnels().add_peer(to_tokyo));
    ASSERT_TRUE(tokyo.tunnels().add_peer(to_paris));
}

bool TwoSites::agree(std::uint8_t lane) {
    const SessionStatus here = paris.active("tokyo", lane), there = tokyo.active("paris", lane);
    return here.index != dataplane::no_session && raw(here.index) == there.remote_index &&
           raw(there.index) == here.remote_index && here.generation == there.generation &&
           here.initiator != there.initiator;
}

bool TwoSites::settled() {
    const std::size_t lanes = paris.peer("tokyo").lanes;
    for (std::uint8_t lane = 0; lane < lanes; ++lane)
        if (!agree(lane))
            return false;
    return tokyo.peer("paris").lanes == lanes && paris.dataplane().session_count() == lanes &&
           tokyo.dataplane().session_count() == lanes;
}

bool TwoSites::carries(std::uint32_t flow) {
    const auto at_tokyo = tokyo.dataplane().inner_received, at_paris = paris.dataplane().inner_received;
    return paris.dataplane().send_inner_to(tokyo.prefix(), flow) &&
           tokyo.dataplane().inner_received == at_tokyo + 1 &&
           tokyo.dataplane().send_inner_to(paris.prefix(), flow) &&
           paris.dataplane().inner_received == at_paris + 1;
}

std::filesystem::path TwoSites::psk_file(std::uint8_t fill) {
    // Base64 of 32 bytes: 43 letters and a pad; 'A' and what follows are such letters.
    const auto file = std::filesystem::temp_directory_path() /
                      ("tunnels-test-" + std::to_string(getpid()) + "-" + std::to_string(fill) + ".psk");
    std::ofstream(file) << std::string(42, static_cast<char>('A' + fill)) << "A=\n";
    std::filesystem::permissions(file, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    files_.push_back(file);
    return file;
}

} // namespace culvert::control::tests
