#pragma once

#include "control/handshake/exchanges.h"
#include "tests/unit/handshake/gateway.h"

#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace culvert::control::tests {

/// Both ends of handshakes on the test's own thread, datagram by datagram. `tokyo` initiates, `paris` responds.
class Rehearsal {
  public:
    struct End {
        std::unique_ptr<Exchanges> exchanges;
        std::vector<Established> established;
        std::vector<std::string> failed, refused;
        std::deque<std::vector<std::uint8_t>> sent; ///< not yet taken by the other end
    };

    explicit Rehearsal(const HandshakeSettings& settings = quick_settings());

    End& initiator() { return initiator_; }
    End& responder() { return responder_; }

    void use_certificates(const Identity& initiators, const Identity& responders);
    void use_psk(std::uint8_t fill);
    void initiate(AttemptId attempt = AttemptId{1});

    /// Hands the next datagram of `from` to the other end; false when there is none.
    bool step(End& from);
    /// Steps until nobody has anything to say.
    void run();
    void to_responder(std::span<const std::uint8_t> bytes, const dataplane::Endpoint& remote = tokyo);
    void to_initiator(std::span<const std::uint8_t> bytes);

    using Time = Exchanges::Time;
    Time now = std::chrono::steady_clock::now(); ///< moved by the test

  private:
    void attach(End& end, const HandshakeSettings& settings);

    End initiator_, responder_;
};

} // namespace culvert::control::tests
