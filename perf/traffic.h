#pragma once

#include "dataplane/session.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

struct rte_mempool;

/// Packets to measure with, and capture files that a net_pcap device plays in a loop.
namespace culvert::perf {

using Frame = std::vector<std::uint8_t>;

/// Inner lengths of a lap, in bytes of IP packet.
struct Mix {
    std::string name;                 ///< "64", "IMIX"
    std::vector<std::uint16_t> sizes; ///< repeated to fill the lap
    double mean() const;
};
Mix fixed_size(std::uint16_t bytes);
Mix imix(); ///< 7×64, 4×570, 1×1400

/// An IPv4 UDP packet of exactly `bytes`.
Frame inner_packet(std::uint32_t source, std::uint32_t destination, std::uint16_t bytes);

/// The frame that `session`'s far end would receive: sealed with its tx half, its own headers in front.
Frame sealed_frame(dataplane::Session& session, crypto::Engine& engine, const Frame& inner, rte_mempool* packets);

/// Writes `frames` to a capture file.
void write_capture(const std::string& file, std::span<const Frame> frames);

} // namespace culvert::perf
