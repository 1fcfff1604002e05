#pragma once

#include <string_view>
#include <vector>

/// The machine's cores, by the numbers that Linux gives them.
namespace culvert::control {

/// "0-3,8" as sysfs writes it; what can't be read is left out.
std::vector<unsigned> parse_core_list(std::string_view text);
std::vector<unsigned> online_cores();
std::vector<unsigned> isolated_cores(); ///< kept free of other work by isolcpus=
std::vector<unsigned> allowed_cores();  ///< that this process may run on

/// What `workers = "auto"` means: the isolated cores; where there are none, the upper half of the allowed ones, so
/// that the lower are left to control, bridge and kernel.
std::vector<unsigned> automatic_workers();

} // namespace culvert::control
