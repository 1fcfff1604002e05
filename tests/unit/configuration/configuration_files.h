#pragma once

#include "control/configuration/configuration.h"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace culvert::control::test {

/// A folder of its own for a test, with credentials for a gateway in it: paris.crt, paris.key, shared.psk.
class ConfigurationFiles {
  public:
    ConfigurationFiles();
    ~ConfigurationFiles();
    ConfigurationFiles(const ConfigurationFiles&) = delete;
    ConfigurationFiles& operator=(const ConfigurationFiles&) = delete;

    const std::filesystem::path& folder() const { return folder_; }
    std::filesystem::path path(std::string_view name) const { return folder_ / name; }
    void write(std::string_view name, std::string_view content, int mode = 0600) const;

    /// The errors' texts, each without the folder's path in front of "culvert.toml".
    std::vector<std::string> errors(std::string_view text) const;
    /// The configuration; fails the test when it has errors.
    Configuration good(std::string_view text) const;

  private:
    std::filesystem::path folder_;
};

/// A configuration without faults, in sections to put together.
inline constexpr std::string_view gateway = "[gateway]\nname = \"paris\"\n"
                                            "certificate = \"paris.crt\"\nprivate_key = \"paris.key\"\n"; // 1–4
inline constexpr std::string_view port = "[[port]]\ndevice = \"kernel:eth0\"\n";                          // 5–6
inline constexpr std::string_view tun = "[[tun]]\nname = \"cv0\"\naddress = [\"10.8.0.1/24\"]\n";         // 7–9
inline constexpr std::string_view listening = "[[listen]]\nport = 4433\n";                                // 10–11
inline constexpr std::string_view pin = "pin-sha256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=";
inline constexpr std::string_view other_pin = "pin-sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

/// All four sections, and then `more`, which begins in line 12.
std::string with(std::string_view more);
/// A [[peer]] of six lines: header, name, pin, endpoint, prefixes, and `more`.
std::string peer(std::string_view name, std::string_view its_pin, std::string_view prefix,
                 std::string_view more = "");

} // namespace culvert::control::test
