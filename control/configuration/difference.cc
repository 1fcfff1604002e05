#include "control/configuration/difference.h"

#include "control/configuration/complaint.h"

#include <algorithm>
#include <map>

namespace culvert::control {
namespace {

std::string written(const std::string& text) {
    return in_quotes(text);
}
std::string written(const std::filesystem::path& path) {
    return in_quotes(path.string());
}
std::string written(bool flag) {
    return flag ? "true" : "false";
}
std::string written(std::uint16_t number) {
    return std::to_string(number);
}
std::string written(std::uint32_t number) {
    return std::to_string(number);
}

template <typename Items, typename Text>
std::string written_list(const Items& items, Text text) {
    std::string out;
    for (const auto& item : items)
        out += (out.empty() ? "" : ", ") + text(item);
    return "[" + out + "]";
}

std::string written(const std::vector<dataplane::Prefix>& prefixes) {
    return written_list(prefixes, [](const dataplane::Prefix& each) { return in_quotes(each.text()); });
}

std::string written(const std::vector<unsigned>& cores) {
    return written_list(cores, [](unsigned core) { return std::to_string(core); });
}

std::string written(const std::vector<std::string>& texts) {
    return written_list(texts, &in_quotes);
}

std::string written(dataplane::Settings::Hugepages pages) {
    using Hugepages = dataplane::Settings::Hugepages;
    return pages == Hugepages::automatic ? "\"auto\"" : written(pages == Hugepages::yes);
}

std::string written_idle(const dataplane::Settings& settings) {
    switch (settings.idle) {
    case dataplane::Idle::automatic:
        return "\"auto\"";
    case dataplane::Idle::busy:
        return "\"busy\"";
    case dataplane::Idle::event:
        return "\"event\"";
    case dataplane::Idle::sleep:
        break;
    }
    return "\"sleep:" + std::to_string(settings.sleep_microseconds) + "\"";
}

/// Gathers the keys of one section whose values differ.
class RestartKeys {
  public:
    RestartKeys(std::vector<RestartReason>& reasons, std::string section)
        : reasons_(&reasons), section_(std::move(section)) {}

    template <typename Value>
    void compare(const char* key, const Value& old, const Value& now) {
        if (old != now)
            reasons_->push_back({section_ + "." + key, written(old), written(now)});
    }

