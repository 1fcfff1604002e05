#pragma once

#include "dataplane/big_endian.h"
#include "dataplane/headers.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

/// The Internet checksum (RFC 1071). Sums are over 16-bit words as they lie in memory, which RFC 1071 §2(B)
/// allows: the sum's bytes then lie right as well. All functions are pure, for any thread.
namespace culvert::dataplane {

/// A one's complement sum in the making, over words in memory order. Partial sums of an even number of bytes may
/// be added up in any order with plus().
class OnesSum {
  public:
    constexpr OnesSum() = default;
    constexpr explicit OnesSum(std::uint64_t raw) : value_(raw) {}

    constexpr OnesSum plus(OnesSum other) const {
        const std::uint64_t sum = value_ + other.value_;
        return OnesSum(sum + (sum < other.value_ ? 1 : 0)); // end-around carry
    }
    constexpr OnesSum plus(be16 word) const { return plus(OnesSum(std::bit_cast<std::uint16_t>(word))); }
    constexpr OnesSum plus(be32 word) const { return plus(OnesSum(std::bit_cast<std::uint32_t>(word))); }

    /// The sum in 16 bits.
    constexpr be16 folded() const {
        std::uint64_t sum = (value_ & 0xffffffff) + (value_ >> 32);
        sum = (sum & 0xffff) + (sum >> 16); // at most 33 bits came in, so at most 18 are left,
        sum = (sum & 0xffff) + (sum >> 16); // then 17,
        sum = (sum & 0xffff) + (sum >> 16); // then 16
        return std::bit_cast<be16>(static_cast<std::uint16_t>(sum));
    }
    /// The checksum: the sum's complement.
    constexpr be16 complement() const { return static_cast<std::uint16_t>(~std::uint16_t{folded()}); }
    /// Over data that includes its checksum field: whether that was right.
    constexpr bool verifies() const { return folded() == 0xffff; }

  private:
    std::uint64_t value_ = 0;
};

/// Sum over `length` bytes, which may be odd (the last is padded with zero) and unaligned.
OnesSum ones_sum(const void* data, std::size_t length) noexcept;

/// Checksum over bytes, whose own checksum field, if any, must be zero.
inline be16 internet_checksum(const void* data, std::size_t length) noexcept {
    return ones_sum(data, length).complement();
}

/// Sum over an IPv4 header without options, its checksum field left out; five loads, no loop.
inline OnesSum ipv4_header_sum(const Ipv4Header& header) noexcept {
    std::uint32_t word[5];
    std::memcpy(word, &header, sizeof word);
    return OnesSum(std::uint64_t{word[0]} + word[1] + (word[2] & 0xffff) + word[3] + word[4]);
}

/// The checksum that belongs into the header, whatever stands there now. Options (IHL over 5) are read from behind
/// the header, so header_bytes() of them must be there.
inline be16 ipv4_header_checksum(const Ipv4Header& header) noexcept {
    OnesSum sum = ipv4_header_sum(header);
    if (header.header_bytes() > sizeof header) [[unlikely]]
        sum = sum.plus(ones_sum(&header + 1, header.header_bytes() - sizeof header));
    return sum.complement();
}

/// Whether the header's checksum is right. header_bytes() must be there.
inline bool ipv4_checksum_ok(const Ipv4Header& header) noexcept {
    if (header.header_bytes() == sizeof header) [[likely]]
        return ipv4_header_sum(header).plus(header.checksum).verifies();
    return ones_sum(&header, header.header_bytes()).verifies();
}

/// Pseudo-header of RFC 768 / RFC 9293 §3.1. `bytes` is the length of the L4 header and payload.
inline OnesSum pseudo_header_sum(const Ipv4Header& header, std::uint8_t protocol, std::uint16_t bytes) noexcept {
    std::uint32_t address[2];
    std::memcpy(address, &header.source, sizeof address);
    return OnesSum(std::uint64_t{address[0]} + address[1]).plus(be16(protocol)).plus(be16(bytes));
}

/// Pseudo-header of RFC 8200 §8.1.
inline OnesSum pseudo_header_sum(const Ipv6Header& header, std::uint8_t protocol, std::uint32_t bytes) noexcept {
    std::uint64_t address[4];
    std::memcpy(address, &header.source, sizeof address);
    return OnesSum(address[0])
        .plus(OnesSum(address[1]))
        .plus(OnesSum(address[2]).plus(OnesSum(address[3])))
        .plus(be32(protocol))
        .plus(be32(bytes));
}

/// The checksum after one covered word has changed: RFC 1624 §3, equation 3, HC' = ~(~HC + ~m + m').
constexpr be16 updated_checksum(be16 checksum, be16 from, be16 to) noexcept {
    const auto negated = [](be16 word) { return be16(static_cast<std::uint16_t>(~std::uint16_t{word})); };
    return OnesSum().plus(negated(checksum)).plus(negated(from)).plus(to).complement();
}

/// The same for 32 bits that lie at an even offset.
constexpr be16 updated_checksum(be16 checksum, be32 from, be32 to) noexcept {
    const be16 negated = static_cast<std::uint16_t>(~std::uint16_t{checksum});
    return OnesSum().plus(negated).plus(be32(~std::uint32_t{from})).plus(to).complement();
}

/// Writes the UDP checksum over `udp.length` bytes from `udp` on. IPv6 has no datagrams without a checksum, so one
/// that comes out as 0 is sent as ffff (RFC 8200 §8.1).
inline void finish_udp6(const Ipv6Header& ip, UdpHeader& udp) noexcept {
    udp.checksum = std::uint16_t{0};
    const be16 checksum =
        pseudo_header_sum(ip, ip_protocol::udp, udp.length).plus(ones_sum(&udp, udp.length)).complement();
    udp.checksum = checksum == 0 ? be16(std::uint16_t{0xffff}) : checksum;
}

/// Whether a received datagram's checksum is right; `udp.length` bytes must be there. None at all is right with
/// IPv4 (RFC 768) and wrong with IPv6 (RFC 8200 §8.1).
inline bool udp_checksum_ok(const Ipv4Header& ip, const UdpHeader& udp) noexcept {
    return udp.checksum == 0 ||
           pseudo_header_sum(ip, ip_protocol::udp, udp.length).plus(ones_sum(&udp, udp.length)).verifies();
}
inline bool udp_checksum_ok(const Ipv6Header& ip, const UdpHeader& udp) noexcept {
    return udp.checksum != 0 &&
           pseudo_header_sum(ip, ip_protocol::udp, udp.length).plus(ones_sum(&udp, udp.length)).verifies();
}

} // namespace culvert::dataplane
