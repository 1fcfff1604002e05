#include "dataplane/inner_packet.h"

namespace culvert::dataplane {
namespace {

bool is_routable(std::uint32_t address) {
    const std::uint32_t first = address >> 24;
    return first != 0 && first != 127 // this network, loopback (RFC 1122 §3.2.1.3)
           && address >> 28 != 0xe    // multicast (RFC 1112 §4)
           && address >> 16 != 0xa9fe // link-local (RFC 3927 §7)
           && address != 0xffffffff;  // limited broadcast (RFC 919 §7)
}

bool is_routable(const std::array<std::uint8_t, 16>& address) {
    if (address[0] != 0) [[likely]]
        return address[0] != 0xff && !(address[0] == 0xfe && (address[1] & 0xc0) == 0x80);
    std::array<std::uint8_t, 16> high = address; // :: and ::1 differ in their last bit alone
    high[15] &= 0xfe;
    return high != std::array<std::uint8_t, 16>{};
}

} // namespace

bool is_routable_destination(const std::uint8_t* packet) noexcept {
    if (packet[0] >> 4 == 4)
        return is_routable(std::uint32_t{reinterpret_cast<const Ipv4Header*>(packet)->destination});
    return is_routable(reinterpret_cast<const Ipv6Header*>(packet)->destination);
}

bool is_routable_source(const std::uint8_t* packet) noexcept {
    if (packet[0] >> 4 == 4)
        return is_routable(std::uint32_t{reinterpret_cast<const Ipv4Header*>(packet)->source});
    return is_routable(reinterpret_cast<const Ipv6Header*>(packet)->source);
}

} // namespace culvert::dataplane
