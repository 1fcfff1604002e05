#include "control/tunnels/route_book.h"

#include <algorithm>

namespace culvert::control {

std::optional<std::string> RouteBook::conflict(std::span<const dataplane::Prefix> prefixes,
                                               const std::string& peer) const {
    for (const auto& prefix : prefixes) {
        const auto held = holders_.find(prefix);
        if (held != holders_.end() && held->second.peer != peer)
            return prefix.text() + " already belongs to peer \"" + held->second.peer +
                   "\"; give each prefix to one peer";
    }
    return std::nullopt;
}

RouteBook::Holders::iterator RouteBook::take_away(Holders::iterator held) {
    dataplane_.remove_route(held->first);
    dataplane_.remove_source(held->first);
    if (kernel_.remove)
        kernel_.remove(held->second.instance, held->first);
    return holders_.erase(held);
}

void RouteBook::shrink(const std::string& peer, std::span<const dataplane::Prefix> prefixes) {
    const auto own = by_peer_.find(peer);
    if (own == by_peer_.end())
        return;
    std::vector wanted(prefixes.begin(), prefixes.end()); // perhaps very many
    std::ranges::sort(wanted);
    std::erase_if(own->second, [&](const dataplane::Prefix& prefix) {
        if (std::ranges::binary_search(wanted, prefix))
            return false;
        take_away(holders_.find(prefix));
        return true;
    });
    if (own->second.empty())
        by_peer_.erase(own);
}

void RouteBook::set(const std::string& peer, dataplane::PeerId id, dataplane::InstanceId instance,
                    std::span<const dataplane::Prefix> prefixes) {
    shrink(peer, prefixes);
    for (const auto& prefix : prefixes) {
        auto [held, added] = holders_.try_emplace(prefix, Holder{peer, id, instance});
        if (!added) {
            if (held->second.id == id && held->second.instance == instance)
                continue;
            if (kernel_.remove && held->second.instance != instance)
                kernel_.remove(held->second.instance, prefix);
            added = held->second.instance != instance;
            held->second = {peer, id, instance};
        } else {
            by_peer_[peer].push_back(prefix);
        }
        dataplane_.add_route(prefix, dataplane::Destination(id));
        dataplane_.add_source(prefix, id);
        if (kernel_.add && added)
            kernel_.add(instance, prefix);
    }
}

} // namespace culvert::control
