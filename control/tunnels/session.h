#pragma once

#include "control/tunnels/control_frame.h"
#include "control/tunnels/hello_exchange.h"
#include "control/tunnels/lane.h"
#include "control/tunnels/liveness.h"
#include "control/tunnels/local_port.h"
#include "control/tunnels/path_mtu.h"
#include "control/tunnels/tunnel_context.h"

#include <optional>
#include <string>

namespace culvert::control {

/// What the tunnel must know about one of its sessions after something happened on it.
struct SessionNews {
    bool proven = false;        ///< the first authenticated record has come
    bool stranger = false;      ///< no HELLO came in time
    bool rekey = false;         ///< the time or a limit has come
    bool roamed = false;        ///< the other end has another address
    bool path_mtu = false;      ///< the path MTU in use has changed
    bool drained = false;       ///< its time after being replaced is over
    std::optional<Hello> hello; ///< the other end's
    bool goodbye = false;       ///< the other end has ended it; `ended` says how
    std::string ended;          ///< why it is over; empty: it isn't
};

/// One session: installs it in the dataplane, says HELLO, watches over peer and path. Retires it when destroyed.
/// Acts on nothing but itself: what concerns its lane or its peer it reports as news.
class Session final : public Timed, public PathUser {
  public:
    /// Who acts on what happens to a session; it may destroy it.
    class Owner {
      public:
        virtual void session_due(Session& session, TimePoint now) = 0;
        virtual void session_notice(Session& session, const dataplane::Notice& notice) = 0;

      protected:
        ~Owner() = default;
    };
    /// What the peer's settings say to a session.
    struct Terms {
        dataplane::PeerId peer{};
        GatewayInstance instance{}; ///< ours, towards this peer
        std::uint8_t lanes = 1;     ///< that we offer
        std::uint16_t mtu = 0;      ///< configured; 0: the port's
        Timing::Duration keepalive{}, rekey_time{};
        std::uint64_t rekey_packets = 0;
        bool can_initiate = false; ///< we could rekey by ourselves as a responder
    };

    /// `terms` outlives the session, and may change. `local_port`: of an initiator. `path_mtu`: known from before.
    Session(TunnelContext& context, Owner& owner, const Terms& terms, dataplane::SessionIndex index,
            const Established& made, std::shared_ptr<LocalPort> local_port, std::optional<std::uint16_t> path_mtu,
            TimePoint now);
    ~Session() override;

    // --- what happens to it
    SessionNews notice(const dataplane::Notice& notice, TimePoint now);
    SessionNews check(TimePoint now);
    void due(TimePoint now) override { owner_.session_due(*this, now); }
    void path_changed(const RemotePath& path, const std::optional<Path>& before) override;
    void path_mtu_hint(std::uint32_t size) override;

    // --- what its tunnel decides
    void place(std::uint8_t lane, std::uint32_t generation);
    void accept_hello(const Hello& hello, TimePoint now);
    void activate();
    void deactivate() { active_ = false; }
    void drain(TimePoint until);
    void say_goodbye(std::string_view reason); ///< DISCONNECT
    void terms_changed(TimePoint now, bool tell_other_end);

    // --- what it is
    Owner& owner() const { return owner_; }
    dataplane::SessionIndex index() const { return index_; }
    std::optional<std::uint8_t> lane() const { return lane_; }
    bool in_lane(std::uint8_t lane) const { return lane_ == lane; }
    std::uint32_t generation() const { return generation_; }
    bool initiator() const { return initiator_; }
    std::uint64_t order() const { return order_; }
    bool proven() const { return proven_; }
    bool active() const { return active_; }
    bool draining() const { return draining_; }
    bool stranger() const { return hello_.stranger(); }
    const std::optional<GatewayInstance>& instance() const { return instance_; } ///< the other end's
    const dataplane::Endpoint& remote() const { return remote_; }
    const std::string& cipher() const { return cipher_; }
    std::uint16_t path_mtu() const { return path_ ? path_->current() : assumed_mtu_; }
    bool path_mtu_verified() const { return path_ && path_->verified(); }
    Contender contender() const;
    std::string text() const; ///< "session 0x2a with 192.0.2.1:4433"
    SessionStatus status(TimePoint now) const;

  private:
    void install(const Established& made);
    std::uint16_t ceiling() const;
    void receive(std::span<const std::uint8_t> bytes, SessionNews& news, TimePoint now);
    void receive_echo(std::span<const std::uint8_t> body, TimePoint now);
    void roamed(const dataplane::Notice& notice, TimePoint now);
    void use_path(const dataplane::IpAddress& remote);
    void say_hello();
    void ask(std::uint16_t path_probe_size);
    TimePoint check_hello(SessionNews& news, TimePoint now);
    TimePoint check_liveness(const dataplane::SessionFigures& figures, SessionNews& news, TimePoint now);
    TimePoint check_path(TimePoint last_rx, SessionNews& news, TimePoint now);
    TimePoint check_rekey(SessionNews& news, TimePoint now);
    void set_rekey_time(TimePoint now);
    void look_at(TimePoint at) { context_.wheel.schedule(*this, at); }

    TunnelContext& context_;
    Owner& owner_;
    const Terms& terms_;
    const dataplane::SessionIndex index_;
    const bool initiator_;
    const std::uint64_t order_;
    const TimePoint began_;
    const std::chrono::system_clock::time_point since_ = std::chrono::system_clock::now();
    const std::string cipher_;
    const dataplane::WorkerId worker_;
    std::shared_ptr<LocalPort> local_port_;

    dataplane::PortId port_{};
    dataplane::Endpoint local_, remote_;
    std::shared_ptr<RemotePath> way_;
    std::optional<std::uint8_t> lane_;
    std::uint32_t generation_ = 0;
    bool proven_ = false, active_ = false, draining_ = false, exhausted_ = false;
    TimePoint drained_at_, rekey_at_;

    HelloExchange hello_;
    Liveness liveness_;
    std::optional<PathMtu> path_;         ///< from the other end's HELLO on
    std::uint16_t assumed_mtu_ = 0;       ///< until then
    std::uint16_t peer_largest_ = 0xffff; ///< that the other end's port takes
    std::optional<std::uint16_t> known_path_mtu_;
    std::uint32_t remote_index_ = 0;
    std::optional<GatewayInstance> instance_;
};

} // namespace culvert::control
