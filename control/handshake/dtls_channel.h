#pragma once

#include "control/handshake/authentication.h"
#include "control/handshake/cookies.h"
#include "control/handshake/dtls_context.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace culvert::control {

using Bytes = std::vector<std::uint8_t>;

/// How long OpenSSL waits before it sends a flight again.
struct FlightTimeouts {
    std::chrono::milliseconds first{250}, longest{2000};
};

/// A record that OpenSSL sealed under the new keys.
struct SealedRecord {
    std::uint64_t sequence = 0;
    std::uint64_t nonce = 0; ///< the explicit part, host order
};

/// One SSL object with all that its callbacks need, and with memory where the socket would be: what it writes in
/// one go is one datagram. Stays where it is in memory. One thread.
class DtlsChannel {
  public:
    enum class Role : std::uint8_t { initiator, responder };

    /// Null: no memory.
    static std::unique_ptr<DtlsChannel> make(const DtlsContext& context, Role role, Proofs proofs,
                                             Authentication authentication, FlightTimeouts timeouts);
    static DtlsChannel& of(const SSL* ssl);

    SSL* ssl() const { return ssl_.get(); }
    Authentication& authentication() { return authentication_; }

    /// The datagram that OpenSSL reads next, within this call's caller: it has to stay there until then.
    void offer(std::span<const std::uint8_t> datagram) { incoming_ = datagram; }
    std::vector<Bytes> take_written() { return std::exchange(written_, {}); }
    const std::vector<SealedRecord>& sealed() const { return sealed_; }

    /// A responder that listens: whose cookie it is about now. `cookies` is used during that call only.
    void ask_for_cookie(Cookies& cookies, const dataplane::Endpoint& remote, Cookies::Time now);
    bool make_cookie(unsigned char* cookie, unsigned* length);
    bool check_cookie(std::span<const std::uint8_t> cookie);

  private:
    DtlsChannel(Authentication authentication, FlightTimeouts timeouts)
        : authentication_(std::move(authentication)), timeouts_(timeouts) {}
    friend struct ChannelBio;
    static unsigned next_timeout(SSL* ssl, unsigned microseconds);
    void note_sealed(std::span<const std::uint8_t> datagram);

    SslPointer ssl_;
    Authentication authentication_;
    FlightTimeouts timeouts_;
    std::span<const std::uint8_t> incoming_;
    std::vector<Bytes> written_;
    std::vector<SealedRecord> sealed_;
    Cookies* cookies_ = nullptr;
    dataplane::Endpoint asking_;
    Cookies::Time asked_;
};

} // namespace culvert::control
