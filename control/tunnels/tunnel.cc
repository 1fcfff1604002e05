#include "control/tunnels/tunnel.h"

#include <algorithm>
#include <openssl/crypto.h>
#include <openssl/rand.h>

namespace culvert::control {

namespace {

GatewayInstance random_instance() {
    GatewayInstance instance;
    if (RAND_bytes(instance.data(), static_cast<int>(instance.size())) != 1)
        throw std::runtime_error("no random numbers from OpenSSL");
    return instance;
}

bool same_psk(const PeerCredentials& a, const PeerCredentials& b) {
    const auto psk_a = a.psk.bytes(), psk_b = b.psk.bytes();
    return psk_a.size() == psk_b.size() && CRYPTO_memcmp(psk_a.data(), psk_b.data(), psk_a.size()) == 0;
}

bool same(const PeerCredentials& a, const PeerCredentials& b) {
    return a.pins == b.pins && same_psk(a, b);
}

/// Whoever could prove to be the peer before still can: a pin was added, ahead of a new certificate.
bool still_trusts(const PeerCredentials& after, const PeerCredentials& before) {
    return same_psk(after, before) && std::ranges::all_of(before.pins, [&](const auto& pin) {
               return std::ranges::find(after.pins, pin) != after.pins.end();
           });
}

dataplane::InstanceId instance_named(const std::vector<std::string>& tuns, const std::string& name) {
    const auto found = std::ranges::find(tuns, name);
    const auto row = found == tuns.end() ? 0 : found - tuns.begin();
    return dataplane::InstanceId{static_cast<std::uint16_t>(row)};
}

constexpr auto expiry_warning = std::chrono::days(14);

} // namespace

Tunnel::Tunnel(TunnelContext& context, PeerSection section, PeerCredentials credentials)
    : context_(context), section_(std::move(section)), credentials_(std::move(credentials)) {
    terms_.instance = random_instance();
    terms_.peer = context_.dataplane.add_peer(dataplane_settings());
    set_terms();
    for (std::uint16_t i = 0; i < section_.lanes; ++i)
        lanes_.emplace_back(context_.timing());
    context_.routes.set(section_.name, terms_.peer, dataplane_settings().instance, section_.prefixes);
    context_.handshakes.set_peer(credentials_);
    tell(Event::Kind::peer_added, "");
    plan(TunnelContext::now());
}

Tunnel::~Tunnel() {
    sessions_.clear();
    context_.routes.remove(section_.name);
    context_.handshakes.remove_peer(credentials_.peer);
    context_.dataplane.remove_peer(terms_.peer);
}

void Tunnel::set_terms() {
    terms_.lanes = static_cast<std::uint8_t>(section_.lanes);
    terms_.mtu = section_.mtu;
    terms_.keepalive = section_.keepalive;
    terms_.rekey_time = section_.rekey_time;
    terms_.rekey_packets = section_.rekey_packets;
    terms_.can_initiate = section_.endpoint.has_value();
}

dataplane::PeerSettings Tunnel::dataplane_settings() const {
    return {.lanes = lanes_used_,
            .instance = instance_named(context_.settings.tuns, section_.tun),
            .fixed_dscp = section_.dscp};
}

// --- what happens to it

void Tunnel::established(const Established& made) {
    if (leaving_)
        return;
    const TimePoint now = TunnelContext::now();
    if (!made.initiator) {
        make_room(now);
        if (Session* session = add_session(made, nullptr, now))
            act(*session, session->check(now), now);
        return;
    }
    const auto lane = std::ranges::find_if(
        lanes_, [&](const Lane& each) { return each.attempt != nullptr && each.attempt->id() == made.attempt; });
    if (lane == lanes_.end())
        return;
    const auto number = static_cast<std::uint8_t>(lane - lanes_.begin());
    const std::uint32_t generation = lane->attempt->generation();
    Session* session = add_session(made, lane->attempt->taken(), now);
    if (session == nullptr) {
        plan(now);
        return;
    }
    lane->attempt.reset();
    lane->rekey = false;
    session->place(number, generation);
    lane->next_generation = std::max(lane->next_generation, generation + 1);
    settle_lane(number, now);
    plan(now);
    act(*session, session->check(now), now);
}

Session* Tunnel::add_session(const Established& made, std::shared_ptr<LocalPort> port, TimePoint now) {
    const auto index = context_.dataplane.reserve_session();
    if (!index) {
        for (Lane& lane : lanes_)
            if (lane.attempt != nullptr && lane.attempt->id() == made.attempt)
                lane.attempt->fail(index.error());
        tell(Event::Kind::handshake_failed, made.remote.text() + ": " + index.error());
        return nullptr;
    }
    // What a session over the same path has found out holds for its successor, too.
    std::optional<std::uint16_t> path_mtu;
    for (const auto& session : sessions_)
        if (session->path_mtu_verified() && session->remote().address == made.remote.address)
            path_mtu = session->path_mtu();
    warn_of_expiry(made);
    return sessions_
        .emplace_back(
            std::make_unique<Session>(context_, *this, terms_, *index, made, std::move(port), path_mtu, now))
        .get();
}

void Tunnel::warn_of_expiry(const Established& made) const {
    if (!made.peer_certificate_expiry)
        return;
    const auto left = *made.peer_certificate_expiry - std::chrono::system_clock::now();
    if (left < std::chrono::seconds(0))
        tell(Event::Kind::certificate, "its certificate has expired; the pin alone decides, but renew it");
    else if (left < expiry_warning)
        tell(Event::Kind::certificate, "its certificate expires in " +
                                           std::to_string(std::chrono::floor<std::chrono::days>(left).count()) +
                                           " days");
}

void Tunnel::attempt_failed(AttemptId attempt, std::string reason) {
    for (Lane& lane : lanes_)
        if (lane.attempt != nullptr && lane.attempt->id() == attempt)
            lane.attempt->fail(std::move(reason));
    plan(TunnelContext::now());
}

void Tunnel::session_notice(Session& session, const dataplane::Notice& notice) {
    const TimePoint now = TunnelContext::now();
    act(session, session.notice(notice, now), now);
}

void Tunnel::session_due(Session& session, TimePoint now) {
    act(session, session.check(now), now);
}

void Tunnel::act(Session& session, const SessionNews& news, TimePoint now) {
    if (news.roamed && !session.draining())
        tell(Event::Kind::roamed, session.text() + " came from another address");
    if (news.path_mtu)
        tell(Event::Kind::path_mtu, session.text() + ": path MTU " + std::to_string(session.path_mtu()));
    if (news.drained || !news.ended.empty()) {
        ended(session, news, now);
        return;
    }
    if (session.draining())
        return;

    Lane* lane = lane_of(session);
    if (news.proven && lane != nullptr)
        settle_lane(*session.lane(), now);
    if (news.hello)
        hello(session, *news.hello, now); // may end it
    else if (news.stranger && lane == nullptr)
        place(session, 0, 0, now);
    else if (news.proven && lane == nullptr && !has_session(0))
        place(session, 0, 0, now); // for a stranger, or until its HELLO comes
    if (news.rekey && lane != nullptr && session.active()) {
        lane->rekey = true;
        plan(now);
    }
}

/// A session is over, by itself or by the other end.
void Tunnel::ended(Session& session, const SessionNews& news, TimePoint now) {
    const bool was_active = session.active();
    Lane* lane = lane_of(session);
    if (!news.drained) {
        tell(Event::Kind::session_down, session.text() + ": " + news.ended);
        if (was_active)
            last_error_ = news.ended;
        // The dead are called again at once; who hung up is given a moment.
        if (lane != nullptr && was_active)
            lane->next_attempt = news.goodbye ? now + lane->backoff.after_failure(context_.any_number()) : now;
    }
    remove(session, now);
    settle_lanes(now);
    plan(now);
}

void Tunnel::remove(Session& session, TimePoint now) {
    const auto number = session.lane();
    std::erase_if(sessions_, [&](const auto& each) { return each.get() == &session; });
    if (number && *number < lanes_.size() && !has_session(*number))
        lanes_[*number].missing_since = now;
}

/// A peer may hold so many sessions and no more; those that nobody ever spoke on go first.
void Tunnel::make_room(TimePoint now) {
    const std::size_t most = std::size_t{4} * section_.lanes + 8;
    while (sessions_.size() >= most) {
        const auto value = [](const auto& session) {
            return session->active() ? 3 : session->draining() ? 0 : session->proven() ? 2 : 1;
        };
        remove(**std::ranges::min_element(sessions_, {}, value), now); // of equals the oldest
    }
}

// --- changes of its settings

void Tunnel::change(PeerSection section, PeerCredentials credentials) {
    const TimePoint now = TunnelContext::now();
    const bool other_endpoint = section.endpoint != section_.endpoint;
    const bool other_lanes = section.lanes != section_.lanes;
    const bool other_credentials = !same(credentials, credentials_);
    const bool trust_lost = !still_trusts(credentials, credentials_);
    credentials.peer = credentials_.peer;
    section_ = std::move(section);
    credentials_ = std::move(credentials);
    set_terms();
    context_.routes.set(section_.name, terms_.peer, dataplane_settings().instance, section_.prefixes);

    while (lanes_.size() < section_.lanes)
        lanes_.emplace_back(context_.timing());
    use_lanes(std::min(section_.lanes, lanes_of_peer_), now);
    while (lanes_.size() > section_.lanes)
        lanes_.pop_back();
    context_.dataplane.change_peer(terms_.peer, dataplane_settings());

    if (other_endpoint) {
        addresses_.clear();
        for (Lane& lane : lanes_) {
            lane.attempt.reset();
            lane.backoff.reset();
            lane.next_attempt = now;
        }
    }
    if (other_credentials)
        context_.handshakes.set_peer(credentials_);
    if (trust_lost)
        dismiss_sessions("credentials have changed", now);
    for (const auto& session : sessions_)
        session->terms_changed(now, other_lanes && session->active() && session->in_lane(0));
    tell(Event::Kind::peer_changed, "");
    plan(now);
}

bool Tunnel::is_as(const PeerSection& section, const PeerCredentials& credentials) const {
    return section == section_ && same(credentials, credentials_);
}

void Tunnel::leave(std::string_view reason) {
    leaving_ = true;
    const TimePoint now = TunnelContext::now();
    context_.handshakes.remove_peer(credentials_.peer);
    context_.routes.remove(section_.name);
    dismiss_sessions(reason, now);
    plan(now);
}

/// What comes after it has nothing to do with what was before, so it gets another instance: the other end may have
/// missed the goodbye.
void Tunnel::dismiss_sessions(std::string_view reason, TimePoint now) {
    for (const auto& session : sessions_) {
        if (!session->draining())
            session->say_goodbye(reason);
        session->drain(now + context_.timing().farewell);
    }
    terms_.instance = random_instance();
    peer_instance_.reset();
    for (Lane& lane : lanes_) {
        lane.attempt.reset();
        lane.next_generation = 0;
        lane.rekey = false;
        lane.next_attempt = lane.missing_since = now;
    }
    lanes_of_peer_ = 1;
    use_lanes(1, now);
    update_state();
}

// --- what it is

Session* Tunnel::active(std::size_t lane) const {
    for (const auto& session : sessions_)
        if (session->active() && session->lane() == lane)
            return session.get();
    return nullptr;
}

bool Tunnel::has_session(std::size_t lane) const {
    return std::ranges::any_of(
        sessions_, [&](const auto& session) { return !session->draining() && session->lane() == lane; });
}

Tunnel::Lane* Tunnel::lane_of(const Session& session) {
    return session.lane() && *session.lane() < lanes_.size() ? &lanes_[*session.lane()] : nullptr;
}

void Tunnel::update_state() {
    const bool up = std::ranges::any_of(sessions_, [](const auto& session) { return session->active(); });
    const bool busy =
        resolving_ || std::ranges::any_of(lanes_, [](const Lane& lane) { return lane.attempt != nullptr; });
    const TunnelState state = up ? TunnelState::up : busy ? TunnelState::connecting : TunnelState::down;
    if (state == state_)
        return;
    const bool was_up = state_ == TunnelState::up;
    state_ = state;
    state_since_ = std::chrono::system_clock::now();
    if (up)
        tell(Event::Kind::tunnel_up, "");
    else if (was_up)
        tell(Event::Kind::tunnel_down, last_error_);
}

PeerStatus Tunnel::status(TimePoint now) const {
    PeerStatus status;
    status.name = section_.name;
    status.id = terms_.peer;
    status.state = state_;
    status.since = state_since_;
    status.configured_endpoint = section_.endpoint;
    status.endpoint = last_tried_;
    if (const Session* first = active(0))
        status.endpoint = first->remote();
    status.authentication = credentials_.psk.empty() ? "pin" : "psk";
    status.prefixes = section_.prefixes;
    status.tun = section_.tun;
    status.lanes_configured = section_.lanes;
    status.lanes = lanes_used_;
    status.last_error = last_error_;
    if (state_ == TunnelState::down && !lanes_.empty())
        if (const TimePoint at = wants_to_connect(0); at != TimePoint::max())
            status.next_attempt =
                std::max(Timing::Duration(0), std::chrono::duration_cast<Timing::Duration>(at - now));
    status.figures = context_.dataplane.peer(terms_.peer).value_or(dataplane::PeerFigures{});
    for (const auto& session : sessions_)
        status.sessions.push_back(session->status(now));
    std::ranges::stable_sort(status.sessions, [](const SessionStatus& a, const SessionStatus& b) {
        const auto rank = [](const SessionStatus& s) {
            return s.phase == SessionPhase::active ? 0 : s.phase == SessionPhase::waiting ? 1 : 2;
        };
        return std::pair(a.lane, rank(a)) < std::pair(b.lane, rank(b));
    });
    return status;
}

} // namespace culvert::control
