#include "dataplane/session.h"

#include "dataplane/checksum.h"
#include "dataplane/dataplane.h"
#include "dataplane/headers.h"
#include "dataplane/remote_tag.h"
#include "dataplane/wire_format.h"

#include <algorithm>
#include <cstring>

namespace culvert::dataplane {
namespace {

constexpr std::uint8_t outer_ttl = 64;

void build_v4(OuterTemplate& outer, const Endpoint& local, const Endpoint& remote) noexcept {
    Ipv4Header ip{};
    ip.version_ihl = 0x45;
    ip.fragment = std::uint16_t{0x4000}; // DF always: fragments of tunnel packets help nobody
    ip.ttl = outer_ttl;
    ip.protocol = ip_protocol::udp;
    ip.source = local.address.as_v4();
    ip.destination = remote.address.as_v4();
    std::memcpy(outer.bytes.data(), &ip, sizeof ip);
    outer.length = sizeof(Ipv4Header) + sizeof(UdpHeader);
    outer.v6 = false;
    outer.partial_sum = std::bit_cast<std::uint16_t>(ipv4_header_sum(ip).folded());
}

void build_v6(OuterTemplate& outer, const Endpoint& local, const Endpoint& remote) noexcept {
    Ipv6Header ip{};
    ip.version_class_flow = std::uint32_t{6} << 28;
    ip.next_header = ip_protocol::udp;
    ip.hop_limit = outer_ttl;
    ip.source = local.address.bytes;
    ip.destination = remote.address.bytes;
    std::memcpy(outer.bytes.data(), &ip, sizeof ip);
    outer.length = sizeof(Ipv6Header) + sizeof(UdpHeader);
    outer.v6 = true;
}

} // namespace

void OuterTemplate::build(const Endpoint& local, const Endpoint& remote) noexcept {
    bytes = {};
    if (remote.address.is_v4())
        build_v4(*this, local, remote);
    else
        build_v6(*this, local, remote);
    UdpHeader udp{};
    udp.source = local.port;
    udp.destination = remote.port;
    std::memcpy(bytes.data() + length - sizeof udp, &udp, sizeof udp);
}

SequenceSource::SequenceSource(std::uint64_t next, std::uint64_t stop, const std::vector<std::uint64_t>& used)
    : next_(next), stop_(stop) {
    std::vector<std::uint64_t> ahead;
    std::copy_if(used.begin(), used.end(), std::back_inserter(ahead),
                 [&](std::uint64_t value) { return value >= next; });
    std::sort(ahead.begin(), ahead.end());
    ahead.erase(std::unique(ahead.begin(), ahead.end()), ahead.end());
    skip_.fill(~std::uint64_t{0});
    std::copy_n(ahead.begin(), std::min(ahead.size(), skip_.size() - 1), skip_.begin());
    if (ahead.size() >= skip_.size())
        stop_ = std::min(stop_, ahead[skip_.size() - 1]); // more than can be stepped over: end before the rest
    if (next_ == skip_[0])
        step_over();
}

void SequenceSource::step_over() noexcept {
    while (next_ == skip_[0]) {
        ++next_;
        std::copy(skip_.begin() + 1, skip_.end(), skip_.begin());
        skip_.back() = ~std::uint64_t{0};
    }
}

Session::Session(const SessionState& state, Peer* its_peer, crypto::Engine& engine)
    : index(state.index), peer_id(state.peer), owner(state.owner), format(state.format), port(state.port),
      local_port(state.local.port), remote_tag(dataplane::remote_tag(state.remote, state.local.port)),
      peer(its_peer), remote_index(state.remote_index), next_hop(raw(state.next_hop)), path_mtu(1280),
      rx{.key = engine.expand(state.algorithm, state.rx_key.bytes()),
         .salt = state.rx_salt,
         .epoch = state.rx_epoch,
         .window = {}},
      tx{.key = engine.expand(state.algorithm, state.tx_key.bytes()),
         .salt = state.tx_salt,
         .epoch = state.tx_epoch,
         .sequence = {},
         .outer = {}},
      local(state.local), remote(state.remote),
      rekey_after(state.rekey_after_packets == 0 ? ~std::uint64_t{0} : state.rekey_after_packets) {
    const WireFormat& its_format = wire_format(state.format);
    std::vector<std::uint64_t> used;
    for (const std::uint64_t nonce : state.used_nonces)
        used.push_back(nonce & its_format.nonce_sequence_mask);
    tx.sequence = SequenceSource(state.tx_next, its_format.sequence_limit, used);
    tx.outer.build(local, remote);
}

} // namespace culvert::dataplane
