#pragma once

#include "control/cli/doctor/finding.h"

#include <filesystem>
#include <iosfwd>

namespace culvert::control::doctor {

/// Looks at everything that a gateway with this configuration needs, whether it runs or not. Changes nothing.
Findings examine(const std::filesystem::path& configuration_file);

/// The command. Exit code: 1 when there is a problem, else 0.
int run(const std::filesystem::path& configuration_file, bool json, std::ostream& out);

} // namespace culvert::control::doctor
