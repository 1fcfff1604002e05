#include "control/handshake/dtls_context.h"

#include "control/handshake/dtls_channel.h"

#include <algorithm>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

namespace culvert::control {
namespace {

/// Bits of security: P-256, AES-128, RSA from 2048 bits on (level 2 of OpenSSL).
constexpr int security_level = 2;
constexpr long max_chain_bytes = 16384; ///< of a peer's certificates: half-open handshakes hold it in memory
/// Best first. The last one is there for certificates: their curve has to be among these.
constexpr const char* groups = "P-256:X25519:P-384";
constexpr const char* psk_group = "ffdhe3072"; ///< RFC 7919; about as strong as P-256
constexpr const char* signatures = "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:RSA-PSS+SHA256:RSA-PSS+SHA384:"
                                   "RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512";

std::string suites(std::span<const crypto::Algorithm> algorithms, Proofs proofs) {
    std::string list;
    for (const crypto::Algorithm algorithm : algorithms) {
        const bool strong = algorithm == crypto::Algorithm::aes_256_gcm;
        const std::string cipher = strong ? "AES256-GCM-SHA384:" : "AES128-GCM-SHA256:";
        if (proofs.certificate)
            list.append("ECDHE-ECDSA-").append(cipher).append("ECDHE-RSA-").append(cipher);
        if (proofs.psk)
            list.append("DHE-PSK-").append(cipher);
    }
    if (!list.empty())
        list.pop_back();
    return list;
}

int verify_certificate(X509_STORE_CTX* store, void*) {
    const auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    X509* certificate = X509_STORE_CTX_get0_cert(store);
    if (certificate != nullptr && DtlsChannel::of(ssl).authentication().accept_certificate(*certificate))
        return 1;
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED); // becomes the alert bad_certificate
    return 0;
}

unsigned look_up_psk(SSL* ssl, const char* identity, unsigned char* psk, unsigned room) {
    return static_cast<unsigned>(DtlsChannel::of(ssl).authentication().look_up_psk(identity, {psk, room}));
}

unsigned offer_psk(SSL* ssl, const char*, char* identity, unsigned identity_room, unsigned char* psk,
                   unsigned room) {
    return static_cast<unsigned>(
        DtlsChannel::of(ssl).authentication().offer_psk({identity, identity_room}, {psk, room}));
}

int make_cookie(SSL* ssl, unsigned char* cookie, unsigned* length) {
    return DtlsChannel::of(ssl).make_cookie(cookie, length) ? 1 : 0;
}

int check_cookie(SSL* ssl, const unsigned char* cookie, unsigned length) {
    return DtlsChannel::of(ssl).check_cookie({cookie, length}) ? 1 : 0;
}

KeyPointer psk_group_parameters() {
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, const_cast<char*>(psk_group), 0),
        OSSL_PARAM_construct_end(),
    };
    const KeyContextPointer context(EVP_PKEY_CTX_new_from_name(nullptr, "DH", nullptr));
    EVP_PKEY* group = nullptr;
    if (context && EVP_PKEY_fromdata_init(context.get()) == 1)
        EVP_PKEY_fromdata(context.get(), &group, EVP_PKEY_KEY_PARAMETERS, parameters);
    return KeyPointer(group);
}

bool use_certificate(SSL_CTX* context, const CertifiedKey& own) {
    if (SSL_CTX_use_certificate(context, own.certificate.get()) != 1 ||
        SSL_CTX_use_PrivateKey(context, own.key.get()) != 1 || SSL_CTX_check_private_key(context) != 1)
        return false;
    return std::ranges::all_of(own.chain, [&](const CertificatePointer& certificate) {
        return SSL_CTX_add1_chain_cert(context, certificate.get()) == 1;
    });
}

bool set_protocol(SSL_CTX* context) {
    SSL_CTX_set_security_level(context, security_level);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_NO_QUERY_MTU | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_quiet_shutdown(context, 1);
    SSL_CTX_set_max_cert_list(context, max_chain_bytes);
    KeyPointer group = psk_group_parameters();
    if (SSL_CTX_set_min_proto_version(context, DTLS1_2_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(context, DTLS1_2_VERSION) != 1 ||
        SSL_CTX_set1_groups_list(context, groups) != 1 || SSL_CTX_set1_sigalgs_list(context, signatures) != 1 ||
        !group || SSL_CTX_set0_tmp_dh_pkey(context, group.get()) != 1)
        return false;
    static_cast<void>(group.release()); // set0 has taken it
    return true;
}

void set_callbacks(SSL_CTX* context) {
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    SSL_CTX_set_cert_verify_callback(context, verify_certificate, nullptr);
    SSL_CTX_set_psk_server_callback(context, look_up_psk);
    SSL_CTX_set_psk_client_callback(context, offer_psk);
    SSL_CTX_set_cookie_generate_cb(context, make_cookie);
    SSL_CTX_set_cookie_verify_cb(context, check_cookie);
}

} // namespace

std::string openssl_reason(std::string_view otherwise) {
    const unsigned long error = ERR_peek_last_error();
    const char* reason = error == 0 ? nullptr : ERR_reason_error_string(error);
    ERR_clear_error();
    return reason == nullptr ? std::string(otherwise) : std::string(reason);
}

std::expected<DtlsContext, std::string> DtlsContext::make(const CertifiedKey* own,
                                                          std::vector<crypto::Algorithm> algorithms) {
    ERR_clear_error();
    DtlsContext result;
    result.context_.reset(SSL_CTX_new(DTLS_method()));
    result.algorithms_ = std::move(algorithms);
    result.has_certificate_ = own != nullptr;
    if (!result.context_ || !set_protocol(result.context_.get()))
        return std::unexpected("OpenSSL cannot do DTLS 1.2: " + openssl_reason("no memory"));
    // OpenSSL 3.0 has Ed25519 for TLS only.
    if (own != nullptr && !EVP_PKEY_is_a(own->key.get(), "EC") && !EVP_PKEY_is_a(own->key.get(), "RSA"))
        return std::unexpected("the certificate's key is neither ECDSA nor RSA, which is all that DTLS 1.2 takes");
    if (own != nullptr && !use_certificate(result.context_.get(), *own))
        return std::unexpected("the certificate and its key cannot be used: " + openssl_reason("no memory"));
    set_callbacks(result.context_.get());
    return result;
}

SslPointer DtlsContext::make_ssl(Proofs proofs) const {
    const std::string list = suites(algorithms_, proofs);
    SslPointer ssl(list.empty() ? nullptr : SSL_new(context_.get()));
    if (ssl && SSL_set_cipher_list(ssl.get(), list.c_str()) != 1)
        ssl.reset();
    ERR_clear_error();
    return ssl;
}

} // namespace culvert::control
