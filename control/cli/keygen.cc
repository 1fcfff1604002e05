#include "control/cli/keygen.h"

#include "control/configuration/credentials.h"
#include "control/configuration/value_syntax.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <ostream>
#include <span>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace culvert::control {
namespace {

constexpr int key_mode = 0600, certificate_mode = 0644;
constexpr long clock_skew_seconds = 3600; // to be valid where clocks are behind
constexpr int valid_years = 10;

template <auto Free>
struct Release {
    template <typename Object>
    void operator()(Object* object) const {
        Free(object);
    }
};
using BioHandle = std::unique_ptr<BIO, Release<&BIO_free>>;
using KeyHandle = std::unique_ptr<EVP_PKEY, Release<&EVP_PKEY_free>>;
using CertificateHandle = std::unique_ptr<X509, Release<&X509_free>>;

std::unexpected<Complaint> openssl_refused(const char* what) {
    return wrong(std::string("OpenSSL can't make ") + what,
                 "see whether \"openssl version -a\" names a sound installation");
}

/// A new file, gone again unless it is kept.
class NewFile {
  public:
    static std::expected<NewFile, Complaint> create(const std::filesystem::path& path, int mode) {
        const int descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (descriptor >= 0)
            return NewFile(path, descriptor);
        if (errno == EEXIST)
            return wrong(in_quotes(path.string()) + " is there already, and nothing is overwritten",
                         "move it away first: mv " + shell_quoted(path.string()) + " " +
                             shell_quoted(path.string() + ".old"));
        return wrong(in_quotes(path.string()) + " can't be written: " + std::strerror(errno),
                     "give a name in a folder that you may write to");
    }
    NewFile(NewFile&& other) noexcept
        : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}
    NewFile& operator=(NewFile&&) = delete;
    ~NewFile() {
        if (descriptor_ < 0)
            return;
        close(descriptor_);
        unlink(path_.c_str());
    }

    std::expected<void, Complaint> write(std::span<const char> content) {
        while (!content.empty()) {
            const ssize_t written = ::write(descriptor_, content.data(), content.size());
            if (written < 0 && errno != EINTR)
                return unwritable();
            content = content.subspan(static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
        }
        return fsync(descriptor_) == 0 || errno == EINVAL ? std::expected<void, Complaint>{} : unwritable();
    }
    void keep() { close(std::exchange(descriptor_, -1)); }

  private:
    NewFile(std::filesystem::path path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
    std::unexpected<Complaint> unwritable() const {
        return wrong(in_quotes(path_.string()) + " can't be written: " + std::strerror(errno), "make room there");
    }

    std::filesystem::path path_;
    int descriptor_;
};

std::span<const char> content_of(BIO* bio) {
    char* data = nullptr;
    const long length = BIO_get_mem_data(bio, &data);
    return {data, static_cast<std::size_t>(std::max(length, 0L))};
}

bool add_extension(X509* certificate, int nid, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
    const std::unique_ptr<X509_EXTENSION, Release<&X509_EXTENSION_free>> extension(
        X509V3_EXT_conf_nid(nullptr, &context, nid, value));
    return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool set_serial(X509* certificate) {
    const std::unique_ptr<BIGNUM, Release<&BN_free>> serial(
        BN_new()); // RFC 5280 §4.1.2.2: positive, at most 20 bytes
    return serial && BN_rand(serial.get(), 159, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
           BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate)) != nullptr;
}

/// Only the key counts for peers that pin it; the rest is for those who look at certificates, as OpenConnect does.
CertificateHandle make_certificate(EVP_PKEY* key, const std::string& common_name) {
    CertificateHandle certificate(X509_new());
    X509* raw = certificate.get();
    if (raw == nullptr)
        return nullptr;
    X509_NAME* name = X509_get_subject_name(raw);
    const auto* text = reinterpret_cast<const unsigned char*>(common_name.data());
    const bool made = X509_set_version(raw, X509_VERSION_3) == 1 && set_serial(raw) &&
                      X509_gmtime_adj(X509_getm_notBefore(raw), -clock_skew_seconds) != nullptr &&
                      X509_time_adj_ex(X509_getm_notAfter(raw), valid_years * 365 + 2, 0, nullptr) != nullptr &&
                      X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, text,
                                                 static_cast<int>(common_name.size()), -1, 0) == 1 &&
                      X509_set_issuer_name(raw, name) == 1 && X509_set_pubkey(raw, key) == 1 &&
                      add_extension(raw, NID_basic_constraints, "critical,CA:FALSE") &&
                      add_extension(raw, NID_key_usage, "critical,digitalSignature") &&
                      add_extension(raw, NID_ext_key_usage, "serverAuth,clientAuth") &&
                      X509_sign(raw, key, EVP_sha256()) > 0;
    return made ? std::move(certificate) : nullptr;
}

/// Runs `make` for each name: its answer goes to `out`, or its complaint to `err`.
template <typename Make>
int for_each_name(const std::vector<std::string>& names, std::ostream& out, std::ostream& err, Make make) {
    int exit_code = 0;
    for (const auto& name : names) {
        const std::expected<std::string, Complaint> answer = make(name);
        if (answer) {
            out << *answer << '\n';
        } else {
            err << answer.error().text() << '\n';
            exit_code = 1;
        }
    }
    return exit_code;
}

} // namespace

