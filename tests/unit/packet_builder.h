#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

/// Packets for tests, written as what they are:
///
///     ipv4("10.1.0.1", "10.2.0.1").ttl(3).udp(1000, 53).payload("hello").bytes()
///     ethernet().vlan(7).ipv6("2001:db8::1", "2001:db8::2").tcp(5000, 80).syn().mss(1460).bytes()
///
/// A method without a layer in its name changes the layer written last. bytes() fills in all lengths, protocol
/// numbers and checksums that were not given, with arithmetic of its own, so that it can bear witness.
namespace culvert::testing {

using Bytes = std::vector<std::uint8_t>;

class Packet {
  public:
    // --- layers
    Packet& ethernet(std::string_view source = "02:00:00:00:00:01",
                     std::string_view destination = "02:00:00:00:00:02");
    Packet& vlan(std::uint16_t tag);
    Packet& ipv4(std::string_view source, std::string_view destination);
    Packet& ipv6(std::string_view source, std::string_view destination);
    Packet& extension(std::uint8_t protocol, Bytes body); ///< IPv6 extension header: all but its first byte
    Packet& fragment_header(unsigned offset, bool more, std::uint32_t id = 1); ///< IPv6; `offset` in bytes
    Packet& udp(std::uint16_t source, std::uint16_t destination);
    Packet& tcp(std::uint16_t source, std::uint16_t destination);
    Packet& icmp(std::uint8_t type, std::uint8_t code, std::uint32_t rest = 0); ///< ICMPv6 behind an IPv6 header
    Packet& payload(std::string_view text);
    Packet& payload(const Bytes& bytes);
    Packet& payload(std::size_t count); ///< 0, 1, 2 … 255, 0 …

    // --- IP
    Packet& ttl(std::uint8_t value); ///< or hop limit
    Packet& traffic_class(std::uint8_t value);
    Packet& id(std::uint16_t value);
    Packet& dont_fragment();
    Packet& more_fragments();
    Packet& fragment_offset(unsigned bytes);
    Packet& ip_options(const Bytes& bytes); ///< filled up with end-of-options
    Packet& protocol(std::uint8_t value);
    Packet& length(std::uint16_t value); ///< the layer's own length field, wrong or right; UDP too

    // --- TCP
    Packet& flags(std::uint8_t value);
    Packet& sequence(std::uint32_t value);
    Packet& acknowledgment(std::uint32_t value);
    Packet& window(std::uint16_t value);
    Packet& syn() { return flags(0x02); }
    Packet& tcp_options(const Bytes& bytes); ///< filled up with end-of-options
    Packet& mss(std::uint16_t value);

    Packet& checksum(std::uint16_t value); ///< of the last layer, wrong or right

    Bytes bytes() const;
    operator Bytes() const { return bytes(); }

  private:
    enum class Kind { ethernet, vlan, ipv4, ipv6, extension, udp, tcp, icmp, payload };
    struct Layer {
        Kind kind;
        Bytes header;
        std::uint8_t number = 0; ///< an extension's protocol
        bool fixed_protocol = false, fixed_length = false, fixed_checksum = false;
    };

    Packet& add(Kind kind, Bytes header, std::uint8_t number = 0);
    Layer& last() { return layers_.back(); }
    const Layer* ip_before(std::size_t index) const;
    std::uint8_t protocol_of(std::size_t index) const;
    std::uint16_t ether_type_of(std::size_t index) const;
    void finish_ip(Layer& layer, std::size_t index, std::size_t following) const;
    void finish_l4(Layer& layer, std::size_t index, const Bytes& following) const;

    std::vector<Layer> layers_;
};

inline Packet ethernet() {
    return Packet().ethernet();
}
inline Packet ipv4(std::string_view source, std::string_view destination) {
    return Packet().ipv4(source, destination);
}
inline Packet ipv6(std::string_view source, std::string_view destination) {
    return Packet().ipv6(source, destination);
}

/// The Internet checksum of RFC 1071, word by word, slowly and plainly.
std::uint16_t plain_checksum(const Bytes& bytes);

/// Whether the IPv4 header checksum and, of unfragmented packets, the UDP, TCP or ICMP checksum is right. `packet`
/// starts with its IP header; IPv6 extension headers are walked.
bool checksums_right(const Bytes& packet);

} // namespace culvert::testing
