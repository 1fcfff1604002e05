#include "dataplane/mss_clamp.h"

#include "dataplane/checksum.h"
#include "dataplane/extension_headers.h"

#include <algorithm>
#include <bit>

namespace culvert::dataplane::mss_clamp_detail {
namespace {

constexpr std::uint8_t end_of_options = 0, no_operation = 1, maximum_segment_size = 2; // RFC 9293 §3.1

void lower_option(TcpHeader& tcp, std::uint8_t* value_at, std::uint16_t most) {
    auto& mss = *reinterpret_cast<be16*>(value_at);
    if (mss <= most)
        return;
    std::uint16_t before = mss, after = most;
    mss = most;
    // Behind an odd number of padding bytes the value lies across two of the checksum's words, its bytes swapped.
    if ((value_at - reinterpret_cast<std::uint8_t*>(&tcp)) % 2 != 0) {
        before = std::byteswap(before);
        after = std::byteswap(after);
    }
    tcp.checksum = updated_checksum(tcp.checksum, be16(before), be16(after));
}

} // namespace

void lower_mss(std::uint8_t* packet, std::uint32_t length, std::uint32_t tcp_at, std::uint16_t most) noexcept {
    auto& tcp = *reinterpret_cast<TcpHeader*>(packet + tcp_at);
    const std::uint32_t end = std::min(length, tcp_at + tcp.header_bytes());
    for (std::uint32_t at = tcp_at + sizeof tcp; at < end && packet[at] != end_of_options;) {
        if (packet[at] == no_operation) {
            ++at;
            continue;
        }
        if (end - at < 2 || packet[at + 1] < 2 || packet[at + 1] > end - at)
            return; // malformed, for the receiver to judge
        if (packet[at] == maximum_segment_size && packet[at + 1] == 4)
            lower_option(tcp, packet + at + 2, most);
        at += packet[at + 1];
    }
}

void clamp_behind_extensions(std::uint8_t* packet, std::uint32_t length, std::uint16_t inner_mtu) noexcept {
    const auto upper = upper_layer(packet, length, AtFragment::go_on);
    if (!upper || upper->protocol != ip_protocol::tcp || upper->later_fragment ||
        length < upper->at + sizeof(TcpHeader) || (packet[upper->at + 13] & syn) == 0)
        return;
    constexpr std::uint32_t headers = sizeof(Ipv6Header) + sizeof(TcpHeader);
    if (inner_mtu > headers)
        lower_mss(packet, length, upper->at, static_cast<std::uint16_t>(inner_mtu - headers));
}

} // namespace culvert::dataplane::mss_clamp_detail
