#pragma once

#include "control/configuration/complaint.h"
#include "control/configuration/configuration.h"

#include <expected>
#include <string>
#include <string_view>

/// What a single value must look like, whichever section it stands in.
namespace culvert::control {

/// A gateway's or peer's name: it appears in paths of the API and in file names.
std::expected<std::string, Complaint> parse_name(std::string_view text);
/// A network interface's name as Linux takes it.
std::expected<std::string, Complaint> parse_interface_name(std::string_view text);
/// "10.9.0.0/16" without host bits.
std::expected<dataplane::Prefix, Complaint> parse_prefix(std::string_view text);
/// "10.8.0.1/24": an address with its network's length.
std::expected<dataplane::Prefix, Complaint> parse_address(std::string_view text);
/// "host", "host:port", "[v6]" or "[v6]:port".
std::expected<RemoteEndpoint, Complaint> parse_remote_endpoint(std::string_view text);
/// The port's short name: "eth0" of "kernel:eth0", the PCI address, "net_memif0" of "net_memif0,id=1".
std::expected<std::string, Complaint> parse_device(std::string_view text);

} // namespace culvert::control
