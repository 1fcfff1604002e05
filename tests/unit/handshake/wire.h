#pragma once

#include "tests/unit/handshake/gateway.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace culvert::control::tests {

/// A datagram on the wire between two gateways.
struct Sent {
    bool by_initiator = false;
    std::size_t ordinal = 0; ///< among those of its direction, from 0
    std::vector<std::uint8_t> bytes;
};

/// What the wire does to a datagram.
struct Fate {
    unsigned copies = 1;    ///< 0: lost
    std::size_t behind = 0; ///< so many later datagrams of its direction overtake it
};

/// The workers that receive at either end.
inline constexpr dataplane::WorkerId responders_worker{3}, initiators_worker{5};

/// Two gateways, joined by memory: `tokyo` initiates, `paris` responds.
class Wire {
  public:
    using Judge = std::function<Fate(const Sent&)>;

    explicit Wire(Judge judge = {}, const HandshakeSettings& settings = quick_settings());
    ~Wire(); ///< stops both before either is destroyed

    Gateway& initiator() { return *initiator_; }
    Gateway& responder() { return *responder_; }

    /// Both get an identity and the other's pin.
    void use_certificates(KeyKind kind = KeyKind::p256);
    void use_identities(const Identity& initiators, const Identity& responders);
    void use_psk(std::uint8_t initiators, std::uint8_t responders);
    void initiate(AttemptId attempt = AttemptId{1});

    std::vector<Sent> log() const; ///< all that was sent, whatever became of it

    /// What the session says of the records that OpenSSL sealed is what was seen on the wire.
    void expect_sealed(const Established& session) const;

    const Identity& initiators() const { return initiators_; }
    const Identity& responders() const { return responders_; }

  private:
    struct Direction {
        std::size_t sent = 0;
        std::vector<std::pair<std::size_t, std::vector<std::uint8_t>>> held; ///< until so many have been sent
    };
    void carry(bool by_initiator, const dataplane::Datagram& datagram);

    Judge judge_;
    mutable std::mutex mutex_;
    Direction directions_[2];
    std::vector<Sent> log_;
    Identity initiators_, responders_;
    std::unique_ptr<Gateway> initiator_, responder_;
};

} // namespace culvert::control::tests
