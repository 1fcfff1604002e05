#pragma once

#include "dataplane/ids.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace culvert::tun_bridge {

/// Why the bridge let go of a packet. Listed once; the texts, the API and the metrics come from this list.
// clang-format off
#define CULVERT_BRIDGE_DROPS(X)                                                                            \
    X(malformed,       "from the TUN device with a virtio-net header that contradicts it")                 \
    X(too_long,        "from the TUN device, longer than a packet buffer")                                 \
    X(no_buffers,      "from the TUN device when packet buffers had run out")                              \
    X(device_refused,  "refused by the kernel as invalid (EINVAL)")                                        \
    X(device_down,     "the TUN device was down (EIO)")                                                    \
    X(device_full,     "the kernel had no room (EAGAIN, ENOBUFS, ENOMEM)")                                 \
    X(device_gone,     "the TUN device was removed, or failed in another way")                             \
    X(stopped,         "still in the bridge when it stopped")
// clang-format on

enum class BridgeDrop : std::uint8_t {
#define X(name, text) name,
    CULVERT_BRIDGE_DROPS(X)
#undef X
        count
};

inline constexpr std::size_t bridge_drops = static_cast<std::size_t>(BridgeDrop::count);

struct BridgeDropText {
    std::string_view name, text;
};

inline constexpr std::array<BridgeDropText, bridge_drops> bridge_drop_texts{{
#define X(name, text) {#name, text},
    CULVERT_BRIDGE_DROPS(X)
#undef X
}};

/// What went through one queue. At rest, and nearly so at any moment:
///
///     from_tun + from_workers = to_workers + to_tun + Σ drops + in_flight        (packets)
struct QueueFigures {
    dataplane::InstanceId instance{};
    std::uint16_t queue = 0;
    std::uint64_t from_tun = 0, from_tun_bytes = 0; ///< inner packets cut from what was read, and their bytes
    std::uint64_t reads = 0;                        ///< super-packets and plain ones
    std::uint64_t to_workers = 0;
    std::uint64_t from_workers = 0;
    std::uint64_t to_tun = 0, to_tun_bytes = 0; ///< inner packets written, and their bytes
    std::uint64_t writes = 0;                   ///< super-packets and plain ones
    std::uint64_t in_flight = 0;                ///< held for a worker whose ring is full
    std::uint64_t stalls = 0;                   ///< how often a full ring stopped the reading
    std::array<std::uint64_t, bridge_drops> drops{};
    bool device_gone = false; ///< somebody removed the device; a restart brings it back
};

/// A counter with one writer and any readers.
class Counter {
  public:
    void add(std::uint64_t count) noexcept {
        value_.store(value_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
    }
    void set(std::uint64_t value) noexcept { value_.store(value, std::memory_order_relaxed); }
    std::uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<std::uint64_t> value_{0};
};

} // namespace culvert::tun_bridge
