#pragma once

#include "control/configuration/credentials.h"
#include "control/handshake/handshake.h"
#include "control/handshake/openssl_handles.h"

#include <chrono>
#include <expected>
#include <optional>
#include <string>
#include <vector>

namespace culvert::control {

/// A certificate with its chain and its key, as OpenSSL has them.
struct CertifiedKey {
    CertificatePointer certificate;
    std::vector<CertificatePointer> chain; ///< the intermediates
    KeyPointer key;
};

/// Reads the PEM texts; the error is one sentence. Whether they belong together shows when a context is made.
std::expected<CertifiedKey, std::string> read_certified_key(const OwnCredentials& own);

/// SHA-256 of the SubjectPublicKeyInfo.
std::expected<Pin, std::string> pin_of(X509& certificate);

/// None when the certificate's own notAfter cannot be read.
std::optional<std::chrono::system_clock::time_point> expiry_of(const X509& certificate);

} // namespace culvert::control
