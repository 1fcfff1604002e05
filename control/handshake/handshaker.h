#pragma once

#include "control/handshake/handshake.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

namespace culvert::control {

/// Limits and timers of the handshakes of one thread.
struct HandshakeSettings {
    std::vector<crypto::Algorithm> algorithms{crypto::Algorithm::aes_256_gcm,
                                              crypto::Algorithm::aes_128_gcm}; ///< allowed, best first
    std::size_t max_half_open = 4096;           ///< responding handshakes whose cookie was right, in all
    std::size_t max_half_open_per_source = 128; ///< of them from one IPv4 address or one IPv6 /64; two a lane
    std::chrono::milliseconds first_timeout{250}, longest_timeout{2000}; ///< of a flight; doubles in between
    std::chrono::milliseconds initiator_lifetime{10'000}, responder_lifetime{15'000};
    std::chrono::milliseconds last_flight_lifetime{30'000}, last_flight_interval{200};
    std::chrono::milliseconds cookie_lifetime{60'000}; ///< of a secret; a cookie is good for one to two of them
};

/// What has happened so far, and what there is now.
struct HandshakeFigures {
    std::uint64_t datagrams = 0;    ///< looked at
    std::uint64_t cookies_sent = 0; ///< HelloVerifyRequests
    std::uint64_t dropped = 0;      ///< datagrams that meant nothing here
    std::uint64_t overflowed = 0;   ///< datagrams thrown away because the thread was too far behind
    std::uint64_t established = 0, failed = 0, refused = 0;
    std::uint64_t displaced = 0;        ///< half-open handshakes that gave way because a limit was reached
    std::uint64_t flights_repeated = 0; ///< last flights that were sent again
    std::size_t half_open = 0, attempts = 0;
};

/// All DTLS handshakes, on one thread of its own: responds to strangers after a stateless cookie, initiates when
/// told.
///
/// Every method may be called from any thread and returns at once; calls take effect in their order. The outputs
/// are called on the handshake thread, and may call back into any method but stop() and the destructor.
///
/// An initiator needs a UDP source port of its own: a port from which it also responds to the same remote would
/// mix up the two handshakes.
class Handshaker {
  public:
    /// Starts the thread, without credentials and without peers: until there are some, everybody is refused.
    explicit Handshaker(HandshakeOutputs outputs, HandshakeSettings settings = {});
    ~Handshaker(); ///< stop()
    Handshaker(const Handshaker&) = delete;
    Handshaker& operator=(const Handshaker&) = delete;

    /// Ends the thread; no output is called afterwards. Unfinished attempts end without a word.
    void stop();

    /// Certificate and key for handshakes that begin from now on; those under way finish with what they began
    /// with. The error is one sentence, and nothing has changed then.
    std::expected<void, std::string> set_own_credentials(const OwnCredentials& own);

    /// Replaces all peers. Half-open handshakes with peers that are gone or changed end.
    void set_peers(std::vector<PeerCredentials> peers);
    /// Adds a peer, or replaces what is known of it.
    void set_peer(PeerCredentials peer);
    /// Its attempts end with `failed`; a session that exists already is the caller's business.
    void remove_peer(PeerHandle peer);

    /// Begins a handshake from `local` to `remote`, both complete with address and port. Ends with `established`
    /// or `failed`, exactly one of them, unless cancelled before.
    void initiate(AttemptId attempt, PeerHandle peer, dataplane::PortId port, dataplane::WorkerId worker,
                  const dataplane::Endpoint& local, const dataplane::Endpoint& remote);
    /// Forgets an attempt. `established` or `failed` may still come if it was about to end.
    void cancel(AttemptId attempt);

    /// A handshake datagram in clear, also of endpoints with a live session (Notice::handshake). Copied.
    void deliver(const dataplane::Datagram& datagram);

    /// Polls the dataplane for strangers' datagrams from now on, sleeping on its waker. It outlives stop().
    void attach(dataplane::Dataplane& dataplane);

    HandshakeFigures figures() const;

  private:
    class Thread;
    std::unique_ptr<Thread> thread_;
};

/// When the certificate (the first of the chain) expires. The error is one sentence.
std::expected<std::chrono::system_clock::time_point, std::string> certificate_expiry(const OwnCredentials& own);

} // namespace culvert::control
