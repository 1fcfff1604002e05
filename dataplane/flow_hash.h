#pragma once

#include <cstdint>

namespace culvert::dataplane {

/// Hash of an inner packet's flow: addresses and, where there are any and the packet is no fragment, ports.
/// Symmetric (swapping source and destination gives the same), and the same on every gateway: both ends pick the
/// same lane from it, so it is part of the protocol between gateways and must never change. Fragments hash by
/// addresses and protocol alone, as do their unfragmented kin of protocols other than TCP and UDP. `packet`: an
/// IPv4 or IPv6 header of which at least `length` bytes are there; anything too short or unknown is 0.
std::uint32_t flow_hash(const std::uint8_t* packet, std::uint32_t length) noexcept;

} // namespace culvert::dataplane
