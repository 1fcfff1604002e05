#include "tests/unit/configuration/configuration_files.h"

#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/stat.h>

namespace culvert::control::test {
namespace {

/// Made once with openssl ecparam and openssl req -x509 for these tests.
constexpr std::string_view certificate_pem = R"(-----BEGIN CERTIFICATE-----
MIIBdzCCAR2gAwIBAgIUYbE4hdcO0Eg/R5pHy3fm12c166wwCgYIKoZIzj0EAwIw
EDEOMAwGA1UEAwwFcGFyaXMwIBcNMjYxMTIwMjM0NzM0WhgPMjEyNjEwMjcyMzQ3
MzRaMBAxDjAMBgNVBAMMBXBhcmlzMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
s1VxVbZUYQJ6XD1ZbgJ7BC9405mLxcF7KuxDVa9q/PVE1gxwY8D5VieCH1dnqF79
lLDQNCoIdWAyPSw0c+c1fqNTMFEwHQYDVR0OBBYEFGJcuu32YsKZFtnzCqVjF7/d
PAT6MB8GA1UdIwQYMBaAFGJcuu32YsKZFtnzCqVjF7/dPAT6MA8GA1UdEwEB/wQF
MAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIhALyXNCdHAzQJ17zbGe3MQEqZhcjhuLyr
5FkYf04Nfj6gAiA1/rkDOVAv/mT1mWpkeNrd8YdhJf8/7m+GFUnzrnr2zA==
-----END CERTIFICATE-----
)";
constexpr std::string_view key_pem = R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgq+FOgcIAiPtRhfso
XwPgT/Z3NTOsmVPpUF9/KPoyvQyhRANCAASzVXFVtlRhAnpcPVluAnsEL3jTmYvF
wXsq7ENVr2r89UTWDHBjwPlWJ4IfV2eoXv2UsNA0Kgh1YDI9LDRz5zV+
-----END PRIVATE KEY-----
)";

} // namespace

ConfigurationFiles::ConfigurationFiles() {
    std::string name = (std::filesystem::temp_directory_path() / "culvert-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr)
        throw std::filesystem::filesystem_error("mkdtemp", std::error_code(errno, std::system_category()));
    folder_ = name;
    write("paris.crt", certificate_pem, 0644);
    write("paris.key", key_pem);
    write("shared.psk", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n");
}

ConfigurationFiles::~ConfigurationFiles() {
    std::filesystem::remove_all(folder_);
}

void ConfigurationFiles::write(std::string_view name, std::string_view content, int mode) const {
    std::ofstream(path(name)) << content;
    chmod(path(name).c_str(), static_cast<mode_t>(mode));
}

std::vector<std::string> ConfigurationFiles::errors(std::string_view text) const {
    const auto result = parse_configuration(text, path("culvert.toml"));
    std::vector<std::string> texts;
    if (result)
        return texts;
    const std::string prefix = folder_.string() + "/";
    for (const auto& error : result.error()) {
        std::string line = error.text();
        for (auto at = line.find(prefix); at != std::string::npos; at = line.find(prefix))
            line.erase(at, prefix.size());
        texts.push_back(line);
    }
    return texts;
}

Configuration ConfigurationFiles::good(std::string_view text) const {
    auto result = parse_configuration(text, path("culvert.toml"));
    if (!result) {
        for (const auto& error : result.error())
            ADD_FAILURE() << error.text();
        return {};
    }
    return std::move(*result);
}

std::string with(std::string_view more) {
    return std::string(gateway) + std::string(port) + std::string(tun) + std::string(listening) +
           std::string(more);
}

std::string peer(std::string_view name, std::string_view its_pin, std::string_view prefix, std::string_view more) {
    return "[[peer]]\nname = \"" + std::string(name) + "\"\npin = \"" + std::string(its_pin) +
           "\"\nendpoint = \"192.0.2.1\"\nprefixes = [\"" + std::string(prefix) + "\"]\n" + std::string(more) +
           "\n";
}

} // namespace culvert::control::test
