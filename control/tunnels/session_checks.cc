#include "control/tunnels/session.h"

#include <algorithm>
#include <cstring>

namespace culvert::control {

namespace {

/// How the body of our DPD-REQs begins; padding follows. The other end echoes it without looking.
struct AskBody {
    std::uint8_t kind; ///< 0: alive? 1: does a packet of `size` pass?
    std::uint8_t round;
    dataplane::be16 size;
};
static_assert(sizeof(AskBody) == 4 && alignof(AskBody) == 1);

} // namespace

SessionNews Session::check(TimePoint now) {
    SessionNews news;
    auto figures = context_.dataplane.session(index_);
    if (!figures) {
        news.ended = "the data plane has lost it";
        return news;
    }
    if (draining_) {
        news.drained = now >= drained_at_;
        look_at(drained_at_);
        return news;
    }
    // An initiator's stranger may be slow to speak; an end that nobody ever heard is an abandoned handshake.
    const auto patience = context_.timing().unproven;
    if (!proven_ && now - began_ >= patience && (!initiator_ || figures->unanswered >= patience)) {
        news.ended = "nothing was ever heard on it";
        return news;
    }
    if (figures->rx_records == 0 || figures->since_rx > now - began_)
        figures->since_rx = now - began_;
    const TimePoint last_rx = now - std::chrono::duration_cast<TimePoint::duration>(figures->since_rx);
    TimePoint next =
        std::min({check_hello(news, now), check_liveness(*figures, news, now), check_rekey(news, now)});
    if (path_)
        next = std::min(next, check_path(last_rx, news, now));
    look_at(next);
    return news;
}

TimePoint Session::check_hello(SessionNews& news, TimePoint now) {
    const HelloExchange::Step step = hello_.check(now);
    if (step.send)
        say_hello();
    if (step.stranger) {
        news.stranger = true;
        liveness_.set_stranger(true);
    }
    return step.next;
}

TimePoint Session::check_liveness(const dataplane::SessionFigures& figures, SessionNews& news, TimePoint now) {
    const bool may_send = initiator_ || proven_; // a responder sends nothing before its first record
    if (!may_send)
        return now + context_.timing().unanswered;
    const Liveness::Verdict verdict =
        liveness_.check(now, {.since_rx = figures.since_rx, .unanswered = figures.unanswered});
    if (verdict.dead)
        news.ended = "the other end does not answer";
    if (verdict.probe)
        ask(0);
    if (verdict.recovered && path_)
        path_->suspect(now); // small frames are answered, data is not: perhaps it is too large
    return verdict.next;
}

TimePoint Session::check_path(TimePoint last_rx, SessionNews& news, TimePoint now) {
    const PathMtu::Step step = path_->check(now, last_rx);
    if (step.set) {
        context_.dataplane.set_path_mtu(index_, *step.set);
        news.path_mtu = true;
    }
    for (const std::uint16_t size : step.sizes())
        ask(size);
    if (step.ask_alive)
        ask(0);
    return step.next;
}

TimePoint Session::check_rekey(SessionNews& news, TimePoint now) {
    if (now < rekey_at_)
        return rekey_at_;
    rekey_at_ = TimePoint::max(); // said once; the tunnel tries until it has another
    news.rekey = initiator_ || terms_.can_initiate;
    return rekey_at_;
}

/// The initiator's turn comes first, at a time that differs from session to session.
void Session::set_rekey_time(TimePoint from) {
    if (terms_.rekey_time.count() == 0) {
        rekey_at_ = TimePoint::max();
        return;
    }
    const auto jitter = terms_.rekey_time.count() * context_.timing().rekey_jitter_percent / 100;
    std::uniform_int_distribution<Timing::Duration::rep> around(-jitter, jitter);
    rekey_at_ = from + terms_.rekey_time + Timing::Duration(around(context_.random));
    if (!initiator_)
        rekey_at_ += Timing::Duration(2 * jitter) + context_.timing().rekey_grace;
}

void Session::say_hello() {
    const Hello hello{.seen = hello_.heard(),
                      .lane = lane_.value_or(0),
                      .lanes = terms_.lanes,
                      .largest_packet = context_.port_mtu(port_),
                      .generation = generation_,
                      .session_index = dataplane::raw(index_),
                      .instance = terms_.instance};
    context_.dataplane.seal_frame(index_, encode(hello));
}

void Session::say_goodbye(std::string_view reason) {
    if (!initiator_ && !proven_)
        return; // nothing may be sent yet
    encode(FrameType::disconnect, {reinterpret_cast<const std::uint8_t*>(reason.data()), reason.size()},
           context_.frame);
    context_.dataplane.seal_frame(index_, context_.frame);
}

/// DPD-REQ; of a certain outer size as a probe of the path.
void Session::ask(std::uint16_t path_probe_size) {
    const AskBody body{.kind = path_probe_size == 0 ? std::uint8_t{0} : std::uint8_t{1},
                       .round = path_ ? path_->round() : std::uint8_t{0},
                       .size = path_probe_size};
    std::array<std::uint8_t, sizeof body> bytes;
    std::memcpy(bytes.data(), &body, sizeof body);
    encode(FrameType::dpd_request, bytes, context_.frame);
    context_.dataplane.seal_frame(index_, context_.frame, path_probe_size);
}

void Session::receive_echo(std::span<const std::uint8_t> body, TimePoint now) {
    AskBody asked;
    if (!path_ || body.size() < sizeof asked)
        return;
    std::memcpy(&asked, body.data(), sizeof asked);
    if (asked.kind == 1 && path_->echoed(asked.size, asked.round))
        look_at(now);
}

} // namespace culvert::control
