#include "control/kernel/next_hops.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <net/if.h>

namespace culvert::control {

using dataplane::IpAddress;
using tun_bridge::Netlink;

namespace {

constexpr std::chrono::seconds tick_interval{1};
constexpr unsigned ticks_when_unknown = 1, ticks_when_known = 30; ///< between two solicitations
/// Routing changes come in swarms (a router's whole table): one look at everything for many of them.
constexpr std::chrono::milliseconds pause_between_looks{100};
constexpr std::size_t resolved_in_one_go = 256; ///< about 1 ms

constexpr LinkAddress no_link_address_needed{};

std::string interface_name(std::uint32_t interface) {
    std::array<char, IF_NAMESIZE> name{};
    return if_indextoname(interface, name.data()) == nullptr ? std::to_string(interface) : name.data();
}

} // namespace

class NextHops::WatchImpl final : public Paths::Watch {
  public:
    WatchImpl(NextHops& hops, WatchId id) : hops_(hops), id_(id) {}
    ~WatchImpl() override { hops_.forget(id_); }
    WatchImpl(const WatchImpl&) = delete;
    WatchImpl& operator=(const WatchImpl&) = delete;

  private:
    NextHops& hops_;
    WatchId id_;
};

std::expected<std::unique_ptr<NextHops>, std::string> NextHops::open(boost::asio::io_context& io,
                                                                     std::vector<PortInterface> ports) {
    auto netlink = Netlink::open();
    if (!netlink)
        return std::unexpected(netlink.error());
    std::unique_ptr<NextHops> hops(new NextHops(io, std::move(*netlink), std::move(ports)));
    auto events = KernelEvents::open(io, {[raw = hops.get()](const Neighbour& n) { raw->neighbour_changed(n); },
                                          [raw = hops.get()] { raw->look_again_at_all(); }});
    if (!events)
        return std::unexpected(events.error());
    hops->events_ = std::move(*events);
    hops->tick();
    return hops;
}

NextHops::NextHops(boost::asio::io_context& io, Netlink netlink, std::vector<PortInterface> ports)
    : io_(io), netlink_(std::move(netlink)), ports_(std::move(ports)), ticker_(io), pause_(io) {}

NextHops::~NextHops() = default;

std::unique_ptr<Paths::Watch> NextHops::watch(const IpAddress& remote, Changed changed) {
    const WatchId id = ++next_id_;
    entries_.emplace(id, std::make_shared<Entry>(Entry{remote, std::move(changed), std::nullopt, std::nullopt}));
    waiting_.push_back(id);
    work_off();
    return std::make_unique<WatchImpl>(*this, id);
}

void NextHops::set_ports(std::vector<PortInterface> ports) {
    if (ports == ports_)
        return;
    ports_ = std::move(ports);
    look_again_at_all();
}

void NextHops::look_again_at_all() {
    if (pausing_)
        return;
    pausing_ = true;
    pause_.expires_after(pause_between_looks);
    pause_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& error) {
        if (error || alive.expired())
            return;
        pausing_ = false;
        waiting_.clear();
        for (const auto& [id, entry] : entries_)
            waiting_.push_back(id);
        work_off();
    });
}

void NextHops::work_off() {
    if (working_)
        return;
    working_ = true;
    boost::asio::post(io_, [this, alive = std::weak_ptr(alive_)] {
        for (std::size_t i = 0; i < resolved_in_one_go && !alive.expired() && !waiting_.empty(); ++i) {
            const WatchId id = waiting_.front();
            waiting_.pop_front();
            resolve(id);
        }
        if (alive.expired())
            return;
        working_ = false;
        if (!waiting_.empty())
            work_off();
    });
}

void NextHops::resolve(WatchId id) {
    if (const auto found = entries_.find(id); found != entries_.end()) {
        const auto entry = found->second;
        tell(id, find_path(*entry, id));
    }
}

