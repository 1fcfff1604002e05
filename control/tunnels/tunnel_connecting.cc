#include "control/tunnels/tunnel.h"

#include <algorithm>
#include <cstdio>

/// When a tunnel begins handshakes, and with whom.
namespace culvert::control {

namespace {

/// Handshakes that this end has under way at the same time, for all peers together: more would only time out in
/// the handshake threads' queue.
constexpr std::size_t most_attempts = 512;

std::string seconds(Timing::Duration duration) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f s", static_cast<double>(duration.count()) / 1000);
    return text;
}

} // namespace

/// Looks at every lane, begins what is due, and comes back when the next thing is.
void Tunnel::plan(TimePoint now) {
    TimePoint next = TimePoint::max();
    for (std::uint16_t lane = 0; lane < lanes_used_ && lane < lanes_.size(); ++lane)
        next = std::min(next, plan_lane(static_cast<std::uint8_t>(lane), now));
    update_state();
    context_.wheel.schedule(*this, next);
}

TimePoint Tunnel::plan_lane(std::uint8_t number, TimePoint now) {
    Lane& lane = lanes_[number];
    if (lane.attempt != nullptr)
        if (const std::string reason = lane.attempt->failure(now); !reason.empty())
            failed(number, lane.attempt->remote().text() + ": " + reason, now);
    if (lane.attempt == nullptr) {
        const TimePoint at = wants_to_connect(number);
        if (at > now)
            return at;
        if (context_.attempts.size() >= most_attempts)
            return now + context_.timing().backoff_first;
        connect(number, now);
    }
    if (lane.attempt == nullptr)
        return TimePoint::max(); // its address is being looked up
    return lane.attempt->failure(now).empty() ? lane.attempt->deadline() : now;
}

/// TimePoint::max(): not at all.
TimePoint Tunnel::wants_to_connect(std::uint8_t number) const {
    if (leaving_ || !section_.endpoint)
        return TimePoint::max();
    const Lane& lane = lanes_[number];
    if (lane.rekey && active(number) != nullptr)
        return lane.next_attempt;
    if (has_session(number))
        return TimePoint::max();
    if (number == 0)
        return lane.next_attempt;
    // Whoever began lane 0 begins the others; the other end steps in when that fails.
    const Session* first = active(0);
    if (first == nullptr)
        return TimePoint::max();
    return first->initiator() ? lane.next_attempt
                              : std::max(lane.next_attempt, lane.missing_since + context_.timing().lane_patience);
}

void Tunnel::connect(std::uint8_t number, TimePoint now) {
    Lane& lane = lanes_[number];
    const auto remote = target(number);
    if (!remote)
        return;
    last_tried_ = remote;
    if (!lane.rekey)
        tell(Event::Kind::connecting, "lane " + std::to_string(number) + ": " + remote->text());
    lane.attempt =
        std::make_unique<Attempt>(context_, *this, credentials_.peer, *remote, lane.next_generation, now);
}

/// A lane goes where its own session or the first lane's leads, as long as that works; otherwise where the
/// configuration says.
std::optional<dataplane::Endpoint> Tunnel::target(std::uint8_t number) {
    if (lanes_[number].failures == 0)
        for (const Session* session : {active(number), active(0)})
            if (session != nullptr && session->initiator())
                return session->remote();
    if (addresses_.empty()) {
        resolve();
        return std::nullopt;
    }
    return dataplane::Endpoint{addresses_[next_address_ % addresses_.size()], section_.endpoint->port};
}

void Tunnel::resolve() {
    if (resolving_)
        return;
    resolving_ = true;
    const std::string& host = section_.endpoint->host;
    context_.names.resolve(host, [alive = std::weak_ptr(alive_), host](const auto& addresses) {
        if (const auto tunnel = alive.lock())
            (*tunnel)->resolved(host, addresses);
    });
}

void Tunnel::resolved(const std::string& host,
                      const std::expected<std::vector<dataplane::IpAddress>, std::string>& addresses) {
    resolving_ = false;
    const TimePoint now = TunnelContext::now();
    if (!section_.endpoint || section_.endpoint->host != host) {
        plan(now); // asked before the endpoint changed
        return;
    }
    if (addresses)
        addresses_ = *addresses;
    next_address_ = 0;
    if (addresses_.empty()) {
        const std::string reason = addresses ? host + " has no address" : addresses.error();
        for (std::uint16_t lane = 0; lane < lanes_used_; ++lane)
            if (lanes_[lane].attempt == nullptr && wants_to_connect(static_cast<std::uint8_t>(lane)) <= now)
                failed(static_cast<std::uint8_t>(lane), reason, now);
    }
    plan(now);
}

void Tunnel::failed(std::uint8_t number, const std::string& reason, TimePoint now) {
    Lane& lane = lanes_[number];
    lane.attempt.reset();
    ++lane.failures;
    const auto wait = lane.backoff.after_failure(context_.any_number());
    lane.next_attempt = now + wait;
    if (++next_address_ >= addresses_.size())
        addresses_.clear(); // asked for anew next time: a name may lead elsewhere by now
    last_error_ = reason;
    tell(Event::Kind::handshake_failed,
         "lane " + std::to_string(number) + ": " + reason + "; next attempt in " + seconds(wait));
}

} // namespace culvert::control
