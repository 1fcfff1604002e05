#include "control/configuration/value_syntax.h"

#include <algorithm>
#include <charconv>
#include <net/if.h>
#include <regex>

namespace culvert::control {
namespace {

constexpr std::size_t longest_name = 64;
constexpr std::size_t longest_host = 253; // RFC 1035 §2.3.4, without the root's dot

bool is_letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/// RFC 1123 §2.1, and underscores, which resolvers take as well.
bool is_host_name(std::string_view text) {
    if (text.empty() || text.size() > longest_host)
        return false;
    std::size_t label = 0;
    for (std::size_t i = 0; i <= text.size(); ++i) {
        if (i < text.size() && text[i] != '.')
            continue;
        const auto part = text.substr(label, i - label);
        const bool root = i == text.size() && part.empty() && label > 0;
        if (!root && (part.empty() || part.size() > 63 || part.front() == '-' || part.back() == '-'))
            return false;
        if (!std::ranges::all_of(part, [](char c) { return is_letter_or_digit(c) || c == '-' || c == '_'; }))
            return false;
        label = i + 1;
    }
    return true;
}

/// A name never looks like this, so it is an IPv4 address gone wrong.
bool looks_like_v4(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
}

std::expected<std::uint16_t, Complaint> parse_udp_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size() || port == 0)
        return wrong(in_quotes(text) + " is not a UDP port", "write a number from 1 to 65535 after the colon");
    return port;
}

} // namespace

std::expected<std::string, Complaint> parse_name(std::string_view text) {
    const bool good = !text.empty() && text.size() <= longest_name && is_letter_or_digit(text.front()) &&
                      std::ranges::all_of(
                          text, [](char c) { return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.'; });
    if (!good)
        return wrong(in_quotes(text) + " is not a name",
                     "use 1 to 64 letters, digits, '-', '_' and '.', and begin with a letter or digit");
    return std::string(text);
}

std::expected<std::string, Complaint> parse_interface_name(std::string_view text) {
    const bool good = !text.empty() && text.size() < IFNAMSIZ && text != "." && text != ".." &&
                      std::ranges::all_of(
                          text, [](char c) { return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.'; });
    if (!good)
        return wrong(in_quotes(text) + " is not a name for a network interface",
                     "use 1 to 15 letters, digits, '-', '_' and '.'");
    return std::string(text);
}

std::expected<dataplane::Prefix, Complaint> parse_prefix(std::string_view text) {
    const auto prefix = dataplane::Prefix::parse_interface(text);
    if (!prefix)
        return wrong(in_quotes(text) + " is not a network", "write it like \"10.9.0.0/16\" or \"2001:db8::/32\"");
    if (prefix->network() != *prefix)
        return wrong(in_quotes(text) + " has host bits set", "write " + in_quotes(prefix->network().text()));
    return *prefix;
}

std::expected<dataplane::Prefix, Complaint> parse_address(std::string_view text) {
    const auto address = dataplane::Prefix::parse_interface(text);
    if (!address)
        return wrong(in_quotes(text) + " is not an address with its network's length",
                     "write it like \"192.0.2.1/24\" or \"2001:db8::1/64\"");
    if (address->address.is_unspecified())
        return wrong(in_quotes(text) + " is no host's address", "write the address that this gateway has there");
    return *address;
}

std::expected<RemoteEndpoint, Complaint> parse_remote_endpoint(std::string_view text) {
    RemoteEndpoint endpoint;
    std::string_view port;
    bool has_port = false;
    if (text.starts_with('[')) {
        const auto bracket = text.find(']');
        const auto address = dataplane::IpAddress::parse(text.substr(1, bracket == text.npos ? 0 : bracket - 1));
        const auto rest = bracket == text.npos ? std::string_view{} : text.substr(bracket + 1);
        if (!address || address->is_v4() || !(rest.empty() || rest.starts_with(':')))
            return wrong(in_quotes(text) + " is not an endpoint", "write IPv6 like \"[2001:db8::1]:4433\"");
        endpoint.host = address->text();
        has_port = !rest.empty();
        port = rest.substr(has_port ? 1 : 0);
    } else {
        const auto colon = text.find(':');
        has_port = colon != text.npos;
        if (has_port && text.find(':', colon + 1) != text.npos)
            return wrong(in_quotes(text) + " is not an endpoint",
                         "put an IPv6 address in brackets, like \"[2001:db8::1]:4433\"");
        endpoint.host = text.substr(0, colon);
        port = has_port ? text.substr(colon + 1) : std::string_view{};
        const bool address_like = looks_like_v4(endpoint.host);
        if (address_like ? !dataplane::IpAddress::parse(endpoint.host) : !is_host_name(endpoint.host))
            return wrong(in_quotes(endpoint.host) + " is neither an address nor a host name",
                         "write it like \"192.0.2.1:4433\" or \"tokyo.example.org:4433\"");
    }
    if (has_port) {
        const auto number = parse_udp_port(port);
        if (!number)
            return std::unexpected(number.error());
        endpoint.port = *number;
    }
    return endpoint;
}

std::expected<std::string, Complaint> parse_device(std::string_view text) {
    static const std::regex pci("[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\\.[0-7]");
    static const std::regex short_pci("[0-9a-f]{2}:[01][0-9a-f]\\.[0-7]");
    static const std::regex vdev("((?:net|eth)_[a-z0-9_]+|virtio_user[0-9]*)(,.*)?");
    const std::string device(text);
    std::smatch match;
    if (device.starts_with("kernel:")) {
        const auto interface = parse_interface_name(text.substr(7));
        if (!interface)
            return wrong(interface.error().problem, "write \"kernel:\" and an interface of \"ip link\"");
        return interface;
    }
    if (std::regex_match(device, pci))
        return device;
    if (std::regex_match(device, match, vdev))
        return match[1].str();
    if (std::regex_match(device, short_pci))
        return wrong(in_quotes(text) + " lacks its PCI domain", "write " + in_quotes("0000:" + device));
    const bool interface_like = parse_interface_name(text).has_value();
    return wrong(in_quotes(text) + " is not a device",
                 interface_like
                     ? "write " + in_quotes("kernel:" + device) + " to share a kernel interface"
                     : "write a PCI address (\"0000:3b:00.0\"), \"kernel:\" and an interface, or a DPDK "
                       "vdev (\"net_…\")");
}

} // namespace culvert::control
