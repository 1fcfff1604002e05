#include "control/configuration/cross_checks.h"

#include <algorithm>

namespace culvert::control {
namespace {

constexpr std::uint16_t mtu_for_the_tunnel =
    100;                                     ///< a DTLS record with UDP and IPv6 takes 85, and something to spare
constexpr std::uint16_t least_mtu_v6 = 1280; // RFC 8200 §5

std::string at_line(std::uint32_t line) {
    return line == 0 ? "" : " (line " + std::to_string(line) + ")";
}

/// An address in use and where that was said.
struct Use {
    std::string whose;
    std::uint32_t line = 0;
};
using Uses = std::map<std::pair<std::string, dataplane::IpAddress>, Use>;

/// Addresses may repeat in different namespaces only.
void claim_addresses(Uses& uses, const std::string& space, const std::string& whose, const TableReader& reader,
                     const std::vector<ListedPrefix>& addresses) {
    for (const auto& [index, prefix] : addresses) {
        const std::uint32_t line = reader.line("address", index);
        const auto [known, fresh] = uses.try_emplace({space, prefix.address}, Use{whose, line});
        if (!fresh)
            reader.complain("address", index,
                            prefix.address.text() + " is already an address of " + known->second.whose +
                                at_line(known->second.line),
                            "give each address once");
    }
}

template <typename Draft>
std::uint16_t smallest_mtu(const std::vector<Draft>& ports) {
    std::uint16_t least = 0;
    for (const auto& port : ports)
        least = least == 0 ? port.section.settings.mtu : std::min(least, port.section.settings.mtu);
    return least == 0 ? 1500 : least;
}

/// Told once for each name after the first of its kind.
class UniqueNames {
  public:
    UniqueNames(std::string kind, std::string advice) : kind_(std::move(kind)), advice_(std::move(advice)) {}
    void check(const TableReader& reader, std::string_view key, const std::string& name) {
        if (name.empty())
            return;
        const auto [known, fresh] = lines_.try_emplace(name, reader.line(key));
        if (!fresh)
            reader.complain(key, kind_ + " " + in_quotes(name) + " is there already" + at_line(known->second),
                            advice_);
    }

