#pragma once

#include "dataplane/address.h"
#include "dataplane/ids.h"
#include "dataplane/peer.h"
#include "dataplane/prefix_table.h"
#include "dataplane/reclaimer.h"
#include "dataplane/session_table.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace culvert::dataplane {

/// The link header towards a neighbour, ready to copy; its last two bytes, the type, are set packet by packet.
struct NextHop {
    PortId port{};
    bool known = false;
    std::uint8_t length = 14; ///< 14, or 18 with a VLAN tag
    std::array<std::uint8_t, 18> bytes{};
};

/// A pointer that control replaces and workers read under RCU. The former value is freed after a grace period.
template <typename T>
class Published {
  public:
    Published() = default;
    ~Published() { delete value_.load(std::memory_order_relaxed); }
    Published(const Published&) = delete;
    Published& operator=(const Published&) = delete;

    const T* get() const noexcept { return value_.load(std::memory_order_acquire); }
    void replace(std::unique_ptr<const T> value, Reclaimer& reclaimer) {
        const T* former = value_.exchange(value.release(), std::memory_order_acq_rel);
        if (former != nullptr)
            reclaimer.defer([former] { delete former; });
    }

  private:
    std::atomic<const T*> value_{nullptr};
};

/// Which wire format listens on a UDP port: one byte a port.
class ListenerTable {
  public:
    static constexpr std::uint8_t none = 0xff;
    ListenerTable() {
        for (auto& port : ports_)
            port.store(none, std::memory_order_relaxed);
    }
    std::uint8_t at(std::uint16_t port) const noexcept { return ports_[port].load(std::memory_order_relaxed); }
    void set(std::uint16_t port, std::uint8_t format) noexcept {
        ports_[port].store(format, std::memory_order_relaxed);
    }

  private:
    std::array<std::atomic<std::uint8_t>, 65536> ports_;
};

/// Where ICMP answers of a network instance come from; unspecified: no answers of that family.
struct InstanceAddresses {
    IpAddress v4, v6;
};

inline constexpr std::size_t max_ports = 32, max_instances = 256, max_next_hops = 4096;

/// All that workers share: written by control, read under RCU.
struct Tables {
    Tables(std::uint32_t max_sessions, rte_rcu_qsbr* readers)
        : reclaimer(readers), sessions(max_sessions, readers, reclaimer),
          routes([this](std::function<void()> free) { reclaimer.defer(std::move(free)); }),
          sources([this](std::function<void()> free) { reclaimer.defer(std::move(free)); }),
          peers(std::make_unique<std::atomic<Peer*>[]>(max_sessions)), max_peers(max_sessions) {}
    ~Tables() {
        reclaimer.wait();
        for (std::uint32_t i = 0; i < max_peers; ++i)
            delete peers[i].load(std::memory_order_relaxed);
    }

    Peer* peer(PeerId id) const noexcept {
        return raw(id) < max_peers ? peers[raw(id)].load(std::memory_order_acquire) : nullptr;
    }

    Reclaimer reclaimer;
    SessionTable sessions;
    PrefixTable routes;  ///< inner destination → Destination
    PrefixTable sources; ///< inner source → Destination of the peer
    std::unique_ptr<std::atomic<Peer*>[]> peers;
    std::uint32_t max_peers;
    ListenerTable listeners;
    std::array<Published<NextHop>, max_next_hops> next_hops;
    std::array<Published<std::vector<IpAddress>>, max_ports> port_addresses; ///< by position of the port
    std::array<Published<InstanceAddresses>, max_instances> instance_addresses;
};

} // namespace culvert::dataplane
