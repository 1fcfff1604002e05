#include "control/kernel/shared_port_filter.h"

#include <algorithm>
#include <nftables/libnftables.h>
#include <unistd.h>

namespace culvert::control {
namespace {

/// Several gateways may live in one namespace, and a table belongs to one process.
std::string table() {
    return "netdev culvert_" + std::to_string(getpid());
}

/// `elements = { … }`, or nothing where there are none.
template <typename Items, typename Text>
std::string elements(const Items& items, Text text) {
    std::string list;
    for (const auto& item : items)
        if (const std::string element = text(item); !element.empty())
            list += (list.empty() ? "" : ", ") + element;
    return list.empty() ? "" : "elements = { " + list + " }";
}

std::string address_set(const SharedPortFilter::Interface& interface, bool v4) {
    return elements(interface.addresses, [v4](const dataplane::IpAddress& address) {
        return address.is_v4() == v4 ? address.text() : std::string();
    });
}

/// The sets are per interface: what is another's own address is a stranger's here.
std::string rules_of(const SharedPortFilter::Interface& interface, std::size_t number) {
    const std::string n = std::to_string(number);
    // Priority −500: before anything else that may have a hook there.
    return "set v4_" + n + " { type ipv4_addr; " + address_set(interface, true) + "\n}\n" +  //
           "set v6_" + n + " { type ipv6_addr; " + address_set(interface, false) + "\n}\n" + //
           "chain ingress_" + n + " { type filter hook ingress device \"" + interface.name +
           "\" priority -500; policy accept;\n" +             //
           "ip daddr @v4_" + n + " udp dport @ports drop\n" + //
           "ip6 daddr @v6_" + n + " udp dport @ports drop\n}\n";
}

} // namespace

void SharedPortFilter::Free::operator()(nft_ctx* context) const {
    nft_ctx_free(context);
}

SharedPortFilter::SharedPortFilter() : context_(nft_ctx_new(NFT_CTX_DEFAULT)) {
    nft_ctx_buffer_error(context_.get());
    nft_ctx_buffer_output(context_.get());
}

SharedPortFilter::~SharedPortFilter() {
    if (there_)
        (void)run("delete table " + table() + "\n"); // or with our netlink socket, a moment later
}

std::expected<std::unique_ptr<SharedPortFilter>, std::string>
SharedPortFilter::open(std::vector<Interface> interfaces) {
    std::unique_ptr<SharedPortFilter> filter(new SharedPortFilter());
    if (const auto set = filter->set_interfaces(std::move(interfaces)); !set)
        return std::unexpected(set.error());
    return filter;
}

std::expected<void, std::string> SharedPortFilter::set_interfaces(std::vector<Interface> interfaces) {
    if (there_ && interfaces == interfaces_)
        return {};
    interfaces_ = std::move(interfaces);
    return apply();
}

std::expected<void, std::string> SharedPortFilter::apply() {
    std::string commands = there_ ? "delete table " + table() + "\n" : "";
    commands += "table " + table() + " {\nflags owner\nset ports { type inet_service; " +
                elements(ports_, [](std::uint16_t port) { return std::to_string(port); }) + "\n}\n";
    for (std::size_t i = 0; i < interfaces_.size(); ++i)
        commands += rules_of(interfaces_[i], i);
    auto done = run(commands + "}\n"); // one transaction: all or nothing
    there_ = there_ || done;
    return done;
}

std::expected<void, std::string> SharedPortFilter::run(const std::string& commands) {
    const bool done = nft_run_cmd_from_buffer(context_.get(), commands.c_str()) == 0;
    (void)nft_ctx_get_output_buffer(context_.get());
    std::string said = nft_ctx_get_error_buffer(context_.get()); // empties it
    if (done)
        return {};
    said.resize(std::min(said.find('\n'), said.size()));
    return std::unexpected("nftables refused the filter of the shared ports: " + said);
}

void SharedPortFilter::change_ports(const char* verb, std::uint16_t udp_port) {
    (void)run(std::string(verb) + " element " + table() + " ports { " + std::to_string(udp_port) + " }\n");
}

void SharedPortFilter::add(std::uint16_t udp_port) {
    if (ports_.insert(udp_port).second)
        change_ports("add", udp_port);
}

void SharedPortFilter::remove(std::uint16_t udp_port) {
    if (ports_.erase(udp_port) != 0)
        change_ports("delete", udp_port);
}

} // namespace culvert::control
