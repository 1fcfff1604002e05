#pragma once

#include "dataplane/big_endian.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <expected>
#include <functional>
#include <string>
#include <string_view>

namespace culvert::dataplane {

/// An IPv4 or IPv6 address. IPv4 is kept IPv4-mapped (::ffff:a.b.c.d, RFC 4291 §2.5.5.2), so one type keys both.
struct IpAddress {
    std::array<std::uint8_t, 16> bytes{};

    static IpAddress v4(be32 address) {
        IpAddress mapped;
        mapped.bytes[10] = mapped.bytes[11] = 0xff;
        std::memcpy(mapped.bytes.data() + 12, &address, 4);
        return mapped;
    }
    static IpAddress v6(const std::array<std::uint8_t, 16>& address) { return {address}; }
    /// "192.0.2.1" or "2001:db8::1"; the error is one sentence. "::ffff:192.0.2.1" is an error: it would be IPv4.
    static std::expected<IpAddress, std::string> parse(std::string_view text);

    bool is_v4() const {
        constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
        return std::memcmp(bytes.data(), mapped.data(), mapped.size()) == 0;
    }
    be32 as_v4() const { ///< only when is_v4()
        be32 address;
        std::memcpy(&address, bytes.data() + 12, 4);
        return address;
    }
    bool is_unspecified() const { return *this == IpAddress{} || *this == v4(0U); } ///< 0.0.0.0 or ::
    std::string text() const;

    auto operator<=>(const IpAddress&) const = default;
};

/// Whether a host may send from this address at all: no multicast, broadcast, loopback or "this network" address
/// (RFC 1122 §3.2.1.3, RFC 4291 §2.5.2, §2.5.3, §2.7).
inline bool plausible_source(const IpAddress& address) noexcept {
    if (address.is_v4()) {
        const std::uint8_t first = address.bytes[12];
        return first != 0 && first != 127 && (first & 0xf0) != 0xe0 && address.as_v4() != 0xffffffffU;
    }
    if (address.bytes[0] != 0)
        return address.bytes[0] != 0xff;
    IpAddress high = address; // :: and ::1 differ in their last bit alone
    high.bytes[15] &= 0xfe;
    return high != IpAddress{};
}

/// A UDP endpoint.
struct Endpoint {
    IpAddress address;
    std::uint16_t port = 0; ///< host byte order

    /// "192.0.2.1:4433" or "[2001:db8::1]:4433"
    static std::expected<Endpoint, std::string> parse(std::string_view text);
    std::string text() const;

    auto operator<=>(const Endpoint&) const = default;
};

/// A network. `length` counts in the family's own bits: 0–32 or 0–128.
struct Prefix {
    IpAddress address;
    std::uint8_t length = 0;

    /// "10.9.0.0/16", "2001:db8::/32"; host bits that are set are an error that names the right network.
    static std::expected<Prefix, std::string> parse(std::string_view text);
    /// "10.8.0.1/24": an address with its network's length; host bits are kept.
    static std::expected<Prefix, std::string> parse_interface(std::string_view text);
    bool is_v4() const { return address.is_v4(); }
    bool contains(const IpAddress& inner) const;
    Prefix network() const; ///< the same with its host bits cleared
    std::string text() const;

    auto operator<=>(const Prefix&) const = default;
};

} // namespace culvert::dataplane

template <>
struct std::hash<culvert::dataplane::IpAddress> {
    std::size_t operator()(const culvert::dataplane::IpAddress& a) const noexcept;
};
template <>
struct std::hash<culvert::dataplane::Endpoint> {
    std::size_t operator()(const culvert::dataplane::Endpoint& e) const noexcept;
};
