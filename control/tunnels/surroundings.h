#pragma once

#include "dataplane/address.h"
#include "dataplane/ids.h"

#include <array>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

/// What the tunnels ask of the kernel, as interfaces: the daemon answers from netlink and the resolver, a test
/// from memory. All calls and all callbacks are on the control thread.
namespace culvert::control {

/// The way to a remote address.
struct Path {
    dataplane::PortId port{};
    dataplane::IpAddress source; ///< of packets to the remote
    /// Of the gateway, or of the remote itself on a shared network; none: the neighbour does not answer (yet).
    std::optional<std::array<std::uint8_t, 6>> link_address;

    bool operator==(const Path&) const = default;
};

class Paths {
  public:
    virtual ~Paths() = default;

    /// A remote address in use. Its path is kept fresh, and changes are told, until it is destroyed.
    class Watch {
      public:
        virtual ~Watch() = default;
    };
    using Changed = std::function<void(const std::expected<Path, std::string>&)>;

    /// Calls `changed` once the path is known (never from within this call) and again at every change: another
    /// route, source address or link address, or none any more (one sentence).
    virtual std::unique_ptr<Watch> watch(const dataplane::IpAddress& remote, Changed changed) = 0;
};

/// Turns host names into addresses without blocking.
class Names {
  public:
    virtual ~Names() = default;
    using Resolved = std::function<void(std::expected<std::vector<dataplane::IpAddress>, std::string>)>;
    /// `resolved` is called once, never from within this call. An address in text form is its own answer.
    virtual void resolve(const std::string& host, Resolved resolved) = 0;
};

/// Holds a UDP port by a bound kernel socket that drops everything, so that the kernel neither answers for it nor
/// hands it out. Released by its destructor.
class HeldPort {
  public:
    virtual ~HeldPort() = default;
    virtual std::uint16_t number() const = 0;
};
class LocalPorts {
  public:
    virtual ~LocalPorts() = default;
    /// A free port of the kernel's ephemeral range.
    virtual std::expected<std::unique_ptr<HeldPort>, std::string> hold_any() = 0;
};

} // namespace culvert::control
