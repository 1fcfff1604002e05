#pragma once

#include "control/tunnels/notice_pump.h"
#include "control/tunnels/tunnel.h"
#include "control/tunnels/tunnels.h"

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <unordered_map>

namespace culvert::control {

/// What is behind Tunnels: the peers by name and handle, and the ways by which news reaches them.
class Tunnels::Core {
  public:
    Core(boost::asio::io_context& io, dataplane::Dataplane& dataplane, Paths& paths, Names& names,
         LocalPorts& ports, TunnelsSettings settings);
    ~Core();
    Core(const Core&) = delete;
    Core& operator=(const Core&) = delete;

    std::expected<void, std::string> add(const PeerSection& section);
    std::expected<void, std::string> change(const PeerSection& section);
    std::expected<void, std::string> remove(std::string_view name);
    std::expected<void, std::string> set(const std::vector<PeerSection>& sections);
    void shut_down(std::function<void()> done);

    std::vector<PeerStatus> status() const;
    std::optional<PeerStatus> status(std::string_view name) const;

    std::function<void(const Event&)> on_event;
    RouteBook& routes() { return routes_; }
    HandshakeShards& handshakes() { return handshakes_; }
    std::uint64_t frames_ignored() const { return context_.frames_ignored; }

  private:
    using Alive = std::shared_ptr<Core*>;

    HandshakeOutputs outputs();
    void send(const dataplane::Datagram& datagram, std::span<const std::uint8_t> payload);
    void established(const Established& made);
    void attempt_failed(AttemptId attempt, std::string reason);
    void notice(const dataplane::Notice& notice);
    void tick();
    void tell(Event::Kind kind, const std::string& peer, std::string text) const;
    std::expected<PeerCredentials, std::string> credentials_of(const PeerSection& section);
    std::expected<void, std::string> check(const PeerSection& section) const;
    void insert(const PeerSection& section, PeerCredentials credentials);
    void dismiss(Tunnel& tunnel, std::string_view reason);
    Tunnel* find(std::string_view name) const;

    /// Datagrams of handshakes on their way from the handshake threads to here; more than so many are not taken.
    static constexpr std::uint32_t most_in_post = 4096;

    boost::asio::io_context& io_;
    dataplane::Dataplane& dataplane_;
    const TunnelsSettings settings_;
    Alive alive_ = std::make_shared<Core*>(this);
    std::shared_ptr<std::atomic<std::uint32_t>> in_post_ = std::make_shared<std::atomic<std::uint32_t>>(0);

    RouteBook routes_;
    PathBook paths_;
    TimerWheel wheel_;
    HandshakeShards handshakes_;
    TunnelContext context_;

    std::vector<std::unique_ptr<Tunnel>> tunnels_; ///< in the order in which they were added
    std::map<std::string, Tunnel*, std::less<>> by_name_;
    std::unordered_map<PeerHandle, Tunnel*> by_handle_;
    std::vector<std::unique_ptr<Tunnel>> leaving_;
    std::uint32_t last_handle_ = 0;
    bool shut_down_ = false;

    boost::asio::steady_timer timer_;
    NoticePump notices_;
};

} // namespace culvert::control
