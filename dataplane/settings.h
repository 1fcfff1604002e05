#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace culvert::dataplane {

enum class Idle : std::uint8_t {
    automatic, ///< event for ports with descriptors or when cores are short, else busy
    busy,      ///< polls without rest
    event,     ///< sleeps on the descriptors of ports and rings after some empty rounds
    sleep,     ///< sleeps a fixed time after some empty rounds
};

struct PortSettings {
    std::string name;                 ///< as shown; "kernel:eth0" → "eth0", a PCI address, or the vdev's name
    std::string device;               ///< "0000:3b:00.0", "kernel:eth0" or any vdev string "net_memif0,…"
    std::string driver = "af_packet"; ///< for kernel:IF: af_packet or af_xdp
    std::uint16_t mtu = 1500;         ///< largest outer IP packet
    std::uint16_t vlan = 0;           ///< 802.1Q tag of all tunnel traffic; 0: none
    /// Name of the kernel interface that stands for a port which DPDK owns; empty: none. Not for a shared one.
    std::string kernel_port;

    bool is_kernel_interface() const { return device.starts_with("kernel:"); }
    /// af_packet hands out copies, so the kernel keeps its own packets. af_xdp takes all of an interface's packets
    /// away from it: such a port is DPDK's, and what isn't tunnel traffic reaches the kernel by its `kernel_port`.
    bool shared_with_kernel() const { return is_kernel_interface() && driver != "af_xdp"; }
};

struct InstanceSettings {
    std::uint16_t queues = 1;
};

struct Settings {
    std::vector<unsigned> cores{0}; ///< one worker each
    std::string engine = "auto";    ///< "auto", "ipsec-mb", "libcrypto"
    Idle idle = Idle::automatic;
    std::uint32_t sleep_microseconds = 50; ///< for Idle::sleep
    std::uint32_t packet_buffers = 32768;
    std::uint32_t memory_mib = 0; ///< 0: what the tables need
    std::uint32_t max_sessions = 1U << 17;
    enum class Hugepages : std::uint8_t { automatic, yes, no } hugepages = Hugepages::automatic;
    std::vector<PortSettings> ports;
    std::vector<InstanceSettings> instances;
    std::vector<std::string> eal; ///< further EAL arguments, for tests and unusual set-ups
};

} // namespace culvert::dataplane
