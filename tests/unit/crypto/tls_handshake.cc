#include "tests/unit/crypto/tls_handshake.h"

#include <algorithm>
#include <cstring>
#include <openssl/bio.h>
#include <optional>
#include <stdexcept>

namespace culvert::crypto::test {
namespace {

constexpr std::uint8_t change_cipher_spec = 20, handshake_type = 22; // RFC 5246 §6.2.1
constexpr std::array<std::uint8_t, 32> psk{1, 2, 3};

unsigned psk_of_client(SSL*, const char*, char* identity, unsigned max_identity, unsigned char* key,
                       unsigned max_key) {
    constexpr std::string_view name = "test";
    if (max_identity <= name.size() || max_key < psk.size())
        return 0;
    std::ranges::copy(name, identity);
    identity[name.size()] = '\0';
    std::ranges::copy(psk, key);
    return psk.size();
}

unsigned psk_of_server(SSL*, const char*, unsigned char* key, unsigned max_key) {
    return max_key < psk.size() ? 0 : static_cast<unsigned>(std::ranges::copy(psk, key).out - key);
}

/// Moves what one end has written to the other, and keeps a copy.
bool deliver(SSL* from, SSL* to, Bytes& capture) {
    std::array<std::uint8_t, 4096> buffer;
    bool any = false;
    for (int count; (count = BIO_read(SSL_get_wbio(from), buffer.data(), sizeof(buffer))) > 0; any = true) {
        capture.insert(capture.end(), buffer.begin(), buffer.begin() + count);
        BIO_write(SSL_get_rbio(to), buffer.data(), count);
    }
    return any;
}

void step(SSL* ssl) {
    const int result = SSL_do_handshake(ssl);
    if (result != 1 && SSL_get_error(ssl, result) != SSL_ERROR_WANT_READ)
        throw std::runtime_error("the handshake failed");
}

/// What a record's header says. TLS has no epoch and no sequence number on the wire.
struct Header {
    std::uint8_t type;
    std::array<std::uint8_t, 2> version;
    std::optional<std::array<std::uint8_t, 8>> epoch_and_sequence;
    std::size_t length;
};

Header take_header(std::span<const std::uint8_t>& wire, Transport transport) {
    const std::size_t size = transport == Transport::tls ? 5 : 13;
    if (wire.size() < size)
        throw std::runtime_error("the capture ends within a header");
    Header header{wire[0], {wire[1], wire[2]}, {}, static_cast<std::size_t>(wire[size - 2] << 8 | wire[size - 1])};
    if (transport == Transport::dtls)
        std::copy_n(wire.begin() + 3, 8, header.epoch_and_sequence.emplace().begin());
    wire = wire.subspan(size);
    if (wire.size() < header.length)
        throw std::runtime_error("the capture ends within a record");
    return header;
}

CapturedRecord take_apart(const Header& header, std::span<const std::uint8_t> body) {
    CapturedRecord record;
    constexpr std::size_t nonce_size = sizeof(record.explicit_nonce); // RFC 5288 §3
    const std::size_t length = body.size() - nonce_size - tag_bytes;
    std::copy_n(body.begin(), nonce_size, record.explicit_nonce.begin());
    record.ciphertext.assign(body.begin() + nonce_size, body.end() - tag_bytes);
    std::copy_n(body.end() - tag_bytes, tag_bytes, record.tag.begin());
    // RFC 5246 §6.2.3.3; the first record after ChangeCipherSpec has sequence number 0, and epoch 1 in DTLS.
    const auto sequence = header.epoch_and_sequence.value_or(std::array<std::uint8_t, 8>{});
    record.associated_data.assign(sequence.begin(), sequence.end());
    record.associated_data.insert(record.associated_data.end(),
                                  {header.type, header.version[0], header.version[1],
                                   static_cast<std::uint8_t>(length >> 8), static_cast<std::uint8_t>(length)});
    return record;
}

} // namespace

TlsHandshake::TlsHandshake(Transport transport, const char* suite) : transport_(transport) {
    client_ = make_end(suite, true);
    server_ = make_end(suite, false);
    run();
}

std::unique_ptr<SSL, TlsHandshake::Free> TlsHandshake::make_end(const char* suite, bool client) const {
    const bool tls = transport_ == Transport::tls;
    const std::unique_ptr<SSL_CTX, Free> context(SSL_CTX_new(tls ? TLS_method() : DTLS_method()));
    const int version = tls ? TLS1_2_VERSION : DTLS1_2_VERSION;
    if (!context || SSL_CTX_set_min_proto_version(context.get(), version) != 1 ||
        SSL_CTX_set_max_proto_version(context.get(), version) != 1 ||
        SSL_CTX_set_cipher_list(context.get(), suite) != 1)
        throw std::runtime_error(std::string("OpenSSL doesn't offer ") + suite);
    SSL_CTX_set_dh_auto(context.get(), 1);
    SSL_CTX_set_options(context.get(), SSL_OP_NO_QUERY_MTU | SSL_OP_NO_TICKET);
    SSL_CTX_set_psk_client_callback(context.get(), psk_of_client);
    SSL_CTX_set_psk_server_callback(context.get(), psk_of_server);

    std::unique_ptr<SSL, Free> ssl(SSL_new(context.get()));
    BIO* input = BIO_new(BIO_s_mem());
    BIO* output = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(input, -1); // nothing there yet, rather than the end
    SSL_set_bio(ssl.get(), input, output);
    SSL_set_mtu(ssl.get(), 4096); // no message is fragmented
    client ? SSL_set_connect_state(ssl.get()) : SSL_set_accept_state(ssl.get());
    return ssl;
}

void TlsHandshake::run() {
    for (bool progress = true; progress;) {
        step(client_.get());
        progress = deliver(client_.get(), server_.get(), sent_by_client_);
        step(server_.get());
        progress |= deliver(server_.get(), client_.get(), sent_by_server_);
    }
    if (SSL_is_init_finished(client_.get()) != 1 || SSL_is_init_finished(server_.get()) != 1)
        throw std::runtime_error("the handshake came to a halt");
}

std::string TlsHandshake::digest() const {
    return EVP_MD_get0_name(SSL_CIPHER_get_handshake_digest(SSL_get_current_cipher(client_.get())));
}

Bytes TlsHandshake::master() const {
    Bytes bytes(SSL_MAX_MASTER_KEY_LENGTH);
    bytes.resize(SSL_SESSION_get_master_key(SSL_get_session(client_.get()), bytes.data(), bytes.size()));
    return bytes;
}

Bytes TlsHandshake::client_random() const {
    Bytes bytes(SSL3_RANDOM_SIZE);
    bytes.resize(SSL_get_client_random(client_.get(), bytes.data(), bytes.size()));
    return bytes;
}

Bytes TlsHandshake::server_random() const {
    Bytes bytes(SSL3_RANDOM_SIZE);
    bytes.resize(SSL_get_server_random(client_.get(), bytes.data(), bytes.size()));
    return bytes;
}

Bytes TlsHandshake::verify_data(Direction direction) const {
    Bytes bytes(EVP_MAX_MD_SIZE);
    const SSL* sender = direction == Direction::from_client ? client_.get() : server_.get();
    bytes.resize(SSL_get_finished(sender, bytes.data(), bytes.size()));
    return bytes;
}

CapturedRecord TlsHandshake::finished(Direction direction) const {
    std::span<const std::uint8_t> wire = direction == Direction::from_client ? sent_by_client_ : sent_by_server_;
    for (bool encrypted = false; !wire.empty();) {
        const Header header = take_header(wire, transport_);
        if (encrypted && header.type == handshake_type &&
            header.length > sizeof(CapturedRecord::explicit_nonce) + tag_bytes)
            return take_apart(header, wire.first(header.length));
        encrypted |= header.type == change_cipher_spec;
        wire = wire.subspan(header.length);
    }
    throw std::runtime_error("no Finished went over the wire");
}

} // namespace culvert::crypto::test
