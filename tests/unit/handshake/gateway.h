#pragma once

#include "control/handshake/handshaker.h"
#include "tests/unit/handshake/identity.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace culvert::control::tests {

/// How long a test waits for anything before it fails.
inline constexpr std::chrono::seconds patience{20};

inline const dataplane::Endpoint paris{dataplane::IpAddress::parse("192.0.2.1").value(), 4433};
inline const dataplane::Endpoint tokyo{dataplane::IpAddress::parse("2001:db8::2").value(), 40001};
inline constexpr PeerHandle paris_handle{1}, tokyo_handle{2};

/// Short timers: a lost flight costs a test a twentieth of a second.
HandshakeSettings quick_settings();

/// A Handshaker and what it has told so far.
class Gateway {
  public:
    using Send = std::function<void(const dataplane::Datagram&)>;

    Gateway(Send send, const HandshakeSettings& settings = quick_settings());

    Handshaker& handshaker() { return handshaker_; }
    void initiate(AttemptId attempt, PeerHandle peer, const dataplane::Endpoint& local,
                  const dataplane::Endpoint& remote);

    /// Waits until so many have come; fails the test when they don't.
    Established wait_established(std::size_t nth = 0);
    std::string wait_failed(std::size_t nth = 0);
    std::string wait_refused(std::size_t nth = 0);
    /// Waits until the figures satisfy `condition`.
    bool wait_figures(const std::function<bool(const HandshakeFigures&)>& condition);

    std::size_t established_count() const;
    std::size_t failed_count() const;

  private:
    template <typename T>
    T wait_for(std::vector<T>& list, std::size_t nth, const char* what);

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<Established> established_;
    std::vector<std::pair<AttemptId, std::string>> failed_;
    std::vector<std::string> refused_;
    Handshaker handshaker_; ///< last: its thread uses the rest
};

/// Checks that what one end seals the other opens, both ways, and that the rest agrees.
void expect_matching(const Established& initiator, const Established& responder);

/// A whole application data record, as a worker would send it.
std::vector<std::uint8_t> seal_record(const Established& session, std::uint64_t sequence, std::string_view text);
/// What an application data record says; empty: it doesn't open.
std::string open_record(const Established& session, std::span<const std::uint8_t> record);

} // namespace culvert::control::tests
