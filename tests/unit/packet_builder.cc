#include "tests/unit/packet_builder.h"

#include <arpa/inet.h>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace culvert::testing {
namespace {

void put16(Bytes& bytes, std::size_t at, std::size_t value) {
    bytes.at(at) = static_cast<std::uint8_t>(value >> 8);
    bytes.at(at + 1) = static_cast<std::uint8_t>(value);
}

void put32(Bytes& bytes, std::size_t at, std::uint32_t value) {
    put16(bytes, at, value >> 16);
    put16(bytes, at + 2, value & 0xffff);
}

void put_address(Bytes& bytes, std::size_t at, int family, std::string_view text) {
    if (inet_pton(family, std::string(text).c_str(), &bytes.at(at)) != 1)
        throw std::invalid_argument("no address: " + std::string(text));
}

void put_link_address(Bytes& bytes, std::size_t at, std::string_view text) {
    std::uint8_t* to = &bytes.at(at);
    if (std::sscanf(std::string(text).c_str(), "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", to, to + 1, to + 2, to + 3, to + 4,
                    to + 5) != 6)
        throw std::invalid_argument("no link address: " + std::string(text));
}

Bytes padded_to_words(Bytes bytes) {
    bytes.resize((bytes.size() + 3) / 4 * 4);
    return bytes;
}

void append(Bytes& to, const Bytes& more) {
    to.insert(to.end(), more.begin(), more.end());
}

/// RFC 768, RFC 8200 §8.1: what L4 checksums cover of the IP header.
Bytes pseudo_header(const Bytes& ip, std::uint8_t protocol, std::size_t l4_bytes) {
    const bool four = ip.at(0) >> 4 == 4;
    Bytes pseudo(ip.begin() + (four ? 12 : 8), ip.begin() + (four ? 20 : 40));
    pseudo.resize(pseudo.size() + 8);
    put32(pseudo, pseudo.size() - 8, static_cast<std::uint32_t>(l4_bytes));
    pseudo.back() = protocol;
    return pseudo;
}

} // namespace

std::uint16_t plain_checksum(const Bytes& bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < bytes.size(); i += 2)
        sum += static_cast<std::uint32_t>(bytes[i] << 8) + (i + 1 < bytes.size() ? bytes[i + 1] : 0);
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
}

bool checksums_right(const Bytes& packet) {
    const bool four = packet.at(0) >> 4 == 4;
    std::size_t at = four ? (packet[0] & 15U) * 4 : 40;
    std::uint8_t protocol = four ? packet.at(9) : packet.at(6);
    if (four && plain_checksum(Bytes(packet.begin(), packet.begin() + static_cast<int>(at))) != 0)
        return false;
    if (four && ((packet[6] & 0x3f) != 0 || packet[7] != 0))
        return true;
    while (!four && (protocol == 0 || protocol == 43 || protocol == 60)) {
        protocol = packet.at(at);
        at += packet.at(at + 1) * 8U + 8;
    }
    if (protocol != 6 && protocol != 17 && protocol != 1 && protocol != 58)
        return true;
    if (four && protocol == 17 && packet.at(at + 6) == 0 && packet.at(at + 7) == 0)
        return true;
    const std::size_t length = four ? packet.at(2) * 256U + packet.at(3) : packet.at(4) * 256U + packet.at(5) + 40;
    Bytes covered;
    if (protocol != 1)
        covered = pseudo_header(packet, protocol, length - at);
    append(covered, Bytes(packet.begin() + static_cast<int>(at), packet.begin() + static_cast<int>(length)));
    return plain_checksum(covered) == 0;
}

Packet& Packet::add(Kind kind, Bytes header, std::uint8_t number) {
    layers_.push_back({kind, std::move(header), number});
    return *this;
}

Packet& Packet::ethernet(std::string_view source, std::string_view destination) {
    Bytes header(14);
    put_link_address(header, 0, destination);
    put_link_address(header, 6, source);
    return add(Kind::ethernet, header);
}

Packet& Packet::vlan(std::uint16_t tag) {
    Bytes header(4);
    put16(header, 0, tag);
    return add(Kind::vlan, header);
}

Packet& Packet::ipv4(std::string_view source, std::string_view destination) {
    Bytes header(20);
    header[0] = 0x45;
    header[8] = 64;
    put_address(header, 12, AF_INET, source);
    put_address(header, 16, AF_INET, destination);
    return add(Kind::ipv4, header);
}

