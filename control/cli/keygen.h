#pragma once

#include "control/configuration/complaint.h"

#include <expected>
#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

/// Keys, certificates and pre-shared keys for gateways. Nothing is ever overwritten, and secrets are never
/// printed.
namespace culvert::control {

struct GeneratedCertificate {
    std::filesystem::path certificate, private_key;
    std::string pin; ///< "pin-sha256:…"
};
/// Writes NAME.key (EC P-256, PKCS#8, mode 0600) and NAME.crt (self-signed for ten years; its common name is
/// NAME's last part). `name` may have folders in front.
std::expected<GeneratedCertificate, Complaint> generate_certificate(const std::filesystem::path& name);

/// Writes 32 random bytes as one line of base64 with mode 0600; what comes back is the key's identity on the wire.
std::expected<std::string, Complaint> generate_psk(const std::filesystem::path& file);

/// The commands. On `out` comes a line for each name, with the pin or identity alone; on `err` what else there is
/// to say. Exit code: 0, or 1 when one of them failed.
int keygen_certificates(const std::vector<std::string>& names, std::ostream& out, std::ostream& err);
int keygen_psks(const std::vector<std::string>& files, std::ostream& out, std::ostream& err);
int show_pins(const std::vector<std::string>& certificate_files, std::ostream& out, std::ostream& err);

} // namespace culvert::control