  private:
    std::string kind_, advice_;
    std::map<std::string, std::uint32_t> lines_;
};

} // namespace

void check_ports(const std::vector<PortDraft>& ports) {
    UniqueNames devices("port", "give each device one [[port]]");
    UniqueNames kernel_ports("kernel port", "give each port a kernel port of its own");
    Uses uses;
    for (const auto& port : ports) {
        devices.check(port.reader, "device", port.section.settings.name);
        kernel_ports.check(port.reader, "kernel_port", port.section.settings.kernel_port);
        claim_addresses(uses, "", "port " + in_quotes(port.section.settings.name), port.reader, port.addresses);
    }
}

void check_tuns(std::vector<TunDraft>& tuns, const std::vector<PortDraft>& ports) {
    UniqueNames names("tun", "give each TUN device a name of its own");
    Uses uses;
    std::map<std::string, std::uint32_t> kernel_ports;
    for (const auto& port : ports) {
        for (const auto& [index, prefix] : port.addresses)
            uses.try_emplace({"", prefix.address}, Use{"port " + in_quotes(port.section.settings.name),
                                                       port.reader.line("address", index)});
        if (!port.section.settings.kernel_port.empty())
            kernel_ports.emplace(port.section.settings.kernel_port, port.reader.line("kernel_port"));
    }
    for (auto& [section, reader, addresses] : tuns) {
        names.check(reader, "name", section.name);
        if (const auto taken = kernel_ports.find(section.name); taken != kernel_ports.end())
            reader.complain("name", in_quotes(section.name) + " is already a kernel port" + at_line(taken->second),
                            "give each network interface a name of its own");
        claim_addresses(uses, section.network_namespace, "tun " + in_quotes(section.name), reader, addresses);
        if (section.mtu == 0)
            section.mtu = static_cast<std::uint16_t>(smallest_mtu(ports) - mtu_for_the_tunnel);
        const bool v6 = std::ranges::any_of(addresses, [](const auto& each) { return !each.prefix.is_v4(); });
        if (v6 && section.mtu < least_mtu_v6)
            reader.complain("mtu", std::to_string(section.mtu) + " is too small for IPv6",
                            "make it at least 1280, or leave out the IPv6 addresses");
    }
}

void check_listens(const std::vector<ListenDraft>& listens) {
    std::map<std::uint16_t, std::uint32_t> lines;
    for (const auto& listen : listens) {
        if (listen.section.port == 0)
            continue;
        const auto [known, fresh] = lines.try_emplace(listen.section.port, listen.reader.line());
        if (!fresh)
            listen.reader.complain("port",
                                   "UDP port " + std::to_string(listen.section.port) + " is listened on already" +
                                       at_line(known->second),
                                   "give each [[listen]] a port of its own");
    }
}

std::string PeerChecks::Owner::text() const {
    return "peer " + in_quotes(peer) + at_line(line);
}

void PeerChecks::check(PeerDraft& peer) {
    const std::string& name = peer.section.name;
    if (!name.empty()) {
        const auto [known, fresh] = names_.try_emplace(name, Owner{name, peer.reader.line("name")});
        if (!fresh)
            peer.reader.complain("name", known->second.text() + " is there already",
                                 "give each peer a name of its own");
    }
    check_tun(peer);
    check_reachable(peer);
    check_credentials(peer);
    check_prefixes(peer);
}

void PeerChecks::accept(const PeerSection& peer) {
    const Owner owner{peer.name, 0};
    names_.emplace(peer.name, owner);
    for (const auto& pin : peer.pins)
        pins_.emplace(pin, owner);
    for (const auto& prefix : peer.prefixes)
        prefixes_.emplace(prefix, owner);
    if (peer.psk_file.empty())
        return;
    if (const auto key = read_psk_file(peer.psk_file))
        psk_identities_.emplace(psk_identity(*key), owner);
}

void PeerChecks::check_tun(PeerDraft& peer) const {
    std::string& tun = peer.section.tun;
    std::vector<std::string> names;
    for (const auto& each : surroundings_.tuns)
        names.push_back(each.name);
    if (!peer.reader.has("tun")) {
        tun = names.empty() ? "" : names.front();
    } else if (!tun.empty() && std::ranges::find(names, tun) == names.end()) {
        peer.reader.complain("tun", "there is no [[tun]] " + in_quotes(tun),
                             names.empty() ? "add a [[tun]] of that name" : "write " + either(names));
    }
}

void PeerChecks::check_reachable(const PeerDraft& peer) const {
    if (!peer.reader.has("endpoint") && !surroundings_.has_listen)
        peer.reader.complain("has no endpoint, and there is no [[listen]] on which it could call",
                             "add endpoint = \"host:4433\" or a [[listen]]");
}

void PeerChecks::check_credentials(const PeerDraft& peer) {
    if (peer.reader.has("pin") && !surroundings_.has_certificate)
        peer.reader.complain("pin", "needs a certificate on this side, too",
                             "\"culvertctl keygen NAME\", then certificate and private_key in [gateway]");
    const Owner owner{peer.section.name, peer.reader.line()};
    for (const auto& [index, pin] : peer.pins) {
        const auto [known, fresh] = pins_.try_emplace(pin, owner);
        if (!fresh)
            peer.reader.complain("pin", index, "is already the pin of " + known->second.text(),
                                 "give each peer a key of its own: its pin tells who calls");
    }
    if (peer.section.psk_file.empty())
        return;
    if (const auto key = read_psk_file(peer.section.psk_file)) {
        const auto [known, fresh] = psk_identities_.try_emplace(psk_identity(*key), owner);
        if (!fresh)
            peer.reader.complain("psk_file", "holds the same key as that of " + known->second.text(),
                                 "give each peer a key of its own: it tells who calls");
    }
}

void PeerChecks::check_prefixes(const PeerDraft& peer) {
    for (const auto& [index, prefix] : peer.prefixes) {
        for (const auto& tun : surroundings_.tuns)
            for (const auto& address : tun.addresses)
                if (address.network() == prefix)
                    peer.reader.complain("prefixes", index,
                                         prefix.text() + " is already the network of tun " + in_quotes(tun.name),
                                         "give each prefix to one end; a longer one inside of it is all right");
        const auto [known, fresh] =
            prefixes_.try_emplace(prefix, Owner{peer.section.name, peer.reader.line("prefixes", index)});
        if (!fresh)
            peer.reader.complain("prefixes", index, prefix.text() + " already belongs to " + known->second.text(),
                                 "give each prefix to one peer");
    }
}

} // namespace culvert::control
