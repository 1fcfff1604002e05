#pragma once

#include "control/tunnels/tunnels.h"

#include <map>
#include <optional>
#include <span>
#include <string>

namespace culvert::control {

/// Which peer has which inner prefix: keeps the dataplane's routes and sources and the kernel's routes in step,
/// and no prefix on two peers.
class RouteBook {
  public:
    explicit RouteBook(dataplane::Dataplane& dataplane) : dataplane_(dataplane) {}

    void set_kernel(Tunnels::KernelRoutes kernel) { kernel_ = std::move(kernel); }

    /// The first of `prefixes` that a peer other than `peer` has, as a sentence.
    std::optional<std::string> conflict(std::span<const dataplane::Prefix> prefixes,
                                        const std::string& peer) const;

    /// The peer has exactly these from now on; there is no conflict.
    void set(const std::string& peer, dataplane::PeerId id, dataplane::InstanceId instance,
             std::span<const dataplane::Prefix> prefixes);
    void remove(const std::string& peer) { set(peer, {}, {}, {}); }
    /// Takes away what the peer has beyond `prefixes`.
    void shrink(const std::string& peer, std::span<const dataplane::Prefix> prefixes);

  private:
    struct Holder {
        std::string peer;
        dataplane::PeerId id;
        dataplane::InstanceId instance;
    };
    using Holders = std::map<dataplane::Prefix, Holder>;

    Holders::iterator take_away(Holders::iterator held);

    dataplane::Dataplane& dataplane_;
    Tunnels::KernelRoutes kernel_;
    Holders holders_;
    std::map<std::string, std::vector<dataplane::Prefix>, std::less<>> by_peer_;
};

} // namespace culvert::control
