#include "perf/traffic.h"

#include "dataplane/checksum.h"
#include "dataplane/headers.h"
#include "dataplane/wire_format.h"

#include <cstring>
#include <memory>
#include <numeric>
#include <pcap/pcap.h>
#include <stdexcept>

namespace culvert::perf {

using namespace dataplane;

double Mix::mean() const {
    return std::accumulate(sizes.begin(), sizes.end(), 0.0) / static_cast<double>(sizes.size());
}

Mix fixed_size(std::uint16_t bytes) {
    return {std::to_string(bytes), {bytes}};
}

Mix imix() {
    return {"IMIX", {64, 570, 64, 64, 570, 64, 1400, 64, 570, 64, 570, 64}};
}

Frame inner_packet(std::uint32_t source, std::uint32_t destination, std::uint16_t bytes) {
    Frame packet(bytes);
    Ipv4Header ip{};
    ip.version_ihl = 0x45;
    ip.total_length = bytes;
    ip.fragment = std::uint16_t{0x4000};
    ip.ttl = 64;
    ip.protocol = ip_protocol::udp;
    ip.source = source;
    ip.destination = destination;
    ip.checksum = ipv4_header_checksum(ip);
    UdpHeader udp{};
    udp.source = std::uint16_t{4000};
    udp.destination = std::uint16_t{5000};
    udp.length = static_cast<std::uint16_t>(bytes - sizeof ip);
    std::memcpy(packet.data(), &ip, sizeof ip);
    std::memcpy(packet.data() + sizeof ip, &udp, sizeof udp);
    return packet;
}

Frame sealed_frame(Session& session, crypto::Engine& engine, const Frame& inner, rte_mempool* packets) {
    rte_mbuf* packet = rte_pktmbuf_alloc(packets);
    if (packet == nullptr)
        throw std::runtime_error("out of packet buffers");
    std::memcpy(rte_pktmbuf_append(packet, static_cast<std::uint16_t>(inner.size())), inner.data(), inner.size());
    const WireFormat& format = wire_format(session.format);
    Departure departure{
        packet,           &session, session.tx.sequence.take(), static_cast<std::uint32_t>(inner.size()),
        format.data_type, 0};
    crypto::Operation operation{};
    AadScratch aad{};
    format.prepare_seal({&departure, 1}, {&operation, 1}, {&aad, 1});
    engine.seal({&operation, 1});
    const OuterTemplate& outer = session.tx.outer;
    const std::uint32_t payload = rte_pktmbuf_data_len(packet);
    Frame frame(sizeof(EthernetHeader) + outer.length + payload);
    EthernetHeader link{{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}, ether_type::ipv4};
    auto ip = *reinterpret_cast<const Ipv4Header*>(outer.bytes.data());
    ip.total_length = static_cast<std::uint16_t>(outer.length + payload);
    ip.checksum = ipv4_header_checksum(ip);
    auto udp = *reinterpret_cast<const UdpHeader*>(outer.bytes.data() + sizeof ip);
    udp.length = static_cast<std::uint16_t>(sizeof udp + payload);
    std::uint8_t* at = frame.data();
    std::memcpy(at, &link, sizeof link);
    std::memcpy(at + sizeof link, &ip, sizeof ip);
    std::memcpy(at + sizeof link + sizeof ip, &udp, sizeof udp);
    std::memcpy(at + sizeof link + outer.length, data(packet), payload);
    rte_pktmbuf_free(packet);
    return frame;
}

void write_capture(const std::string& file, std::span<const Frame> frames) {
    constexpr int snap_length = 65535;
    const std::unique_ptr<pcap_t, decltype(&pcap_close)> handle(pcap_open_dead(DLT_EN10MB, snap_length),
                                                                &pcap_close);
    const std::unique_ptr<pcap_dumper_t, decltype(&pcap_dump_close)> dumper(
        pcap_dump_open(handle.get(), file.c_str()), &pcap_dump_close);
    if (!dumper)
        throw std::runtime_error(file + ": " + pcap_geterr(handle.get()));
    for (const Frame& frame : frames) {
        const pcap_pkthdr header{
            {}, static_cast<bpf_u_int32>(frame.size()), static_cast<bpf_u_int32>(frame.size())};
        pcap_dump(reinterpret_cast<u_char*>(dumper.get()), &header, frame.data());
    }
}

} // namespace culvert::perf