Packet& Packet::ipv6(std::string_view source, std::string_view destination) {
    Bytes header(40);
    header[0] = 0x60;
    header[7] = 64;
    put_address(header, 8, AF_INET6, source);
    put_address(header, 24, AF_INET6, destination);
    return add(Kind::ipv6, header);
}

Packet& Packet::extension(std::uint8_t protocol, Bytes body) {
    body.insert(body.begin(), 0);
    return add(Kind::extension, std::move(body), protocol);
}

Packet& Packet::fragment_header(unsigned offset, bool more, std::uint32_t id) {
    Bytes body(7);
    put16(body, 1, offset | (more ? 1U : 0U));
    put32(body, 3, id);
    return extension(44, body);
}

Packet& Packet::udp(std::uint16_t source, std::uint16_t destination) {
    Bytes header(8);
    put16(header, 0, source);
    put16(header, 2, destination);
    return add(Kind::udp, header);
}

Packet& Packet::tcp(std::uint16_t source, std::uint16_t destination) {
    Bytes header(20);
    put16(header, 0, source);
    put16(header, 2, destination);
    put32(header, 4, 0x01020304);
    header[13] = 0x10; // ACK
    put16(header, 14, 0xfaf0);
    return add(Kind::tcp, header);
}

Packet& Packet::icmp(std::uint8_t type, std::uint8_t code, std::uint32_t rest) {
    Bytes header(8);
    header[0] = type;
    header[1] = code;
    put32(header, 4, rest);
    return add(Kind::icmp, header);
}

Packet& Packet::payload(std::string_view text) {
    return add(Kind::payload, Bytes(text.begin(), text.end()));
}
Packet& Packet::payload(const Bytes& bytes) {
    return add(Kind::payload, bytes);
}

Packet& Packet::payload(std::size_t count) {
    Bytes bytes(count);
    for (std::size_t i = 0; i < count; ++i)
        bytes[i] = static_cast<std::uint8_t>(i);
    return add(Kind::payload, bytes);
}

Packet& Packet::ttl(std::uint8_t value) {
    last().header.at(last().kind == Kind::ipv4 ? 8 : 7) = value;
    return *this;
}

Packet& Packet::traffic_class(std::uint8_t value) {
    Bytes& header = last().header;
    if (last().kind == Kind::ipv4) {
        header[1] = value;
    } else {
        header[0] = static_cast<std::uint8_t>(0x60 | (value >> 4));
        header[1] = static_cast<std::uint8_t>((value << 4) | (header[1] & 15));
    }
    return *this;
}

Packet& Packet::id(std::uint16_t value) {
    put16(last().header, 4, value);
    return *this;
}

Packet& Packet::dont_fragment() {
    last().header[6] |= 0x40;
    return *this;
}

Packet& Packet::more_fragments() {
    last().header[6] |= 0x20;
    return *this;
}

Packet& Packet::fragment_offset(unsigned bytes) {
    Bytes& header = last().header;
    put16(header, 6, (header[6] & 0xe0U) << 8 | bytes / 8);
    return *this;
}

Packet& Packet::ip_options(const Bytes& bytes) {
    append(last().header, padded_to_words(bytes));
    last().header[0] = static_cast<std::uint8_t>(0x40 | last().header.size() / 4);
    return *this;
}

Packet& Packet::protocol(std::uint8_t value) {
    last().header.at(last().kind == Kind::ipv4 ? 9 : last().kind == Kind::ipv6 ? 6 : 0) = value;
    last().fixed_protocol = true;
    return *this;
}

Packet& Packet::length(std::uint16_t value) {
    put16(last().header, last().kind == Kind::ipv4 ? 2 : 4, value);
    last().fixed_length = true;
    return *this;
}

Packet& Packet::flags(std::uint8_t value) {
    last().header.at(13) = value;
    return *this;
}

Packet& Packet::sequence(std::uint32_t value) {
    put32(last().header, 4, value);
    return *this;
}

Packet& Packet::acknowledgment(std::uint32_t value) {
    put32(last().header, 8, value);
    return *this;
}

Packet& Packet::window(std::uint16_t value) {
    put16(last().header, 14, value);
    return *this;
}

