#include "dataplane/flow_hash.h"

#include "dataplane/extension_headers.h"
#include "dataplane/headers.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <utility>

// The function, frozen: both gateways of a pair compute it. All fields are read as big-endian numbers.
//
//     mum(a, b) = high half xor low half of the 128-bit product a · b
//     end of IPv4: address · 2^16 + port
//     end of IPv6: mum(address high xor K0, address low xor K1) + port (mod 2^64)
//     hash64 = mum(smaller end xor K2, larger end xor K3 xor (protocol · 2^56)); hash = its halves xored
//
// Ports are 0 where they don't count. Ordering the ends, rather than xoring them, keeps pairs such
// as 10.1.0.x–10.2.0.x apart, whose xor is always the same. The constants are the fractions of the square roots of
// 2, 3, 5 and 7.
namespace culvert::dataplane {
namespace {

constexpr std::uint64_t k0 = 0x6a09e667f3bcc908, k1 = 0xbb67ae8584caa73b, k2 = 0x3c6ef372fe94f82b,
                        k3 = 0xa54ff53a5f1d36f1;

std::uint64_t mum(std::uint64_t a, std::uint64_t b) {
    const auto product = static_cast<unsigned __int128>(a) * b;
    return static_cast<std::uint64_t>(product >> 64) ^ static_cast<std::uint64_t>(product);
}

std::uint32_t finish(std::uint64_t one_end, std::uint64_t other_end, std::uint8_t protocol) {
    const std::uint64_t hash = mum(std::min(one_end, other_end) ^ k2,
                                   std::max(one_end, other_end) ^ k3 ^ (std::uint64_t{protocol} << 56));
    return static_cast<std::uint32_t>(hash >> 32) ^ static_cast<std::uint32_t>(hash);
}

bool has_ports(std::uint8_t protocol) {
    return protocol == ip_protocol::tcp || protocol == ip_protocol::udp;
}

struct Ports {
    std::uint16_t source = 0, destination = 0;
};

/// None: the packet ends before its ports.
std::optional<Ports> read_ports(const std::uint8_t* packet, std::uint32_t length, std::uint32_t at) {
    if (length < at + 4)
        return std::nullopt;
    const auto& udp = *reinterpret_cast<const UdpHeader*>(packet + at); // TCP's lie there too
    return Ports{udp.source, udp.destination};
}

std::uint32_t hash_v4(const std::uint8_t* packet, std::uint32_t length) {
    if (length < sizeof(Ipv4Header))
        return 0;
    const auto& ip = *reinterpret_cast<const Ipv4Header*>(packet);
    std::optional<Ports> ports = Ports{};
    if (has_ports(ip.protocol) && !ip.is_fragment())
        ports = read_ports(packet, length, ip.header_bytes());
    if (!ports)
        return 0;
    return finish(std::uint64_t{ip.source} << 16 | ports->source,
                  std::uint64_t{ip.destination} << 16 | ports->destination, ip.protocol);
}

std::uint64_t end_v6(const std::array<std::uint8_t, 16>& address, std::uint16_t port) {
    const auto halves = std::bit_cast<std::array<be64, 2>>(address);
    return mum(halves[0] ^ k0, halves[1] ^ k1) + port;
}

std::uint32_t hash_v6(const std::uint8_t* packet, std::uint32_t length) {
    if (length < sizeof(Ipv6Header))
        return 0;
    const auto& ip = *reinterpret_cast<const Ipv6Header*>(packet);
    const auto upper = upper_layer(packet, length, AtFragment::stop);
    if (!upper)
        return 0;
    std::optional<Ports> ports = Ports{};
    if (has_ports(upper->protocol) && !upper->fragment)
        ports = read_ports(packet, length, upper->at);
    if (!ports)
        return 0;
    return finish(end_v6(ip.source, ports->source), end_v6(ip.destination, ports->destination), upper->protocol);
}

} // namespace

std::uint32_t flow_hash(const std::uint8_t* packet, std::uint32_t length) noexcept {
    if (length == 0)
        return 0;
    switch (packet[0] >> 4) {
    case 4:
        return hash_v4(packet, length);
    case 6:
        return hash_v6(packet, length);
    default:
        return 0;
    }
}

} // namespace culvert::dataplane
