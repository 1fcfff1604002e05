#pragma once

#include "control/configuration/complaint.h"
#include "crypto/secret.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

/// Pins, pre-shared keys and this gateway's own certificate: their files and their text. Any thread; errors name
/// the file and never a secret.
namespace culvert::control {

/// SHA-256 of a certificate's SubjectPublicKeyInfo.
using Pin = std::array<std::uint8_t, 32>;
/// A pre-shared key; 32 bytes in our files.
using PreSharedKey = crypto::Secret<64>;
inline constexpr std::size_t psk_bytes = 32;

/// "pin-sha256:" and base64 of 32 bytes, as openconnect and curl write it.
std::expected<Pin, Complaint> parse_pin(std::string_view text);
std::string pin_text(const Pin& pin);

/// Base64 of 32 bytes on one line.
std::expected<PreSharedKey, Complaint> parse_psk(std::string_view text);
std::expected<PreSharedKey, Complaint> read_psk_file(const std::filesystem::path& file);
/// What names a key on the wire, without telling it: base64 of the first 16 bytes of
/// HMAC-SHA256(key, "culvert psk identity").
std::string psk_identity(const PreSharedKey& key);

/// What a certificate's file says; the first certificate of a chain.
struct CertificateFacts {
    Pin pin{};
    std::string common_name;
    std::chrono::system_clock::time_point not_before, not_after;
};
std::expected<CertificateFacts, Complaint> read_certificate(const std::filesystem::path& file);
std::expected<CertificateFacts, Complaint> parse_certificate(std::string_view pem,
                                                             const std::filesystem::path& file);

/// This gateway's certificate chain and key as PEM, once they were seen to belong together.
struct OwnCertificate {
    std::string chain, private_key;
    CertificateFacts facts;
};
std::expected<OwnCertificate, Complaint> read_own_certificate(const std::filesystem::path& certificate,
                                                              const std::filesystem::path& private_key);

/// Refuses a secret's file that is missing, unreadable or open to everybody. Nothing when all is well.
std::optional<Complaint> secret_file_problem(const std::filesystem::path& file);

} // namespace culvert::control
