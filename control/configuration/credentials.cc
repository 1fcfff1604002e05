#include "control/configuration/credentials.h"

#include "control/configuration/whole_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <openssl/asn1.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <unistd.h>

namespace culvert::control {
namespace {

constexpr std::string_view pin_scheme = "pin-sha256:";
constexpr std::size_t base64_of_32 = 44;
constexpr std::size_t largest_file = 1U << 20;

using X509Handle = std::unique_ptr<X509, decltype(&X509_free)>;
using BioHandle = std::unique_ptr<BIO, decltype(&BIO_free)>;
using KeyHandle = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

std::string encode(std::span<const std::uint8_t> bytes) {
    std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
    const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(),
                                       static_cast<int>(bytes.size()));
    text.resize(static_cast<std::size_t>(length));
    return text;
}

/// Only the one canonical text of 32 bytes is taken: EVP_DecodeBlock alone lets spaces and stray bits pass.
bool decode_32(std::string_view text, std::span<std::uint8_t, 32> out) {
    if (text.size() != base64_of_32)
        return false;
    std::array<std::uint8_t, 36> decoded{};
    std::array<std::uint8_t, base64_of_32 + 1> again{};
    const int length =
        EVP_DecodeBlock(decoded.data(), reinterpret_cast<const unsigned char*>(text.data()), base64_of_32);
    EVP_EncodeBlock(again.data(), decoded.data(), 32);
    const bool good = length == 33 && std::memcmp(again.data(), text.data(), base64_of_32) == 0;
    if (good)
        std::copy_n(decoded.begin(), 32, out.begin());
    OPENSSL_cleanse(decoded.data(), decoded.size());
    OPENSSL_cleanse(again.data(), again.size());
    return good;
}

std::unexpected<Complaint> unreadable(const std::filesystem::path& file, int error) {
    const std::string path = shell_quoted(file.string());
    return wrong(in_quotes(file.string()) + " can't be read: " + std::strerror(error),
                 error == ENOENT ? "put the file there or correct the path"
                                 : "see \"ls -l " + path + "\" and whom the daemon runs as");
}

std::expected<std::string, Complaint> read_file(const std::filesystem::path& file) {
    auto content = read_whole_file(file, largest_file);
    if (!content)
        return unreadable(file, content.error());
    return std::move(*content);
}

BioHandle open_text(std::string_view text) {
    return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free};
}

std::chrono::system_clock::time_point time_of(const ASN1_TIME* time) {
    std::tm parts{};
    if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1)
        return {};
    return std::chrono::system_clock::from_time_t(timegm(&parts));
}

/// Without this, OpenSSL would ask for a passphrase on the terminal.
int refuse_passphrase(char*, int, int, void* asked) {
    *static_cast<bool*>(asked) = true;
    return -1;
}

X509Handle first_certificate(std::string_view pem) {
    X509Handle certificate(PEM_read_bio_X509(open_text(pem).get(), nullptr, nullptr, nullptr), &X509_free);
    ERR_clear_error();
    return certificate;
}

std::expected<KeyHandle, Complaint> parse_private_key(std::string_view pem, const std::filesystem::path& file) {
    bool encrypted = false;
    KeyHandle key(PEM_read_bio_PrivateKey(open_text(pem).get(), nullptr, &refuse_passphrase, &encrypted),
                  &EVP_PKEY_free);
    ERR_clear_error();
    if (key)
        return key;
    const std::string name = in_quotes(file.string()), path = shell_quoted(file.string());
    if (encrypted)
        return wrong(name + " is locked by a passphrase, and nobody is there to give it",
                     "unlock it once: openssl pkey -in " + path + " -out UNLOCKED.key");
    return wrong(name + " holds no private key in PEM", "make one: culvertctl keygen NAME");
}

} // namespace

std::expected<Pin, Complaint> parse_pin(std::string_view text) {
    Pin pin{};
    if (text.starts_with(pin_scheme) && decode_32(text.substr(pin_scheme.size()), pin))
        return pin;
    return wrong(in_quotes(text) + " is not a pin",
                 "write \"pin-sha256:\" and 44 characters of base64; \"culvertctl pin FILE.crt\" on the other "
                 "gateway prints it");
}

std::string pin_text(const Pin& pin) {
    return std::string(pin_scheme) + encode(pin);
}