Packet& Packet::tcp_options(const Bytes& bytes) {
    append(last().header, padded_to_words(bytes));
    return *this;
}

Packet& Packet::mss(std::uint16_t value) {
    return tcp_options({2, 4, static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value)});
}

Packet& Packet::checksum(std::uint16_t value) {
    const Kind kind = last().kind;
    put16(last().header, kind == Kind::ipv4 ? 10 : kind == Kind::udp ? 6 : kind == Kind::tcp ? 16 : 2, value);
    last().fixed_checksum = true;
    return *this;
}

const Packet::Layer* Packet::ip_before(std::size_t index) const {
    while (index-- > 0)
        if (layers_[index].kind == Kind::ipv4 || layers_[index].kind == Kind::ipv6)
            return &layers_[index];
    return nullptr;
}

std::uint8_t Packet::protocol_of(std::size_t index) const {
    if (index >= layers_.size())
        return 59; // no next header
    switch (layers_[index].kind) {
    case Kind::udp:
        return 17;
    case Kind::tcp:
        return 6;
    case Kind::ipv4:
        return 4;
    case Kind::ipv6:
        return 41;
    case Kind::extension:
        return layers_[index].number;
    case Kind::icmp: {
        const Layer* ip = ip_before(index);
        return ip != nullptr && ip->kind == Kind::ipv6 ? 58 : 1;
    }
    default:
        return 253; // for experiments, RFC 3692
    }
}

std::uint16_t Packet::ether_type_of(std::size_t index) const {
    if (index >= layers_.size())
        return 0x88b5; // for experiments, IEEE 802
    switch (layers_[index].kind) {
    case Kind::vlan:
        return 0x8100;
    case Kind::ipv4:
        return 0x0800;
    case Kind::ipv6:
        return 0x86dd;
    default:
        return 0x88b5;
    }
}

void Packet::finish_ip(Layer& layer, std::size_t index, std::size_t following) const {
    Bytes& header = layer.header;
    const bool four = layer.kind == Kind::ipv4;
    if (!layer.fixed_protocol)
        header[four ? 9 : 6] = protocol_of(index + 1);
    if (!layer.fixed_length)
        put16(header, four ? 2 : 4, following + (four ? header.size() : 0));
    if (four && !layer.fixed_checksum)
        put16(header, 10, plain_checksum(header));
}

void Packet::finish_l4(Layer& layer, std::size_t index, const Bytes& following) const {
    Bytes& header = layer.header;
    const std::size_t total = header.size() + following.size();
    if (layer.kind == Kind::udp && !layer.fixed_length)
        put16(header, 4, total);
    if (layer.kind == Kind::tcp)
        header[12] = static_cast<std::uint8_t>(header.size() / 4 << 4);
    const Layer* ip = ip_before(index);
    if (layer.fixed_checksum || ip == nullptr)
        return;
    const std::uint8_t protocol = protocol_of(index);
    Bytes covered;
    if (protocol != 1)
        covered = pseudo_header(ip->header, protocol, total);
    append(covered, header);
    append(covered, following);
    std::uint16_t checksum = plain_checksum(covered);
    if (checksum == 0 && layer.kind == Kind::udp)
        checksum = 0xffff;
    put16(header, layer.kind == Kind::udp ? 6 : layer.kind == Kind::tcp ? 16 : 2, checksum);
}

Bytes Packet::bytes() const {
    Bytes built;
    for (std::size_t index = layers_.size(); index-- > 0;) {
        Layer layer = layers_[index];
        switch (layer.kind) {
        case Kind::ethernet:
            put16(layer.header, 12, ether_type_of(index + 1));
            break;
        case Kind::vlan:
            put16(layer.header, 2, ether_type_of(index + 1));
            break;
        case Kind::ipv4:
        case Kind::ipv6:
            finish_ip(layer, index, built.size());
            break;
        case Kind::extension:
            if (!layer.fixed_protocol)
                layer.header[0] = protocol_of(index + 1);
            break;
        case Kind::udp:
        case Kind::tcp:
        case Kind::icmp:
            finish_l4(layer, index, built);
            break;
        case Kind::payload:
            break;
        }
        append(layer.header, built);
        built = std::move(layer.header);
    }
    return built;
}

} // namespace culvert::testing