std::expected<GeneratedCertificate, Complaint> generate_certificate(const std::filesystem::path& name) {
    const std::string common_name = name.filename().string();
    if (const auto good = parse_name(common_name); !good)
        return std::unexpected(good.error());
    GeneratedCertificate generated{name.string() + ".crt", name.string() + ".key", {}};
    auto key_file = NewFile::create(generated.private_key, key_mode);
    if (!key_file)
        return std::unexpected(key_file.error());
    auto certificate_file = NewFile::create(generated.certificate, certificate_mode);
    if (!certificate_file)
        return std::unexpected(certificate_file.error());
    const KeyHandle key(EVP_EC_gen("P-256"));
    if (!key)
        return openssl_refused("a key");
    const CertificateHandle certificate = make_certificate(key.get(), common_name);
    const BioHandle key_text(BIO_new(BIO_s_secmem())), certificate_text(BIO_new(BIO_s_mem()));
    if (!certificate || !key_text || !certificate_text ||
        PEM_write_bio_PKCS8PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1 ||
        PEM_write_bio_X509(certificate_text.get(), certificate.get()) != 1)
        return openssl_refused("a certificate");
    if (const auto written = key_file->write(content_of(key_text.get())); !written)
        return std::unexpected(written.error());
    if (const auto written = certificate_file->write(content_of(certificate_text.get())); !written)
        return std::unexpected(written.error());
    const auto pem = content_of(certificate_text.get());
    const auto facts = parse_certificate({pem.data(), pem.size()}, generated.certificate);
    if (!facts)
        return std::unexpected(facts.error());
    generated.pin = pin_text(facts->pin);
    key_file->keep();
    certificate_file->keep();
    return generated;
}

std::expected<std::string, Complaint> generate_psk(const std::filesystem::path& file) {
    auto key_file = NewFile::create(file, key_mode);
    if (!key_file)
        return std::unexpected(key_file.error());
    std::array<unsigned char, psk_bytes> bytes{};
    std::array<unsigned char, 4 * ((psk_bytes + 2) / 3) + 1> text{}; // and a terminating zero
    if (RAND_priv_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1)
        return openssl_refused("random bytes");
    EVP_EncodeBlock(text.data(), bytes.data(), static_cast<int>(bytes.size()));
    text.back() = '\n';
    const auto written = key_file->write({reinterpret_cast<const char*>(text.data()), text.size()});
    const std::string identity = psk_identity(PreSharedKey(bytes));
    OPENSSL_cleanse(bytes.data(), bytes.size());
    OPENSSL_cleanse(text.data(), text.size());
    if (!written)
        return std::unexpected(written.error());
    key_file->keep();
    return identity;
}

int keygen_certificates(const std::vector<std::string>& names, std::ostream& out, std::ostream& err) {
    return for_each_name(names, out, err, [&](const std::string& name) -> std::expected<std::string, Complaint> {
        const auto generated = generate_certificate(name);
        if (!generated)
            return std::unexpected(generated.error());
        err << "wrote " << generated->private_key.string() << ", which is secret, and "
            << generated->certificate.string() << ", whose pin is for the other gateways:\n";
        return generated->pin;
    });
}

int keygen_psks(const std::vector<std::string>& files, std::ostream& out, std::ostream& err) {
    return for_each_name(files, out, err, [&](const std::string& file) {
        auto identity = generate_psk(file);
        if (identity)
            err << "wrote " << file << ": copy it to the other gateway, and to nobody else; its identity is\n";
        return identity;
    });
}

int show_pins(const std::vector<std::string>& certificate_files, std::ostream& out, std::ostream& err) {
    return for_each_name(certificate_files, out, err,
                         [](const std::string& file) -> std::expected<std::string, Complaint> {
                             const auto facts = read_certificate(file);
                             if (!facts)
                                 return std::unexpected(facts.error());
                             return pin_text(facts->pin);
                         });
}

} // namespace culvert::control