NextHops::Answer NextHops::find_path(Entry& entry, WatchId id) {
    const auto route = route_over_a_port(entry.remote);
    if (!route) {
        leave_neighbour(entry, id);
        return std::unexpected(route.error());
    }
    const PortInterface& port = *port_of(route->interface);
    Path path{port.port, route->source, std::nullopt};
    const auto& addresses = port.addresses;
    if (!addresses.empty() && std::ranges::find(addresses, path.source) == addresses.end()) {
        const auto same_family = std::ranges::find(addresses, entry.remote.is_v4(), &IpAddress::is_v4);
        path.source = same_family == addresses.end() ? IpAddress{} : *same_family;
    }
    if (path.source.is_unspecified()) {
        leave_neighbour(entry, id);
        return std::unexpected("\"" + interface_name(route->interface) + "\" has no " +
                               (entry.remote.is_v4() ? "IPv4" : "IPv6") + " address from which to reach " +
                               entry.remote.text());
    }
    use_neighbour(entry, id, {route->interface, route->gateway});
    path.link_address = neighbours_.at(*entry.neighbour).link_address;
    return path;
}

std::expected<RouteToRemote, std::string> NextHops::route_over_a_port(const IpAddress& remote) {
    auto best = look_up_route(netlink_, remote);
    if (!best || port_of(best->interface) != nullptr)
        return best;
    for (const auto& port : ports_)
        if (auto route = look_up_route(netlink_, remote, port.interface))
            return route;
    return std::unexpected("the route to " + remote.text() + " leads over \"" + interface_name(best->interface) +
                           "\", which is no [[port]], and none leads over a port");
}

const PortInterface* NextHops::port_of(std::uint32_t interface) const {
    const auto found = std::ranges::find(ports_, interface, &PortInterface::interface);
    return found == ports_.end() ? nullptr : &*found;
}

void NextHops::use_neighbour(Entry& entry, WatchId id, const NeighbourKey& key) {
    if (entry.neighbour != key)
        leave_neighbour(entry, id);
    const auto [found, fresh] = neighbours_.try_emplace(key);
    InUse& neighbour = found->second;
    neighbour.users.insert(id);
    entry.neighbour = key;
    neighbour.without_neighbours = needs_no_neighbours(netlink_, key.first);
    if (neighbour.without_neighbours) {
        neighbour.link_address = no_link_address_needed;
        return;
    }
    neighbour.link_address = look_up_neighbour(netlink_, key.first, key.second).link_address;
    if (fresh || !neighbour.link_address)
        solicit(netlink_, key.first, key.second);
}

void NextHops::leave_neighbour(Entry& entry, WatchId id) {
    if (!entry.neighbour)
        return;
    const auto found = neighbours_.find(*entry.neighbour);
    entry.neighbour.reset();
    found->second.users.erase(id);
    if (found->second.users.empty())
        neighbours_.erase(found);
}

void NextHops::neighbour_changed(const Neighbour& neighbour) {
    const auto found = neighbours_.find({neighbour.interface, neighbour.address});
    if (found == neighbours_.end() || found->second.without_neighbours ||
        found->second.link_address == neighbour.link_address)
        return;
    found->second.link_address = neighbour.link_address;
    const auto users = found->second.users; // whom we tell may add and remove watches
    const std::weak_ptr<bool> alive = alive_;
    for (const WatchId id : users) {
        const auto entry = entries_.find(id);
        if (entry == entries_.end() || !entry->second->told || !*entry->second->told)
            continue; // it will be resolved anyway
        Path path = **entry->second->told;
        path.link_address = neighbour.link_address;
        tell(id, path);
        if (alive.expired())
            return;
    }
}

void NextHops::tell(WatchId id, Answer answer) {
    const auto entry = entries_.at(id); // kept while it is called: it may end its own watch
    if (entry->told == answer)
        return;
    entry->told = answer;
    entry->changed(answer);
}

void NextHops::forget(WatchId id) {
    const auto found = entries_.find(id);
    leave_neighbour(*found->second, id);
    entries_.erase(found);
}

void NextHops::tick() {
    for (auto& [key, neighbour] : neighbours_) {
        const unsigned limit = neighbour.link_address ? ticks_when_known : ticks_when_unknown;
        if (neighbour.without_neighbours || ++neighbour.ticks < limit)
            continue;
        neighbour.ticks = 0;
        solicit(netlink_, key.first, key.second);
    }
    ticker_.expires_after(tick_interval);
    ticker_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& error) {
        if (!error && !alive.expired())
            tick();
    });
}

} // namespace culvert::control
