#pragma once

#include "dataplane/address.h"
#include "dataplane/headers.h"

#include <cstdint>
#include <cstring>

/// 64 bits that stand for (remote address, remote port, local port). Exact for IPv4, a mix for IPv6. Only a hint:
/// a clash makes a roaming peer go unnoticed for one endpoint, nothing more.
namespace culvert::dataplane {

constexpr std::uint64_t remote_tag(std::uint32_t address, std::uint16_t remote_port, std::uint16_t local_port) {
    return std::uint64_t{address} << 32 | std::uint32_t{remote_port} << 16 | local_port;
}

inline std::uint64_t remote_tag(const std::array<std::uint8_t, 16>& address, std::uint16_t remote_port,
                                std::uint16_t local_port) noexcept {
    std::uint64_t high, low;
    std::memcpy(&high, address.data(), 8);
    std::memcpy(&low, address.data() + 8, 8);
    const std::uint64_t ports = std::uint32_t{remote_port} << 16 | local_port;
    return (high * 0x9e3779b97f4a7c15U ^ low) * 0xff51afd7ed558ccdU + ports;
}

inline std::uint64_t remote_tag(const Endpoint& remote, std::uint16_t local_port) {
    return remote.address.is_v4() ? remote_tag(remote.address.as_v4(), remote.port, local_port)
                                  : remote_tag(remote.address.bytes, remote.port, local_port);
}

} // namespace culvert::dataplane