std::expected<PreSharedKey, Complaint> parse_psk(std::string_view text) {
    if (text.ends_with('\n'))
        text.remove_suffix(1);
    std::array<std::uint8_t, psk_bytes> bytes{};
    if (!decode_32(text, bytes))
        return wrong("holds no pre-shared key: it should be one line, the base64 of 32 bytes",
                     "make one: culvertctl keygen --psk FILE");
    PreSharedKey key(bytes);
    OPENSSL_cleanse(bytes.data(), bytes.size());
    return key;
}

std::expected<PreSharedKey, Complaint> read_psk_file(const std::filesystem::path& file) {
    if (auto problem = secret_file_problem(file))
        return std::unexpected(*problem);
    auto content = read_file(file);
    if (!content)
        return std::unexpected(content.error());
    auto key = parse_psk(*content);
    OPENSSL_cleanse(content->data(), content->size());
    if (!key)
        return wrong(in_quotes(file.string()) + " " + key.error().problem, key.error().advice);
    return key;
}

std::string psk_identity(const PreSharedKey& key) {
    static constexpr std::string_view label = "culvert psk identity";
    std::array<std::uint8_t, SHA256_DIGEST_LENGTH> digest{};
    unsigned length = digest.size();
    HMAC(EVP_sha256(), key.bytes().data(), static_cast<int>(key.bytes().size()),
         reinterpret_cast<const unsigned char*>(label.data()), label.size(), digest.data(), &length);
    return encode(std::span(digest).first<16>());
}

std::expected<CertificateFacts, Complaint> parse_certificate(std::string_view pem,
                                                             const std::filesystem::path& file) {
    const X509Handle certificate = first_certificate(pem);
    if (!certificate)
        return wrong(in_quotes(file.string()) + " holds no certificate in PEM",
                     "make one: culvertctl keygen NAME");
    CertificateFacts facts;
    unsigned char* spki = nullptr;
    const int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate.get()), &spki);
    if (length <= 0)
        return wrong(in_quotes(file.string()) + " has no public key", "make one: culvertctl keygen NAME");
    SHA256(spki, static_cast<std::size_t>(length), facts.pin.data());
    OPENSSL_free(spki);
    std::array<char, 256> name{};
    if (X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, name.data(),
                                  static_cast<int>(name.size())) > 0)
        facts.common_name = name.data();
    facts.not_before = time_of(X509_get0_notBefore(certificate.get()));
    facts.not_after = time_of(X509_get0_notAfter(certificate.get()));
    return facts;
}

std::expected<CertificateFacts, Complaint> read_certificate(const std::filesystem::path& file) {
    const auto pem = read_file(file);
    if (!pem)
        return std::unexpected(pem.error());
    return parse_certificate(*pem, file);
}

std::expected<OwnCertificate, Complaint> read_own_certificate(const std::filesystem::path& certificate,
                                                              const std::filesystem::path& private_key) {
    OwnCertificate own;
    auto chain = read_file(certificate);
    if (!chain)
        return std::unexpected(chain.error());
    auto facts = parse_certificate(*chain, certificate);
    if (!facts)
        return std::unexpected(facts.error());
    if (auto problem = secret_file_problem(private_key))
        return std::unexpected(*problem);
    auto pem = read_file(private_key);
    if (!pem)
        return std::unexpected(pem.error());
    const auto key = parse_private_key(*pem, private_key);
    if (!key)
        return std::unexpected(key.error());
    const bool match = X509_check_private_key(first_certificate(*chain).get(), key->get()) == 1;
    ERR_clear_error();
    if (!match)
        return wrong(in_quotes(private_key.string()) + " is not the key of " + in_quotes(certificate.string()),
                     "give the two files that \"culvertctl keygen NAME\" wrote together");
    own = {std::move(*chain), std::move(*pem), std::move(*facts)};
    return own;
}

std::optional<Complaint> secret_file_problem(const std::filesystem::path& file) {
    struct stat about{};
    if (stat(file.c_str(), &about) != 0)
        return unreadable(file, errno).error();
    if (S_ISDIR(about.st_mode))
        return unreadable(file, EISDIR).error();
    if (access(file.c_str(), R_OK) != 0)
        return unreadable(file, errno).error();
    if ((about.st_mode & S_IRWXO) != 0)
        return Complaint{in_quotes(file.string()) + " holds a secret and is open to everybody",
                         "chmod o= " + shell_quoted(file.string())};
    return std::nullopt;
}

} // namespace culvert::control
