#pragma once

#include "tests/unit/crypto/sealed_packet.h"

#include <memory>
#include <openssl/ssl.h>
#include <span>
#include <string>

namespace culvert::crypto::test {

enum class Transport { tls, dtls };

/// An encrypted record, taken apart (RFC 5288 §3) with the associated data that it was sealed with.
struct CapturedRecord {
    std::array<std::uint8_t, 8> explicit_nonce{};
    Bytes ciphertext, associated_data;
    std::array<std::uint8_t, tag_bytes> tag{};
};

/// A real TLS or DTLS 1.2 handshake by PSK between two OpenSSL ends, with all that went over the wire.
class TlsHandshake {
  public:
    enum class Direction { from_client, from_server };

    /// Throws std::runtime_error if it fails.
    TlsHandshake(Transport transport, const char* suite);

    std::string digest() const;
    Bytes master() const;
    Bytes client_random() const;
    Bytes server_random() const;
    Bytes verify_data(Direction direction) const; ///< as OpenSSL remembers it
    std::size_t handshake_header_bytes() const { return transport_ == Transport::tls ? 4 : 12; }

    /// The first record under the new keys. Throws std::runtime_error if none went over the wire.
    CapturedRecord finished(Direction direction) const;

  private:
    struct Free {
        void operator()(SSL* ssl) const { SSL_free(ssl); }
        void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    };

    std::unique_ptr<SSL, Free> make_end(const char* suite, bool client) const;
    void run();

    Transport transport_;
    std::unique_ptr<SSL, Free> client_, server_;
    Bytes sent_by_client_, sent_by_server_;
};

} // namespace culvert::crypto::test
