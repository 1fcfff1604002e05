#include "control/tunnels/session.h"

#include <algorithm>
#include <cstdio>

namespace culvert::control {

Session::Session(TunnelContext& context, Owner& owner, const Terms& terms, dataplane::SessionIndex index,
                 const Established& made, std::shared_ptr<LocalPort> local_port,
                 std::optional<std::uint16_t> path_mtu, TimePoint now)
    : context_(context), owner_(owner), terms_(terms), index_(index), initiator_(made.initiator),
      order_(++context.last_order), began_(now), cipher_(made.cipher), worker_(made.worker),
      local_port_(std::move(local_port)), port_(made.port), local_(made.local), remote_(made.remote),
      hello_(context.timing(), made.initiator, now), liveness_(context.timing(), terms.keepalive),
      known_path_mtu_(path_mtu) {
    use_path(remote_.address);
    if (way_->path())
        port_ = way_->path()->port;
    install(made);
    context_.sessions[index_] = this;
    assumed_mtu_ = std::min(ceiling(), known_path_mtu_.value_or(0xffff));
    context_.dataplane.set_path_mtu(index_, assumed_mtu_);
    set_rekey_time(now);
    look_at(now);
}

Session::~Session() {
    context_.sessions.erase(index_);
    context_.dataplane.retire(index_);
}

void Session::install(const Established& made) {
    dataplane::SessionState state;
    state.index = index_;
    state.format = context_.settings.format;
    state.peer = terms_.peer;
    state.owner = made.worker;
    state.port = port_;
    state.local = local_;
    state.remote = remote_;
    state.next_hop = way_->path() ? way_->hop() : context_.dataplane.add_next_hop(port_, std::nullopt);
    state.algorithm = made.algorithm;
    state.rx_key = made.rx_key;
    state.tx_key = made.tx_key;
    state.rx_salt = made.rx_salt;
    state.tx_salt = made.tx_salt;
    state.tx_next = made.tx_next;
    state.used_nonces = made.used_nonces;
    state.rekey_after_packets = terms_.rekey_packets;
    context_.dataplane.install(std::move(state));
}

std::uint16_t Session::ceiling() const {
    const std::uint16_t largest = std::min(context_.port_mtu(port_), peer_largest_);
    return terms_.mtu == 0 ? largest : std::min(largest, terms_.mtu);
}

// --- the way to the other end

void Session::use_path(const dataplane::IpAddress& remote) {
    way_ = context_.paths.open(remote);
    way_->add(*this);
}

void Session::path_changed(const RemotePath& path, const std::optional<Path>& before) {
    if (!path.path())
        return; // stay on the former way until there is another
    const Path& now = *path.path();
    context_.dataplane.set_next_hop(index_, path.hop());
    if (!before || before->source == now.source)
        return;
    // Only a session that lay on the former source moves along: others were called at an address of their own.
    if (before->source != local_.address)
        return;
    if (now.port != port_) {
        rekey_at_ = TimePoint{}; // another port takes a session of its own
        look_at(TimePoint{});
        return;
    }
    local_.address = now.source;
    context_.dataplane.set_local_address(index_, now.source);
    if (path_)
        path_->path_changed(context_.now());
    look_at(TimePoint{});
}

void Session::path_mtu_hint(std::uint32_t size) {
    const TimePoint now = context_.now();
    if (path_ && path_->hint(static_cast<std::uint16_t>(std::min<std::uint32_t>(size, 0xffff)), now))
        look_at(now);
}

void Session::roamed(const dataplane::Notice& notice, TimePoint now) {
    const bool elsewhere = notice.remote.address != remote_.address;
    remote_ = notice.remote;
    if (!elsewhere)
        return; // a NAT's new port: the same path
    use_path(remote_.address);
    if (way_->path())
        context_.dataplane.set_next_hop(index_, way_->hop());
    if (path_)
        path_->path_changed(now);
}

// --- what comes in

SessionNews Session::notice(const dataplane::Notice& notice, TimePoint now) {
    using Kind = dataplane::Notice::Kind;
    SessionNews news;
    switch (notice.kind) {
    case Kind::first_record:
        break; // below: any authenticated record proves it
    case Kind::frame:
        if (notice.content_type == 23)
            receive(notice.bytes, news, now);
        else if (notice.content_type == 21 && notice.bytes.size() >= 2 &&
                 (notice.bytes[0] == 2 || notice.bytes[1] == 0)) {
            news.goodbye = true; // RFC 5246 §7.2: a fatal alert, or close_notify
            news.ended = "the other end sent alert " + std::to_string(notice.bytes[1]);
        }
        break;
    case Kind::roamed:
        news.roamed = notice.remote != remote_;
        roamed(notice, now);
        break;
    case Kind::rekey_due:
        rekey_at_ = std::min(rekey_at_, initiator_ ? now : now + context_.timing().rekey_grace);
        break;
    case Kind::key_exhausted:
        exhausted_ = true;
        rekey_at_ = now;
        break;
    case Kind::path_mtu_hint:
    case Kind::handshake:
        return news; // unauthenticated: prove nothing
    }
    const bool heard =
        notice.kind == Kind::frame || notice.kind == Kind::first_record || notice.kind == Kind::roamed;
    if (heard && !proven_) {
        proven_ = news.proven = true;
        hello_.first_record(now);
    }
    look_at(now);
    return news;
}

void Session::receive(std::span<const std::uint8_t> bytes, SessionNews& news, TimePoint now) {
    const auto frame = decode_frame(bytes);
    if (!frame) {
        ++context_.frames_ignored;
        return;
    }
    if (const auto* request = std::get_if<DpdRequest>(&*frame)) {
        encode(FrameType::dpd_response, request->body, context_.frame);
        context_.dataplane.seal_frame(index_, context_.frame);
    } else if (const auto* response = std::get_if<DpdResponse>(&*frame)) {
        liveness_.answered();
        receive_echo(response->body, now);
    } else if (const auto* hello = std::get_if<Hello>(&*frame)) {
        news.hello = *hello;
    } else if (const auto* disconnect = std::get_if<Disconnect>(&*frame)) {
        news.goodbye = true;
        news.ended = "the other end disconnected: " + printable(disconnect->reason);
    } else if (std::holds_alternative<Terminate>(*frame)) {
        news.goodbye = true;
        news.ended = "the other end terminated it";
    }
}

void Session::accept_hello(const Hello& hello, TimePoint now) {
    instance_ = hello.instance;
    peer_largest_ = hello.largest_packet;
    liveness_.set_stranger(false);
    if (remote_index_ != hello.session_index) {
        remote_index_ = hello.session_index;
        context_.dataplane.set_remote_index(index_, remote_index_);
    }
    if (hello_.received(now, hello.seen))
        say_hello();
    if (!path_) {
        path_.emplace(context_.timing(), !remote_.address.is_v4(), ceiling(), known_path_mtu_, now);
        context_.dataplane.set_path_mtu(index_, path_->current());
    } else {
        path_->set_ceiling(ceiling(), now);
    }
    look_at(now);
}

// --- what its tunnel decides

void Session::place(std::uint8_t lane, std::uint32_t generation) {
    if (lane_ != lane)
        active_ = false; // settled anew, in the other lane
    lane_ = lane;
    generation_ = generation;
}

void Session::activate() {
    active_ = true;
    context_.dataplane.activate(index_, *lane_);
}

void Session::drain(TimePoint until) {
    active_ = false;
    draining_ = true;
    drained_at_ = until;
    look_at(until);
}

void Session::terms_changed(TimePoint now, bool tell_other_end) {
    liveness_.set_keepalive(terms_.keepalive);
    set_rekey_time(began_);
    if (path_)
        path_->set_ceiling(ceiling(), now);
    if (tell_other_end)
        hello_.restart(now);
    look_at(now);
}

Contender Session::contender() const {
    return {.generation = generation_,
            .initiator = initiator_,
            .order = order_,
            .proven = proven_,
            .active = active_,
            .exhausted = exhausted_,
            .draining = draining_};
}

std::string Session::text() const {
    char hex[16];
    std::snprintf(hex, sizeof hex, "%x", dataplane::raw(index_));
    return std::string("session ") + hex + " with " + remote_.text();
}

SessionStatus Session::status(TimePoint now) const {
    SessionStatus status;
    status.index = index_;
    status.remote_index = remote_index_;
    status.lane = lane_.value_or(0);
    status.generation = generation_;
    status.initiator = initiator_;
    status.stranger = stranger();
    status.phase = draining_ ? SessionPhase::draining : active_ ? SessionPhase::active : SessionPhase::waiting;
    status.port = port_;
    status.worker = worker_;
    status.local = local_;
    status.remote = remote_;
    status.cipher = cipher_;
    status.since = since_;
    status.age = std::chrono::duration_cast<std::chrono::milliseconds>(now - began_);
    status.path_mtu = path_mtu();
    status.path_mtu_verified = path_mtu_verified();
    if (const auto figures = context_.dataplane.session(index_)) {
        status.since_rx = std::chrono::duration_cast<std::chrono::milliseconds>(figures->since_rx);
        status.since_tx = std::chrono::duration_cast<std::chrono::milliseconds>(figures->since_tx);
        status.rx_packets = figures->rx_packets;
        status.rx_bytes = figures->rx_bytes;
        status.tx_packets = figures->tx_packets;
        status.tx_bytes = figures->tx_bytes;
    }
    return status;
}

} // namespace culvert::control
