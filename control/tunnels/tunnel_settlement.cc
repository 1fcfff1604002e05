#include "control/tunnels/tunnel.h"

#include <algorithm>

/// Which session of a lane sends: docs/wire-format-dtls.md, "HELLO".
namespace culvert::control {

void Tunnel::hello(Session& session, const Hello& hello, TimePoint now) {
    if (hello.instance == terms_.instance || !instance_is_current(session, hello.instance)) {
        SessionNews news;
        news.ended = hello.instance == terms_.instance ? "its other end is this gateway itself"
                                                       : "it belongs to a former start of the other end";
        ended(session, news, now);
        return;
    }
    const bool first = !session.instance();
    lanes_of_peer_ = hello.lanes;
    const auto lanes = std::min<std::uint16_t>(section_.lanes, hello.lanes);
    if (first && !session.initiator() && hello.lane >= lanes) {
        SessionNews news;
        news.ended = "it is for a lane that is not in use";
        session.say_goodbye(news.ended);
        ended(session, news, now);
        return;
    }

    // The responder goes by what the initiator says; placed first, so that our answer says the same.
    const std::optional<std::uint8_t> before = session.lane();
    if (first && !session.initiator())
        session.place(hello.lane, hello.generation);
    session.accept_hello(hello, now);
    if (peer_instance_ != hello.instance)
        forget_other_instances(hello.instance, now);
    use_lanes(lanes, now);
    if (!first)
        return;

    if (Lane* lane = lane_of(session))
        lane->next_generation = std::max(lane->next_generation, session.generation() + 1);
    if (before && before != session.lane())
        settle_lane(*before, now);
    settle_lane(*session.lane(), now);
    plan(now);
}

/// The instance of the youngest session is the other end's present one; a late HELLO on an older session is not.
bool Tunnel::instance_is_current(const Session& session, const GatewayInstance& instance) const {
    if (!peer_instance_ || peer_instance_ == instance)
        return true;
    return std::ranges::none_of(sessions_, [&](const auto& other) {
        return other->instance() == peer_instance_ && other->order() > session.order();
    });
}

/// The other end has started anew: its former sessions have nobody at their other end.
void Tunnel::forget_other_instances(const GatewayInstance& instance, TimePoint now) {
    peer_instance_ = instance;
    std::vector<Session*> gone;
    for (const auto& session : sessions_)
        if (session->instance() && session->instance() != instance)
            gone.push_back(session.get());
    for (Session* session : gone) {
        if (!session->draining())
            tell(Event::Kind::session_down, session->text() + ": the other end has started anew");
        remove(*session, now);
    }
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
        lanes_[i].next_generation = 0;
        for (const auto& session : sessions_)
            if (session->in_lane(static_cast<std::uint8_t>(i)))
                lanes_[i].next_generation = std::max(lanes_[i].next_generation, session->generation() + 1);
    }
    settle_lanes(now);
}

void Tunnel::place(Session& session, std::uint8_t lane, std::uint32_t generation, TimePoint now) {
    session.place(lane, generation);
    settle_lane(lane, now);
    plan(now);
}

/// Both ends use the smaller number, so that both directions of a flow take the same lane.
void Tunnel::use_lanes(std::uint16_t lanes, TimePoint now) {
    if (lanes == lanes_used_)
        return;
    for (std::size_t i = lanes_used_; i < lanes; ++i)
        lanes_[i].next_attempt = lanes_[i].missing_since = now;
    lanes_used_ = lanes;
    context_.dataplane.change_peer(terms_.peer, dataplane_settings());
    for (const auto& session : sessions_)
        if (!session->draining() && session->lane() >= lanes)
            session->drain(now + context_.timing().drain);
    for (std::size_t i = lanes; i < lanes_.size(); ++i)
        lanes_[i].attempt.reset();
}

void Tunnel::settle_lanes(TimePoint now) {
    for (std::uint16_t lane = 0; lane < lanes_used_; ++lane)
        settle_lane(static_cast<std::uint8_t>(lane), now);
}

void Tunnel::settle_lane(std::uint8_t lane, TimePoint now) {
    std::vector<Session*> sessions;
    std::vector<Contender> contenders;
    for (const auto& session : sessions_) {
        if (session->in_lane(lane)) {
            sessions.push_back(session.get());
            contenders.push_back(session->contender());
        }
    }
    std::optional<bool> own_is_lower;
    if (peer_instance_)
        own_is_lower = terms_.instance < *peer_instance_;

    const Settlement settlement = settle(contenders, own_is_lower);
    if (settlement.active && !sessions[*settlement.active]->active()) {
        Session& next = *sessions[*settlement.active];
        bool replaces = false;
        for (Session* session : sessions) {
            replaces = replaces || session->active();
            session->deactivate();
        }
        next.activate();
        lanes_[lane].rekey = false;
        lanes_[lane].backoff.reset();
        lanes_[lane].failures = 0;
        last_error_.clear();
        tell(replaces ? Event::Kind::rekeyed : Event::Kind::session_up,
             "lane " + std::to_string(lane) + ", generation " + std::to_string(next.generation()) + ": " +
                 next.text() + ", " + next.cipher());
    }
    for (const std::size_t i : settlement.drain)
        sessions[i]->drain(now + context_.timing().drain);
    update_state();
}

} // namespace culvert::control
