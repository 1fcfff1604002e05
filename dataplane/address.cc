#include "dataplane/address.h"

#include <arpa/inet.h>
#include <charconv>
#include <random>

namespace culvert::dataplane {
namespace {

std::string quoted(std::string_view text) {
    return std::string(1, '\'').append(text).append("'");
}

std::expected<std::uint16_t, std::string> parse_number(std::string_view text, std::uint16_t least,
                                                       std::uint16_t most) {
    std::uint16_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < least || value > most)
        return std::unexpected(quoted(text) + " is not a number from " + std::to_string(least) + " to " +
                               std::to_string(most));
    return value;
}

std::uint8_t family_bits(const IpAddress& address) {
    return address.is_v4() ? 32 : 128;
}

/// Clears all bits from the `length`th of the address's own family on.
IpAddress masked(IpAddress address, std::uint8_t length) {
    const unsigned kept = length + 128U - family_bits(address);
    for (unsigned byte = 0; byte < 16; ++byte) {
        if (kept <= byte * 8)
            address.bytes[byte] = 0;
        else if (kept < byte * 8 + 8)
            address.bytes[byte] &= static_cast<std::uint8_t>(0xff00U >> (kept - byte * 8));
    }
    return address;
}

/// Two words mixed by a 64×64→128 bit multiplication, both halves of the product kept.
std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
    const auto product = static_cast<unsigned __int128>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

/// Strangers choose the addresses they come from, so which of them share a bucket must not be theirs to know.
std::uint64_t hash_seed() noexcept {
    static const std::uint64_t seed = [] {
        std::random_device random;
        return (std::uint64_t{random()} << 32) | random();
    }();
    return seed;
}

std::uint64_t hash_bytes(const IpAddress& address, std::uint64_t more) noexcept {
    std::uint64_t high = 0, low = 0;
    std::memcpy(&high, address.bytes.data(), 8);
    std::memcpy(&low, address.bytes.data() + 8, 8);
    const std::uint64_t first = mix(high ^ hash_seed(), 0x9e3779b97f4a7c15U ^ more);
    return mix(first ^ low, 0xd6e8feb86659fd93U ^ hash_seed());
}

} // namespace

std::expected<IpAddress, std::string> IpAddress::parse(std::string_view text) {
    const std::string terminated(text.substr(0, text.find('\0')));
    const bool whole = terminated.size() == text.size();
    be32 v4_address;
    if (whole && inet_pton(AF_INET, terminated.c_str(), &v4_address) == 1)
        return v4(v4_address);
    IpAddress address;
    if (!whole || inet_pton(AF_INET6, terminated.c_str(), address.bytes.data()) != 1)
        return std::unexpected(quoted(text) + " is not an IPv4 or IPv6 address");
    if (address.is_v4())
        return std::unexpected(quoted(text) + " is an IPv4 address in IPv6 dress; write " + address.text());
    return address;
}

std::string IpAddress::text() const {
    char buffer[INET6_ADDRSTRLEN];
    const bool four = is_v4();
    return inet_ntop(four ? AF_INET : AF_INET6, bytes.data() + (four ? 12 : 0), buffer, sizeof buffer);
}

std::expected<Endpoint, std::string> Endpoint::parse(std::string_view text) {
    const auto wrong = [&] {
        return std::unexpected(quoted(text) + " is not an endpoint; write 192.0.2.1:4433 or [2001:db8::1]:4433");
    };
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos)
        return wrong();
    std::string_view host = text.substr(0, colon);
    const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
    if (bracketed)
        host = host.substr(1, host.size() - 2);
    const auto address = IpAddress::parse(host);
    if (!address || address->is_v4() == bracketed)
        return wrong();
    const auto port = parse_number(text.substr(colon + 1), 1, 65535);
    if (!port)
        return std::unexpected("port " + port.error());
    return Endpoint{*address, *port};
}

std::string Endpoint::text() const {
    const std::string host = address.text();
    return (address.is_v4() ? host : std::string(1, '[').append(host).append("]")) + ":" + std::to_string(port);
}

std::expected<Prefix, std::string> Prefix::parse_interface(std::string_view text) {
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos)
        return std::unexpected(quoted(text) + " has no prefix length; write " + std::string(text) + "/24, say");
    const auto address = IpAddress::parse(text.substr(0, slash));
    if (!address)
        return std::unexpected(address.error());
    const auto length = parse_number(text.substr(slash + 1), 0, family_bits(*address));
    if (!length)
        return std::unexpected("prefix length " + length.error());
    return Prefix{*address, static_cast<std::uint8_t>(*length)};
}

std::expected<Prefix, std::string> Prefix::parse(std::string_view text) {
    const auto prefix = parse_interface(text);
    if (prefix && prefix->network() != *prefix)
        return std::unexpected(quoted(text) + " has host bits set; the network is " + prefix->network().text());
    return prefix;
}

bool Prefix::contains(const IpAddress& inner) const {
    return inner.is_v4() == is_v4() && masked(inner, length) == masked(address, length);
}

Prefix Prefix::network() const {
    return {masked(address, length), length};
}

std::string Prefix::text() const {
    return address.text() + "/" + std::to_string(length);
}

} // namespace culvert::dataplane

std::size_t
std::hash<culvert::dataplane::IpAddress>::operator()(const culvert::dataplane::IpAddress& a) const noexcept {
    return culvert::dataplane::hash_bytes(a, 0);
}

std::size_t
std::hash<culvert::dataplane::Endpoint>::operator()(const culvert::dataplane::Endpoint& e) const noexcept {
    return culvert::dataplane::hash_bytes(e.address, std::uint64_t{e.port} << 16);
}
