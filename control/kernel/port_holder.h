#pragma once

#include "control/kernel/shared_port_filter.h"
#include "control/tunnels/surroundings.h"
#include "dataplane/address.h"
#include "tun_bridge/file_descriptor.h"

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>

namespace culvert::control {

/// A UDP port of this host's, bound by a kernel socket that drops everything before it is queued: the kernel
/// neither answers "port unreachable" nor gives the port to others, and the dataplane has it to itself.
class PortHolder final : public HeldPort {
  public:
    /// `port` 0: a free one of the ephemeral range. `address`: only there; none: on all of IPv4 and IPv6. Error: a
    /// sentence with the command that tells more.
    static std::expected<PortHolder, std::string> hold(std::uint16_t port,
                                                       std::optional<dataplane::IpAddress> address = {});

    std::uint16_t number() const override { return number_; }

  private:
    PortHolder(tun_bridge::FileDescriptor socket, std::uint16_t number)
        : socket_(std::move(socket)), number_(number) {}

    tun_bridge::FileDescriptor socket_;
    std::uint16_t number_;
};

/// Ports to initiate from, for the tunnels. `filter`, where there is one, learns of them, and outlives them.
class LocalPortHolders final : public LocalPorts {
  public:
    explicit LocalPortHolders(SharedPortFilter* filter = nullptr) : filter_(filter) {}
    std::expected<std::unique_ptr<HeldPort>, std::string> hold_any() override;

  private:
    SharedPortFilter* filter_;
};

} // namespace culvert::control
