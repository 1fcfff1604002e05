#include "tests/unit/handshake/identity.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdexcept>

namespace culvert::control::tests {
namespace {

EVP_PKEY* make_key(KeyKind kind) {
    switch (kind) {
    case KeyKind::p256:
        return EVP_EC_gen("P-256");
    case KeyKind::p384:
        return EVP_EC_gen("P-384");
    case KeyKind::rsa2048:
        return EVP_RSA_gen(2048);
    case KeyKind::ed25519:
        return EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
    }
    return nullptr;
}

std::string text_in(BIO* bio) {
    char* text = nullptr;
    const long length = BIO_get_mem_data(bio, &text);
    return {text, static_cast<std::size_t>(length)};
}

} // namespace

Identity make_identity(KeyKind kind, int valid_days) {
    constexpr long day = 24L * 3600;
    const KeyPointer key(make_key(kind));
    const CertificatePointer certificate(X509_new());
    X509* x = certificate.get();
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -day);
    X509_gmtime_adj(X509_getm_notAfter(x), valid_days * day);
    X509_set_pubkey(x, key.get());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    if (X509_sign(x, key.get(), kind == KeyKind::ed25519 ? nullptr : EVP_sha256()) == 0)
        throw std::runtime_error("cannot sign a certificate");

    const BioPointer certificate_text(BIO_new(BIO_s_mem())), key_text(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509(certificate_text.get(), x);
    PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    return {.own = {.certificate_chain = text_in(certificate_text.get()), .private_key = text_in(key_text.get())},
            .pin = pin_of(*x).value()};
}

PeerCredentials by_pin(PeerHandle handle, const std::string& name, const Identity& identity) {
    return {.peer = handle, .name = name, .pins = {identity.pin}, .psk = {}};
}

PeerCredentials by_psk(PeerHandle handle, const std::string& name, std::uint8_t fill) {
    const std::vector<std::uint8_t> psk(32, fill);
    return {.peer = handle, .name = name, .pins = {}, .psk = crypto::Secret<64>(psk)};
}

} // namespace culvert::control::tests
