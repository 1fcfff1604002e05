#pragma once

#include "control/tunnels/attempt.h"
#include "control/tunnels/backoff.h"
#include "control/tunnels/session.h"
#include "control/tunnels/tunnel_context.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace culvert::control {

/// One peer: keeps a session in each of its lanes, settles which of several sends, and connects what is missing.
class Tunnel final : public Timed, public Session::Owner {
  public:
    /// Adds the peer to the data plane, with its routes and sources, and begins to connect.
    Tunnel(TunnelContext& context, PeerSection section, PeerCredentials credentials);
    ~Tunnel() override; ///< retires what is left
    Tunnel(const Tunnel&) = delete;
    Tunnel& operator=(const Tunnel&) = delete;

    // --- what happens to it
    void established(const Established& made);
    void attempt_failed(AttemptId attempt, std::string reason);
    void session_notice(Session& session, const dataplane::Notice& notice) override;
    void session_due(Session& session, TimePoint now) override;
    void due(TimePoint now) override { plan(now); }

    /// Applies what differs. Prefixes have been seen to be free.
    void change(PeerSection section, PeerCredentials credentials);
    /// Says DISCONNECT on all sessions, takes routes and sources away; connects and accepts no more.
    void leave(std::string_view reason);
    bool left() const { return leaving_ && sessions_.empty(); } ///< may be destroyed

    // --- what it is
    /// Nothing would differ.
    bool is_as(const PeerSection& section, const PeerCredentials& credentials) const;
    const PeerSection& section() const { return section_; }
    PeerHandle handle() const { return credentials_.peer; }
    PeerStatus status(TimePoint now) const;

  private:
    struct Lane {
        explicit Lane(const Timing& timing) : backoff(timing.backoff_first, timing.backoff_longest) {}
        std::unique_ptr<Attempt> attempt;
        Backoff backoff;
        TimePoint next_attempt{};  ///< not before
        TimePoint missing_since{}; ///< while it has no session
        std::uint32_t next_generation = 0;
        std::uint32_t failures = 0; ///< attempts in a row
        bool rekey = false;         ///< replace the active session
    };

    // sessions (tunnel.cc)
    void set_terms();
    dataplane::PeerSettings dataplane_settings() const;
    Session* add_session(const Established& made, std::shared_ptr<LocalPort> port, TimePoint now);
    void act(Session& session, const SessionNews& news, TimePoint now);
    void ended(Session& session, const SessionNews& news, TimePoint now);
    void remove(Session& session, TimePoint now);
    void make_room(TimePoint now);
    void dismiss_sessions(std::string_view reason, TimePoint now);
    void warn_of_expiry(const Established& made) const;
    void update_state();
    Session* active(std::size_t lane) const;
    bool has_session(std::size_t lane) const; ///< that is not draining
    Lane* lane_of(const Session& session);
    void tell(Event::Kind kind, std::string text) const { context_.tell(kind, section_.name, std::move(text)); }

    // which session sends (tunnel_settlement.cc)
    void hello(Session& session, const Hello& hello, TimePoint now);
    bool instance_is_current(const Session& session, const GatewayInstance& instance) const;
    void forget_other_instances(const GatewayInstance& instance, TimePoint now);
    void place(Session& session, std::uint8_t lane, std::uint32_t generation, TimePoint now);
    void use_lanes(std::uint16_t lanes, TimePoint now);
    void settle_lane(std::uint8_t lane, TimePoint now);
    void settle_lanes(TimePoint now);

    // connecting (tunnel_connecting.cc)
    void plan(TimePoint now);
    TimePoint plan_lane(std::uint8_t lane, TimePoint now);
    TimePoint wants_to_connect(std::uint8_t lane) const;
    void connect(std::uint8_t lane, TimePoint now);
    std::optional<dataplane::Endpoint> target(std::uint8_t lane);
    void resolve();
    void resolved(const std::string& host,
                  const std::expected<std::vector<dataplane::IpAddress>, std::string>& addresses);
    void failed(std::uint8_t lane, const std::string& reason, TimePoint now);

    TunnelContext& context_;
    PeerSection section_;
    PeerCredentials credentials_;
    Session::Terms terms_;
    bool leaving_ = false;

    std::vector<std::unique_ptr<Session>> sessions_; ///< few: one a lane, and those that come and go
    std::vector<Lane> lanes_;                        ///< as many as this end offers
    std::uint16_t lanes_used_ = 1, lanes_of_peer_ = 1;
    std::optional<GatewayInstance> peer_instance_;

    TunnelState state_ = TunnelState::down;
    std::chrono::system_clock::time_point state_since_ = std::chrono::system_clock::now();
    std::string last_error_;

    std::vector<dataplane::IpAddress> addresses_; ///< of the endpoint; empty: to be resolved
    std::size_t next_address_ = 0;
    bool resolving_ = false;
    std::optional<dataplane::Endpoint> last_tried_;
    /// Ends with the tunnel, so that a late answer of the resolver finds nobody.
    std::shared_ptr<Tunnel*> alive_ = std::make_shared<Tunnel*>(this);
};

} // namespace culvert::control
