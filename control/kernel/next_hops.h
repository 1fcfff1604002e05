#pragma once

#include "control/kernel/kernel_events.h"
#include "control/kernel/route_lookup.h"
#include "control/tunnels/surroundings.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace culvert::control {

/// The kernel interface that stands for a port: the shared one itself, or the kernel port's.
struct PortInterface {
    dataplane::PortId port{};
    std::uint32_t interface = 0;                 ///< ifindex
    std::vector<dataplane::IpAddress> addresses; ///< that the port receives on; empty: all of the interface
    bool operator==(const PortInterface&) const = default;
};

/// Paths to remotes from the kernel's routing and neighbour tables. The kernel is asked for a link address that it
/// doesn't know, and asked again from time to time, as it sees none of the tunnels' packets that would keep it
/// fresh. A route over no port is passed over for the best one over a port: a tunnel may well carry the default
/// route. Everything happens on the thread that runs the io_context. Outlives its watches.
class NextHops final : public Paths {
  public:
    /// In this process's network namespace. Error: a sentence.
    static std::expected<std::unique_ptr<NextHops>, std::string> open(boost::asio::io_context& io,
                                                                      std::vector<PortInterface> ports);
    ~NextHops() override;
    NextHops(const NextHops&) = delete;
    NextHops& operator=(const NextHops&) = delete;

    std::unique_ptr<Watch> watch(const dataplane::IpAddress& remote, Changed changed) override;
    /// Other ports or addresses from now on.
    void set_ports(std::vector<PortInterface> ports);

  private:
    using WatchId = std::uint64_t;
    using NeighbourKey = std::pair<std::uint32_t, dataplane::IpAddress>;
    using Answer = std::expected<Path, std::string>;

    /// A neighbour that at least one watch leads over.
    struct InUse {
        std::optional<LinkAddress> link_address;
        bool without_neighbours = false; ///< point to point: nothing to resolve
        unsigned ticks = 0;              ///< since it was last solicited
        std::unordered_set<WatchId> users;
    };
    struct Entry {
        dataplane::IpAddress remote;
        Changed changed;
        std::optional<Answer> told; ///< none: nothing yet
        std::optional<NeighbourKey> neighbour;
    };
    class WatchImpl;

    NextHops(boost::asio::io_context& io, tun_bridge::Netlink netlink, std::vector<PortInterface> ports);

    void look_again_at_all();
    void work_off();
    void resolve(WatchId id);
    Answer find_path(Entry& entry, WatchId id);
    std::expected<RouteToRemote, std::string> route_over_a_port(const dataplane::IpAddress& remote);
    const PortInterface* port_of(std::uint32_t interface) const;
    void use_neighbour(Entry& entry, WatchId id, const NeighbourKey& key);
    void leave_neighbour(Entry& entry, WatchId id);
    void neighbour_changed(const Neighbour& neighbour);
    void tell(WatchId id, Answer answer);
    void forget(WatchId id);
    void tick();

    boost::asio::io_context& io_;
    tun_bridge::Netlink netlink_;
    std::vector<PortInterface> ports_;
    std::unique_ptr<KernelEvents> events_;
    boost::asio::steady_timer ticker_, pause_;
    std::unordered_map<WatchId, std::shared_ptr<Entry>> entries_;
    std::map<NeighbourKey, InUse> neighbours_;
    std::deque<WatchId> waiting_; ///< to be resolved
    bool working_ = false, pausing_ = false;
    WatchId next_id_ = 0;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true); ///< a handler may run after our end
};

} // namespace culvert::control
