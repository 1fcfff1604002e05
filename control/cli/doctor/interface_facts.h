#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace culvert::control::doctor {

/// What a kernel interface's driver says of itself (SIOCETHTOOL), in this thread's network namespace.
struct InterfaceFacts {
    std::string driver;                    ///< "veth", "ixgbe"; empty when it doesn't tell
    bool checksums_left_to_device = false; ///< tx-checksumming is on: packets leave the kernel without checksums
    std::uint32_t receive_queues = 1;
};

InterfaceFacts interface_facts(const std::string& name);

} // namespace culvert::control::doctor
