#include "control/handshake/exchanges.h"

#include <algorithm>
#include <ranges>

namespace culvert::control {
namespace {

constexpr std::size_t max_datagram = 16384;

UdpTuple tuple_of(const dataplane::Datagram& datagram) {
    return {.local = datagram.local, .remote = datagram.remote};
}

FlightTimeouts timeouts_of(const HandshakeSettings& settings) {
    return {.first = settings.first_timeout, .longest = settings.longest_timeout};
}

} // namespace

Exchanges::Exchanges(HandshakeOutputs outputs, const HandshakeSettings& settings, Time now)
    : outputs_(std::move(outputs)), settings_(settings),
      listener_(store_, timeouts_of(settings), settings.cookie_lifetime, now),
      last_flights_(settings.last_flight_lifetime, settings.last_flight_interval),
      limits_(settings.max_half_open, settings.max_half_open_per_source) {}

void Exchanges::use(std::shared_ptr<const DtlsContext> context) {
    context_ = std::move(context);
    listener_.use(context_);
}

void Exchanges::set_peers(std::vector<PeerCredentials> peers) {
    const auto changed = store_.replace(std::move(peers));
    listener_.use(context_);
    end_all_with(changed);
}

void Exchanges::set_peer(PeerCredentials peer) {
    const PeerHandle handle = peer.peer;
    const bool changed = store_.set(std::move(peer));
    listener_.use(context_);
    if (changed)
        end_all_with({&handle, 1});
}

void Exchanges::remove_peer(PeerHandle peer) {
    store_.remove(peer);
    listener_.use(context_);
    end_all_with({&peer, 1});
}

/// Handshakes that go by credentials which don't count any more must not complete.
void Exchanges::end_all_with(std::span<const PeerHandle> peers) {
    const auto is_theirs = [&](const Exchange& exchange) {
        const PeerPointer peer = exchange.association.peer();
        return peer && std::ranges::find(peers, peer->peer) != peers.end();
    };
    std::vector<Exchange*> theirs;
    for (Table* table : {&attempts_, &half_open_})
        for (Exchange& exchange : *table | std::views::values)
            if (is_theirs(exchange))
                theirs.push_back(&exchange);
    for (Exchange* exchange : theirs) {
        const auto attempt = exchange->attempt;
        erase(*exchange);
        if (attempt && outputs_.failed) {
            ++figures_.failed;
            outputs_.failed(*attempt, "the peer's configuration has changed");
        }
    }
}

void Exchanges::initiate(AttemptId attempt, PeerHandle handle, dataplane::PortId port, dataplane::WorkerId worker,
                         const UdpTuple& tuple, Time now) {
    const auto give_up = [&](std::string reason) {
        ++figures_.failed;
        outputs_.failed(attempt, std::move(reason));
    };
    const PeerPointer peer = store_.find(handle);
    if (!peer || !context_)
        return give_up("the peer is not known any more");
    if (attempts_.contains(tuple) || by_attempt_.contains(attempt))
        return give_up("another attempt from " + tuple.local.text() + " to " + tuple.remote.text() +
                       " is under way");
    const Proofs proofs{.certificate = !peer->pins.empty() && context_->has_certificate(),
                        .psk = !peer->psk.empty()};
    if (!proofs.certificate && !proofs.psk)
        return give_up("this gateway has no certificate to show");
    auto channel = DtlsChannel::make(*context_, DtlsChannel::Role::initiator, proofs, Authentication(store_, peer),
                                     timeouts_of(settings_));
    if (!channel)
        return give_up("out of memory");

    const auto [entry, added] = attempts_.emplace(
        tuple, Exchange{.tuple = tuple,
                        .port = port,
                        .worker = worker,
                        .attempt = attempt,
                        .client_random = {},
                        .association = DtlsAssociation(std::move(channel), DtlsChannel::Role::initiator,
                                                       now + settings_.initiator_lifetime)});
    by_attempt_.emplace(attempt, tuple);
    Exchange& exchange = entry->second;
    advance(exchange, exchange.association.begin(now), now);
}

void Exchanges::cancel(AttemptId attempt) {
    const auto found = by_attempt_.find(attempt);
    if (found != by_attempt_.end())
        erase(attempts_.at(found->second));
}

void Exchanges::receive(const dataplane::Datagram& datagram, Time now) {
    ++figures_.datagrams;
    if (datagram.payload.size() > max_datagram) {
        ++figures_.dropped;
        return;
    }
    if (const auto hello = parse_client_hello(datagram.payload))
        return hear_hello(datagram, *hello, now);

    const UdpTuple tuple = tuple_of(datagram);
    for (Table* table : {&attempts_, &half_open_}) {
        const auto found = table->find(tuple);
        if (found == table->end())
            continue;
        Exchange& exchange = found->second;
        exchange.port = datagram.port;
        exchange.worker = datagram.worker;
        return advance(exchange, exchange.association.receive(datagram.payload, now), now);
    }
    const auto flight = last_flights_.repeat(tuple, datagram.payload, now);
    ++(flight.empty() ? figures_.dropped : figures_.flights_repeated);
    for (const Bytes& bytes : flight)
        outputs_.send({.port = datagram.port,
                       .worker = datagram.worker,
                       .local = datagram.local,
                       .remote = datagram.remote,
                       .payload = bytes});
}

/// A ClientHello makes state only when it brings a good cookie, and is not a duplicate of one that already has.
void Exchanges::hear_hello(const dataplane::Datagram& datagram, const ClientHello& hello, Time now) {
    const UdpTuple tuple = tuple_of(datagram);
    const auto half_open = half_open_.find(tuple);
    const bool duplicate =
        (half_open != half_open_.end() && std::ranges::equal(half_open->second.client_random, hello.random)) ||
        last_flights_.began_with(tuple, hello.random, now);
    if (duplicate) {
        ++figures_.dropped;
        return;
    }
    auto heard = listener_.hear(datagram.payload, datagram.remote, now);
    if (heard.channel)
        return respond(datagram, hello, std::move(heard.channel), now);
    ++(heard.answer.empty() ? figures_.dropped : figures_.cookies_sent);
    for (const Bytes& bytes : heard.answer)
        outputs_.send({.port = datagram.port,
                       .worker = datagram.worker,
                       .local = datagram.local,
                       .remote = datagram.remote,
                       .payload = bytes});
}

void Exchanges::respond(const dataplane::Datagram& datagram, const ClientHello& hello,
                        std::unique_ptr<DtlsChannel> channel, Time now) {
    const UdpTuple tuple = tuple_of(datagram);
    if (const auto before = half_open_.find(tuple); before != half_open_.end())
        erase(before->second); // the remote has begun anew, and has proved that it is there
    if (const auto victim = limits_.in_the_way(tuple.remote.address)) {
        erase(half_open_.at(*victim));
        ++figures_.displaced;
    }
    const auto [entry, added] = half_open_.emplace(
        tuple, Exchange{.tuple = tuple,
                        .port = datagram.port,
                        .worker = datagram.worker,
                        .attempt = std::nullopt,
                        .client_random = {},
                        .association = DtlsAssociation(std::move(channel), DtlsChannel::Role::responder,
                                                       now + settings_.responder_lifetime)});
    limits_.add(tuple);
    Exchange& exchange = entry->second;
    std::ranges::copy(hello.random, exchange.client_random.begin());
    advance(exchange, exchange.association.begin(now), now);
}

void Exchanges::advance(Exchange& exchange, Progress progress, Time now) {
    send(exchange, exchange.association.take_datagrams());
    switch (progress) {
    case Progress::waiting:
        return set_timer(exchange, exchange.association.deadline());
    case Progress::complete:
        return complete(exchange, now);
    case Progress::failed:
        return refuse(exchange);
    }
}

void Exchanges::complete(Exchange& exchange, Time now) {
    Established established = exchange.association.take_established();
    established.port = exchange.port;
    established.worker = exchange.worker;
    established.local = exchange.tuple.local;
    established.remote = exchange.tuple.remote;
    if (exchange.attempt)
        established.attempt = *exchange.attempt;
    else
        last_flights_.keep(exchange.tuple, exchange.client_random, exchange.association.take_last_flight(), now);
    erase(exchange);
    ++figures_.established;
    outputs_.established(std::move(established));
}

void Exchanges::refuse(Exchange& exchange) {
    const std::string reason = exchange.association.reason();
    const dataplane::Endpoint remote = exchange.tuple.remote;
    const auto attempt = exchange.attempt;
    erase(exchange);
    ++(attempt ? figures_.failed : figures_.refused);
    if (attempt)
        outputs_.failed(*attempt, reason);
    else
        outputs_.refused(remote, reason);
}

void Exchanges::send(const Exchange& exchange, std::span<const Bytes> datagrams) {
    for (const Bytes& bytes : datagrams)
        outputs_.send({.port = exchange.port,
                       .worker = exchange.worker,
                       .local = exchange.tuple.local,
                       .remote = exchange.tuple.remote,
                       .payload = bytes});
}

Exchanges::Time Exchanges::deadline() const {
    return timers_.empty() ? Time::max() : timers_.begin()->first;
}

void Exchanges::expire(Time now) {
    // One pass over what is due now: an exchange that sets its timer again has its turn in the next one.
    std::vector<Exchange*> due;
    for (auto it = timers_.begin(); it != timers_.end() && it->first <= now; ++it)
        due.push_back(it->second);
    for (Exchange* exchange : due)
        advance(*exchange, exchange->association.expire(now), now);
}

void Exchanges::set_timer(Exchange& exchange, Time timer) {
    timers_.erase({exchange.timer, &exchange});
    exchange.timer = timer;
    if (timer != Time::max())
        timers_.emplace(timer, &exchange);
}

void Exchanges::erase(Exchange& exchange) {
    set_timer(exchange, Time::max());
    const UdpTuple tuple = exchange.tuple; // a copy: the entry's own key goes with it
    if (exchange.attempt) {
        by_attempt_.erase(*exchange.attempt);
        attempts_.erase(tuple);
    } else {
        limits_.remove(tuple);
        half_open_.erase(tuple);
    }
}

HandshakeFigures Exchanges::figures() const {
    HandshakeFigures figures = figures_;
    figures.half_open = half_open_.size();
    figures.attempts = attempts_.size();
    return figures;
}

} // namespace culvert::control