  private:
    std::vector<RestartReason>* reasons_;
    std::string section_;
};

void compare_sections(Difference& difference, const Configuration& old, const Configuration& now) {
    RestartKeys gateway(difference.needs_restart, "gateway");
    gateway.compare("name", old.gateway.name, now.gateway.name);
    RestartKeys control(difference.needs_restart, "control");
    control.compare("socket", old.control.socket, now.control.socket);
    control.compare("socket_group", old.control.socket_group, now.control.socket_group);
    control.compare("handshake_threads", old.control.handshake_threads, now.control.handshake_threads);
    RestartKeys dataplane(difference.needs_restart, "dataplane");
    const auto &was = old.dataplane, &is = now.dataplane;
    dataplane.compare("workers", was.cores, is.cores);
    dataplane.compare("engine", was.engine, is.engine);
    if (written_idle(was) != written_idle(is))
        difference.needs_restart.push_back({"dataplane.idle", written_idle(was), written_idle(is)});
    dataplane.compare("packet_buffers", was.packet_buffers, is.packet_buffers);
    dataplane.compare("memory_mib", was.memory_mib, is.memory_mib);
    dataplane.compare("max_sessions", was.max_sessions, is.max_sessions);
    dataplane.compare("hugepages", was.hugepages, is.hugepages);
    dataplane.compare("eal", was.eal, is.eal);
}

void compare_one(std::vector<RestartReason>& reasons, const PortSection& old, const PortSection& now) {
    RestartKeys port(reasons, "port." + old.settings.name);
    port.compare("device", old.settings.device, now.settings.device);
    port.compare("driver", old.settings.driver, now.settings.driver);
    port.compare("mtu", old.settings.mtu, now.settings.mtu);
    port.compare("vlan", old.settings.vlan, now.settings.vlan);
    port.compare("address", old.addresses, now.addresses);
    port.compare("kernel_port", old.settings.kernel_port, now.settings.kernel_port);
}

void compare_one(std::vector<RestartReason>& reasons, const TunSection& old, const TunSection& now) {
    RestartKeys tun(reasons, "tun." + old.name);
    tun.compare("address", old.addresses, now.addresses);
    tun.compare("mtu", old.mtu, now.mtu);
    tun.compare("queues", old.queues, now.queues);
    tun.compare("namespace", old.network_namespace, now.network_namespace);
    tun.compare("offloads", old.offloads, now.offloads);
}

const std::string& name_of(const PortSection& port) {
    return port.settings.name;
}
const std::string& name_of(const TunSection& tun) {
    return tun.name;
}

/// Sections whose order counts: ids follow it.
template <typename Section>
void compare_lists(std::vector<RestartReason>& reasons, const std::string& kind, const std::vector<Section>& old,
                   const std::vector<Section>& now) {
    const auto find = [](const std::vector<Section>& list, const std::string& name) {
        return std::ranges::find_if(list, [&](const Section& each) { return name_of(each) == name; });
    };
    const std::size_t before = reasons.size();
    for (const auto& section : old)
        if (const auto same = find(now, name_of(section)); same == now.end())
            reasons.push_back({kind + "." + name_of(section), "there", ""});
        else
            compare_one(reasons, section, *same);
    for (const auto& section : now)
        if (find(old, name_of(section)) == old.end())
            reasons.push_back({kind + "." + name_of(section), "", "there"});
    const auto names = [](const std::vector<Section>& list) {
        return written_list(list, [](const Section& each) { return in_quotes(name_of(each)); });
    };
    if (reasons.size() == before && names(old) != names(now))
        reasons.push_back({"the order of [[" + kind + "]]", names(old), names(now)});
}

template <typename Value>
bool same_set(std::vector<Value> a, std::vector<Value> b) {
    std::ranges::sort(a);
    std::ranges::sort(b);
    return a == b;
}

PeerChange compare_peer(const PeerSection& old, const PeerSection& now) {
    PeerChange change{old, now};
    change.credentials = !same_set(old.pins, now.pins) || old.psk_file != now.psk_file;
    change.endpoint = old.endpoint != now.endpoint;
    change.prefixes = !same_set(old.prefixes, now.prefixes);
    change.tun = old.tun != now.tun;
    change.lanes = old.lanes != now.lanes;
    change.others = old.mtu != now.mtu || old.dscp != now.dscp || old.keepalive != now.keepalive ||
                    old.rekey_time != now.rekey_time || old.rekey_packets != now.rekey_packets;
    return change;
}

void compare_peers(Difference& difference, const std::vector<PeerSection>& old,
                   const std::vector<PeerSection>& now) {
    std::map<std::string_view, const PeerSection*> before;
    for (const auto& peer : old)
        before.emplace(peer.name, &peer);
    for (const auto& peer : now) {
        const auto same = before.find(peer.name);
        if (same == before.end()) {
            difference.added_peers.push_back(peer);
            continue;
        }
        if (auto change = compare_peer(*same->second, peer); change.any())
            difference.changed_peers.push_back(std::move(change));
        before.erase(same);
    }
    for (const auto& peer : old)
        if (before.contains(peer.name))
            difference.removed_peers.push_back(peer);
}

void copy_missing(std::vector<ListenSection>& out, const std::vector<ListenSection>& from,
                  const std::vector<ListenSection>& in) {
    std::ranges::copy_if(from, std::back_inserter(out),
                         [&](const ListenSection& each) { return std::ranges::find(in, each) == in.end(); });
}

} // namespace

std::string RestartReason::text() const {
    if (old.empty() || now.empty())
        return key + ": " + (old.empty() ? "new" : "gone");
    return key + ": " + old + " → " + now;
}

bool Difference::empty() const {
    return added_peers.empty() && removed_peers.empty() && changed_peers.empty() && added_listens.empty() &&
           removed_listens.empty() && !certificate && !log_level && needs_restart.empty();
}

Difference compare(const Configuration& old, const Configuration& now) {
    Difference difference;
    compare_sections(difference, old, now);
    compare_lists(difference.needs_restart, "port", old.ports, now.ports);
    compare_lists(difference.needs_restart, "tun", old.tuns, now.tuns);
    compare_peers(difference, old.peers, now.peers);
    copy_missing(difference.added_listens, now.listens, old.listens);
    copy_missing(difference.removed_listens, old.listens, now.listens);
    difference.certificate =
        old.gateway.certificate != now.gateway.certificate || old.gateway.private_key != now.gateway.private_key;
    if (old.control.log_level != now.control.log_level)
        difference.log_level = now.control.log_level;
    return difference;
}

} // namespace culvert::control
