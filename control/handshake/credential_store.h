#pragma once

#include "control/handshake/certified_key.h"
#include "control/handshake/handshake.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace culvert::control {

using PeerPointer = std::shared_ptr<const PeerCredentials>;

/// The peers, by what they can show. One thread. Who two peers share a pin or a PSK with is the configuration's
/// business: one of them is found, no matter which.
class CredentialStore {
  public:
    /// Replaces all; returns those that are gone or changed.
    std::vector<PeerHandle> replace(std::vector<PeerCredentials> peers);
    /// Adds or replaces one; true when it was there and has changed.
    bool set(PeerCredentials peer);
    bool remove(PeerHandle peer); ///< true when it was there

    PeerPointer find(PeerHandle peer) const;                      ///< null: none such
    PeerPointer by_pin(const Pin& pin) const;                     ///< compared in constant time
    PeerPointer by_psk_identity(std::string_view identity) const; ///< psk_identity() of its PSK, or its name

    bool any_by_pin() const { return !by_pin_.empty(); }
    bool any_by_psk() const { return !by_identity_.empty(); }

  private:
    void index(const PeerPointer& peer);
    void unindex(const PeerPointer& peer);

    std::unordered_map<PeerHandle, PeerPointer> peers_;
    std::unordered_multimap<std::uint64_t, PeerPointer> by_pin_; ///< by the first bytes of the pin
    std::unordered_multimap<std::string, PeerPointer> by_identity_;
};

/// Whether `pin` is one of the peer's. The time it takes tells only how many the peer has.
bool has_pin(const PeerCredentials& peer, const Pin& pin);

} // namespace culvert::control
