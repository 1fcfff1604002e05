#include "control/handshake/certified_key.h"

#include "control/handshake/handshaker.h"

#include <ctime>
#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

namespace culvert::control {
namespace {

BioPointer reader(const std::string& text) {
    return BioPointer(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

/// A key that is encrypted is an error: OpenSSL would ask the terminal for its passphrase.
int no_passphrase(char*, int, int, void*) {
    return -1;
}

} // namespace

std::expected<CertifiedKey, std::string> read_certified_key(const OwnCredentials& own) {
    CertifiedKey result;
    const BioPointer certificates = reader(own.certificate_chain);
    if (certificates)
        result.certificate.reset(PEM_read_bio_X509(certificates.get(), nullptr, no_passphrase, nullptr));
    if (!result.certificate)
        return std::unexpected("the certificate is no PEM certificate");
    while (X509* next = PEM_read_bio_X509(certificates.get(), nullptr, no_passphrase, nullptr))
        result.chain.emplace_back(next);

    const BioPointer key = reader(own.private_key);
    if (key)
        result.key.reset(PEM_read_bio_PrivateKey(key.get(), nullptr, no_passphrase, nullptr));
    ERR_clear_error();
    if (!result.key)
        return std::unexpected("the private key is no PEM private key, or is encrypted");
    return result;
}

std::expected<Pin, std::string> pin_of(X509& certificate) {
    unsigned char* der = nullptr;
    const int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(&certificate), &der);
    if (length <= 0)
        return std::unexpected("the certificate has no public key that can be read");
    Pin pin{};
    SHA256(der, static_cast<std::size_t>(length), pin.data());
    OPENSSL_free(der);
    return pin;
}

std::optional<std::chrono::system_clock::time_point> expiry_of(const X509& certificate) {
    std::tm time{};
    if (ASN1_TIME_to_tm(X509_get0_notAfter(&certificate), &time) != 1)
        return std::nullopt;
    return std::chrono::system_clock::from_time_t(timegm(&time));
}

std::expected<std::chrono::system_clock::time_point, std::string> certificate_expiry(const OwnCredentials& own) {
    const auto read = read_certified_key(own);
    if (!read)
        return std::unexpected(read.error());
    const auto expiry = expiry_of(*read->certificate);
    if (!expiry)
        return std::unexpected("the certificate's end of validity cannot be read");
    return *expiry;
}

} // namespace culvert::control
