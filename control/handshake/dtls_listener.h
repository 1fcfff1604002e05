#pragma once

#include "control/handshake/cookies.h"
#include "control/handshake/dtls_channel.h"
#include "control/handshake/dtls_context.h"

#include <chrono>
#include <memory>
#include <span>
#include <vector>

namespace culvert::control {

/// Hears ClientHellos of strangers and keeps nothing of them: answers with a cookie, and hands out an SSL object
/// only for a ClientHello that brings a good one back. One thread; the store outlives it.
class DtlsListener {
  public:
    DtlsListener(const CredentialStore& store, FlightTimeouts timeouts, std::chrono::milliseconds cookie_lifetime,
                 Cookies::Time now)
        : store_(store), timeouts_(timeouts), cookies_(cookie_lifetime, now) {}

    /// For handshakes from now on. Also to be called when the first peer with a PSK, or by pin, comes or the last
    /// goes.
    void use(std::shared_ptr<const DtlsContext> context);

    struct Heard {
        std::vector<Bytes> answer;            ///< at most one HelloVerifyRequest
        std::unique_ptr<DtlsChannel> channel; ///< has read a ClientHello whose cookie is good
    };
    /// `datagram` has been found to be a whole ClientHello.
    Heard hear(std::span<const std::uint8_t> datagram, const dataplane::Endpoint& remote, Cookies::Time now);

    bool good_cookie(const dataplane::Endpoint& remote, std::span<const std::uint8_t> cookie, Cookies::Time now) {
        return cookies_.valid(remote, cookie, now);
    }

  private:
    bool ready();

    const CredentialStore& store_;
    FlightTimeouts timeouts_;
    Cookies cookies_;
    std::shared_ptr<const DtlsContext> context_;
    std::unique_ptr<DtlsChannel> listening_; ///< the only one, however many knock
};

} // namespace culvert::control
