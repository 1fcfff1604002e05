#pragma once

#include "control/handshake/credential_store.h"
#include "control/handshake/dtls_association.h"
#include "control/handshake/dtls_listener.h"
#include "control/handshake/half_open_limits.h"
#include "control/handshake/handshaker.h"
#include "control/handshake/last_flights.h"
#include "control/handshake/udp_tuple.h"

#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace culvert::control {

/// All handshakes of one thread: gives each datagram to the handshake it belongs to, bounds them, times them out.
/// Has no clock and no thread of its own: `now` is passed in.
class Exchanges {
  public:
    using Time = std::chrono::steady_clock::time_point;

    Exchanges(HandshakeOutputs outputs, const HandshakeSettings& settings, Time now);

    void use(std::shared_ptr<const DtlsContext> context);
    void set_peers(std::vector<PeerCredentials> peers);
    void set_peer(PeerCredentials peer);
    void remove_peer(PeerHandle peer);

    void initiate(AttemptId attempt, PeerHandle peer, dataplane::PortId port, dataplane::WorkerId worker,
                  const UdpTuple& tuple, Time now);
    void cancel(AttemptId attempt);
    void receive(const dataplane::Datagram& datagram, Time now);

    /// When expire() has something to do next; Time::max() if never.
    Time deadline() const;
    void expire(Time now);

    HandshakeFigures figures() const;

  private:
    struct Exchange {
        UdpTuple tuple;
        dataplane::PortId port{};
        dataplane::WorkerId worker{};
        std::optional<AttemptId> attempt; ///< none: we respond
        LastFlights::Random client_random{};
        DtlsAssociation association;
        Time timer = Time::max(); ///< its entry in timers_
    };
    using Table = std::unordered_map<UdpTuple, Exchange>;
    using Progress = DtlsAssociation::Progress;

    void hear_hello(const dataplane::Datagram& datagram, const ClientHello& hello, Time now);
    void respond(const dataplane::Datagram& datagram, const ClientHello& hello,
                 std::unique_ptr<DtlsChannel> channel, Time now);
    void advance(Exchange& exchange, Progress progress, Time now);
    void complete(Exchange& exchange, Time now);
    void refuse(Exchange& exchange);
    void send(const Exchange& exchange, std::span<const Bytes> datagrams);
    void set_timer(Exchange& exchange, Time timer);
    void erase(Exchange& exchange);
    void end_all_with(std::span<const PeerHandle> peers);

    HandshakeOutputs outputs_;
    HandshakeSettings settings_;
    CredentialStore store_;
    std::shared_ptr<const DtlsContext> context_;
    DtlsListener listener_;
    LastFlights last_flights_;
    HalfOpenLimits limits_;
    Table attempts_, half_open_;
    std::unordered_map<AttemptId, UdpTuple> by_attempt_;
    std::set<std::pair<Time, Exchange*>> timers_;
    HandshakeFigures figures_;
};

} // namespace culvert::control
