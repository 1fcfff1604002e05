#include "control/handshake/dtls_association.h"

#include "crypto/key_derivation.h"

#include <algorithm>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <sys/time.h>

namespace culvert::control {
namespace {

using namespace std::chrono_literals;

/// An alert in clear is believed when this much later the handshake still hasn't gone on: whoever only guesses
/// addresses cannot end a handshake that way.
constexpr auto alert_grace = 1s;
/// OpenSSL keeps a buffer of 17 KB for each record that comes before its keys are there.
constexpr std::size_t max_sealed_records = 16;
/// OpenSSL's timers follow the wall clock, which may be set back: look again after this long.
constexpr auto longest_sleep = 2s;
constexpr auto shortest_sleep = 2ms;

bool has_last_flight(std::span<const std::uint8_t> datagram) {
    while (const auto record = take_record(datagram))
        if (record->type == ContentType::change_cipher_spec || record->epoch != 0)
            return true;
    return false;
}

/// What an alert says about which end refused what.
std::string meaning(std::uint8_t alert) {
    const std::string text = std::string(" (alert: ") + SSL_alert_desc_string_long(alert) + ")";
    switch (alert) {
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
        return "the other end refuses this gateway's certificate" + text;
    case SSL_AD_UNKNOWN_PSK_IDENTITY:
        return "the other end doesn't know this gateway's PSK" + text;
    case SSL_AD_HANDSHAKE_FAILURE:
    case SSL_AD_INSUFFICIENT_SECURITY:
        return "the other end has no cipher suite and credentials in common with this gateway" + text;
    default:
        return "the other end has ended the handshake" + text;
    }
}

std::optional<crypto::Algorithm> algorithm_of(const SSL_CIPHER* cipher) {
    switch (SSL_CIPHER_get_cipher_nid(cipher)) {
    case NID_aes_128_gcm:
        return crypto::Algorithm::aes_128_gcm;
    case NID_aes_256_gcm:
        return crypto::Algorithm::aes_256_gcm;
    default:
        return std::nullopt;
    }
}

} // namespace

DtlsAssociation::Progress DtlsAssociation::begin(Time now) {
    return drive(now);
}

DtlsAssociation::Progress DtlsAssociation::receive(std::span<const std::uint8_t> datagram, Time now) {
    if (progress_ != Progress::waiting)
        return progress_;
    const Bytes admitted = admit(datagram, now);
    if (admitted.empty())
        return progress_;
    channel_->offer(admitted);
    return drive(now);
}

DtlsAssociation::Progress DtlsAssociation::expire(Time now) {
    if (progress_ != Progress::waiting)
        return progress_;
    if (now >= end_)
        return fail(silence());
    ERR_clear_error();
    if (DTLSv1_handle_timeout(channel_->ssl()) < 0)
        return fail(silence());
    collect_written();
    schedule(now);
    return progress_;
}

/// Lets OpenSSL work on what it has been offered.
DtlsAssociation::Progress DtlsAssociation::drive(Time now) {
    ERR_clear_error();
    SSL* ssl = channel_->ssl();
    const int result = SSL_do_handshake(ssl);
    channel_->offer({});
    collect_written();
    if (const PeerPointer& claimed = channel_->authentication().peer())
        peer_ = claimed;
    if (result == 1) {
        if (const auto established = establish(); !established)
            return fail(established.error());
        channel_.reset();
        deadline_ = Time::max();
        return progress_ = Progress::complete;
    }
    if (SSL_get_error(ssl, result) != SSL_ERROR_WANT_READ)
        return fail(failure());
    schedule(now);
    return progress_;
}

DtlsAssociation::Progress DtlsAssociation::fail(std::string reason) {
    reason_ = std::move(reason);
    channel_.reset();
    deadline_ = Time::max();
    ERR_clear_error();
    return progress_ = Progress::failed;
}

/// Leaves out what has no place in a handshake, so that it can neither end it nor fill OpenSSL's queues.
Bytes DtlsAssociation::admit(std::span<const std::uint8_t> datagram, Time now) {
    Bytes admitted;
    const OSSL_HANDSHAKE_STATE state = SSL_get_state(channel_->ssl());
    bool sealed_may_follow = state == TLS_ST_SR_CHANGE || state == TLS_ST_CR_CHANGE;
    while (const auto record = take_record(datagram))
        if (admit_record(*record, sealed_may_follow, now))
            admitted.insert(admitted.end(), record->whole.begin(), record->whole.end());
    return admitted;
}

bool DtlsAssociation::admit_record(const DtlsRecord& record, bool& sealed_may_follow, Time now) {
    if (record.epoch == 1) {
        // A Finished that is ahead of its ChangeCipherSpec comes again; buffered records would be free memory to
        // fill.
        const bool wanted = record.type == ContentType::handshake || record.type == ContentType::alert;
        return wanted && sealed_may_follow && ++sealed_heard_ <= max_sealed_records;
    }
    if (record.epoch != 0)
        return false;
    if (const auto alert = fatal_alert(record)) {
        alert_ = *alert;
        end_ = std::min(end_, now + alert_grace);
        deadline_ = std::min(deadline_, end_);
    }
    sealed_may_follow = sealed_may_follow || record.type == ContentType::change_cipher_spec;
    const bool wanted = record.type == ContentType::handshake || record.type == ContentType::change_cipher_spec;
    records_heard_ += wanted ? 1 : 0;
    return wanted;
}

void DtlsAssociation::collect_written() {
    for (Bytes& datagram : channel_->take_written()) {
        if (role_ == DtlsChannel::Role::responder && has_last_flight(datagram))
            last_flight_.push_back(datagram);
        outgoing_.push_back(std::move(datagram));
    }
}

void DtlsAssociation::schedule(Time now) {
    deadline_ = std::min(end_, now + longest_sleep);
    timeval left{};
    if (DTLSv1_get_timeout(channel_->ssl(), &left) != 1)
        return;
    const auto sleep = std::chrono::seconds(left.tv_sec) + std::chrono::microseconds(left.tv_usec);
    deadline_ = std::min(deadline_, now + std::max<std::chrono::microseconds>(sleep, shortest_sleep));
}

/// Why OpenSSL has given up.
std::string DtlsAssociation::failure() const {
    const std::string& complaint = channel_->authentication().complaint();
    if (!complaint.empty())
        return complaint;
    return "the handshake failed: " + openssl_reason("the other end broke it off");
}

/// Why nothing came any more.
std::string DtlsAssociation::silence() const {
    if (alert_)
        return meaning(*alert_);
    if (records_heard_ == 0)
        return "no answer";
    const bool by_psk = peer_ && !peer_->psk.empty();
    if (by_psk && role_ == DtlsChannel::Role::initiator && !channel_->sealed().empty())
        return "no answer to the last flight: perhaps the two ends have different PSKs";
    if (by_psk && role_ == DtlsChannel::Role::responder && sealed_heard_ != 0)
        return "the initiator's Finished cannot be opened: the two ends have different PSKs";
    return "the other end fell silent in the middle of the handshake";
}

/// Takes over from OpenSSL what a session is made of.
std::expected<void, std::string> DtlsAssociation::establish() {
    const Authentication& authentication = channel_->authentication();
    if (!authentication.peer() ||
        (authentication.expected() && authentication.peer() != authentication.expected()))
        return std::unexpected("the other end has not shown who it is");
    const SSL_CIPHER* cipher = SSL_get_current_cipher(channel_->ssl());
    const auto algorithm = algorithm_of(cipher);
    if (!algorithm)
        return std::unexpected("the cipher suite is none of those offered");
    if (auto derived = derive_keys(*algorithm); !derived)
        return derived;

    established_.peer = authentication.peer()->peer;
    established_.initiator = role_ == DtlsChannel::Role::initiator;
    established_.algorithm = *algorithm;
    established_.cipher = SSL_CIPHER_get_name(cipher);
    established_.peer_certificate_expiry = authentication.certificate_expiry();
    for (const SealedRecord& record : channel_->sealed()) {
        established_.tx_next = std::max(established_.tx_next, record.sequence + 1);
        established_.used_nonces.push_back(record.nonce);
    }
    return {};
}

std::expected<void, std::string> DtlsAssociation::derive_keys(crypto::Algorithm algorithm) {
    struct Master {
        std::array<std::uint8_t, SSL_MAX_MASTER_KEY_LENGTH> bytes{};
        ~Master() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
    } master;
    std::array<std::uint8_t, random_bytes> client{}, server{};
    SSL* ssl = channel_->ssl();
    const std::size_t length =
        SSL_SESSION_get_master_key(SSL_get_session(ssl), master.bytes.data(), master.bytes.size());
    SSL_get_client_random(ssl, client.data(), client.size());
    SSL_get_server_random(ssl, server.data(), server.size());
    const EVP_MD* digest = SSL_CIPHER_get_handshake_digest(SSL_get_current_cipher(ssl));
    const auto keys = crypto::derive_tls12_keys(algorithm, EVP_MD_get0_name(digest),
                                                std::span(master.bytes).first(length), client, server);
    if (!keys)
        return std::unexpected(keys.error());
    const bool initiator = role_ == DtlsChannel::Role::initiator; // DTLS's client
    established_.tx_key = initiator ? keys->client_key : keys->server_key;
    established_.rx_key = initiator ? keys->server_key : keys->client_key;
    established_.tx_salt = initiator ? keys->client_salt : keys->server_salt;
    established_.rx_salt = initiator ? keys->server_salt : keys->client_salt;
    return {};
}

} // namespace culvert::control
