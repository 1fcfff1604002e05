#pragma once

#include "control/handshake/certified_key.h"
#include "crypto/aead.h"

#include <expected>
#include <span>
#include <string>
#include <vector>

namespace culvert::control {

/// Which kinds of proof a handshake may use.
struct Proofs {
    bool certificate = false, psk = false;
};

/// OpenSSL's context for both roles, set up for what Culvert speaks: DTLS 1.2 and nothing else, AES-GCM with
/// forward secrecy, no resumption, no tickets, no renegotiation, no compression. Its callbacks find the
/// DtlsChannel of their SSL object. A new certificate means a new context; SSL objects keep the one they were made
/// with.
class DtlsContext {
  public:
    /// `own` null: PSK only. The error is one sentence.
    static std::expected<DtlsContext, std::string> make(const CertifiedKey* own,
                                                        std::vector<crypto::Algorithm> algorithms);

    /// An SSL object that offers, or takes, these proofs. Null: no memory, or no proof at all.
    SslPointer make_ssl(Proofs proofs) const;
    bool has_certificate() const { return has_certificate_; }

  private:
    DtlsContext() = default;

    SslContextPointer context_;
    std::vector<crypto::Algorithm> algorithms_;
    bool has_certificate_ = false;
};

/// What OpenSSL says was the last thing that went wrong; empties its queue. `otherwise` when it says nothing.
std::string openssl_reason(std::string_view otherwise);

} // namespace culvert::control
