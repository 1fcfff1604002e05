#pragma once

#include "dataplane/counters.h"
#include "dataplane/ids.h"
#include "dataplane/settings.h"

#include <array>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

struct rte_mempool;

namespace culvert::dataplane {

/// An ethdev that faces the outer network, configured and started with one rx and one tx queue for each worker,
/// and the tap that stands for it in the kernel, if it has one. Stopped and closed on destruction.
class Port {
  public:
    /// `ordinal`: position in the settings. The error is one sentence.
    static std::expected<std::unique_ptr<Port>, std::string>
    open(const PortSettings& settings, std::uint8_t ordinal, std::uint16_t workers, rte_mempool* packets);
    ~Port();
    Port(const Port&) = delete;
    Port& operator=(const Port&) = delete;

    std::uint16_t id() const noexcept { return id_; } ///< DPDK's
    std::uint8_t ordinal() const noexcept { return ordinal_; }
    const PortSettings& settings() const noexcept { return settings_; }
    std::array<std::uint8_t, 6> link_address() const noexcept { return link_address_; }
    std::uint16_t queues() const noexcept { return queues_; }
    /// DPDK's id of the tap towards the kernel.
    std::optional<std::uint16_t> kernel_port() const noexcept { return kernel_port_; }

    /// Descriptors that become readable when a worker's queue has packets; empty: the driver has none.
    const std::vector<int>& descriptors(std::uint16_t worker) const { return descriptors_[worker]; }
    bool has_descriptors() const noexcept { return has_descriptors_; } ///< every device of the port, its tap too

    PortFigures figures() const;

  private:
    Port(const PortSettings& settings, std::uint8_t ordinal, std::uint16_t queues)
        : settings_(settings), ordinal_(ordinal), queues_(queues), descriptors_(queues) {}
    std::expected<void, std::string> attach(rte_mempool* packets);
    std::expected<void, std::string> attach_kernel_port(rte_mempool* packets);

    PortSettings settings_;
    std::uint8_t ordinal_;
    std::uint16_t queues_;
    std::uint16_t id_ = 0xffff;
    bool has_descriptors_ = false;
    bool ours_ = false; ///< probed by us, to be removed again
    std::string driver_;
    std::array<std::uint8_t, 6> link_address_{};
    std::optional<std::uint16_t> kernel_port_;
    std::vector<std::vector<int>> descriptors_;
};

} // namespace culvert::dataplane
