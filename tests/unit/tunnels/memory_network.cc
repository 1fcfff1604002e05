#include "tests/unit/tunnels/memory_network.h"

#include "dataplane/dtls_record.h"

#include <algorithm>
#include <cstring>

namespace culvert::control::tests {

using namespace dataplane;

namespace {

constexpr std::size_t record_overhead = sizeof(dtls::ProtectedHeader) + crypto::tag_bytes;

std::size_t outer_bytes(const Endpoint& to, std::size_t payload) {
    return payload + 8 + (to.address.is_v4() ? 20U : 40U);
}

std::array<std::uint8_t, crypto::nonce_bytes> nonce_of(const std::array<std::uint8_t, 4>& salt,
                                                       be64 explicit_nonce) {
    std::array<std::uint8_t, crypto::nonce_bytes> nonce;
    std::ranges::copy(salt, nonce.begin());
    std::memcpy(nonce.data() + salt.size(), &explicit_nonce, sizeof explicit_nonce);
    return nonce;
}

} // namespace

// --- the network

void MemoryNetwork::detach(const MemoryDataplane& gateway) {
    std::erase_if(gateways_, [&](const auto& entry) { return entry.second == &gateway; });
}

void MemoryNetwork::carry(Endpoint from, Endpoint to, std::span<const std::uint8_t> payload) {
    for (const auto& [inside, outside] : moved)
        if (to == outside)
            to = inside;
    if (const auto as = moved.find(from); as != moved.end())
        from = as->second;
    const bool lost = loss_percent > 0 && random_() % 100 < loss_percent;
    const auto gateway = gateways_.find(to.address);
    if (lost || gateway == gateways_.end() || cut.contains(from.address) || cut.contains(to.address) ||
        outer_bytes(to, payload.size()) > path_mtu)
        return;
    ++carried;
    gateway->second->receive(from, to, payload);
}

// --- the gateway's end

MemoryDataplane::MemoryDataplane(MemoryNetwork& network, const IpAddress& address)
    : network_(network), address_(address), engine_(std::move(crypto::make_engine("libcrypto").value())),
      last_index_(std::random_device{}() % 0x100000) {
    network_.attach(address, *this);
}

MemoryDataplane::~MemoryDataplane() {
    network_.detach(*this);
}

std::vector<PortFigures> MemoryDataplane::ports() const {
    PortFigures port;
    port.addresses = {address_};
    port.mtu = mtu;
    return {port};
}

NextHopId MemoryDataplane::add_next_hop(PortId, std::optional<std::array<std::uint8_t, 6>> link_address) {
    auto at = std::ranges::find(hops_, link_address);
    if (at == hops_.end())
        at = hops_.insert(hops_.end(), link_address);
    return NextHopId{static_cast<std::uint16_t>(at - hops_.begin())};
}

bool MemoryDataplane::known_hop(NextHopId hop) const {
    return raw(hop) < hops_.size() && hops_[raw(hop)];
}

PeerId MemoryDataplane::add_peer(const PeerSettings& settings) {
    const PeerId id{++last_peer_};
    peers[id] = settings;
    return id;
}

void MemoryDataplane::change_peer(PeerId peer, const PeerSettings& settings) {
    peers.at(peer) = settings;
}

void MemoryDataplane::remove_peer(PeerId peer) {
    if (std::ranges::any_of(sessions_, [&](const auto& entry) { return entry.second.state.peer == peer; }) ||
        std::ranges::any_of(sources, [&](const auto& entry) { return entry.second == peer; }))
        throw std::logic_error("a peer is removed before its sessions and sources");
    peers.erase(peer);
}

// --- sessions

std::expected<SessionIndex, std::string> MemoryDataplane::reserve_session() {
    if (sessions_.size() + reserved_.size() >= most_sessions)
        return std::unexpected("the session table is full");
    return *reserved_.insert(SessionIndex{++last_index_}).first;
}

void MemoryDataplane::install(SessionState state) {
    if (reserved_.erase(state.index) != 1)
        throw std::logic_error("a session is installed under an index that was not reserved");
    Session session;
    session.rx_key = engine_->expand(state.algorithm, state.rx_key.bytes());
    session.tx_key = engine_->expand(state.algorithm, state.tx_key.bytes());
    session.state = std::move(state);
    const SessionIndex index = session.state.index;
    sessions_.insert_or_assign(index, std::move(session));
}

void MemoryDataplane::activate(SessionIndex index, std::uint8_t lane) {
    Session& chosen = sessions_.at(index);
    for (auto& [_, other] : sessions_)
        if (other.state.peer == chosen.state.peer && other.lane == lane)
            other.lane.reset();
    chosen.lane = lane;
}

void MemoryDataplane::set_remote_index(SessionIndex session, std::uint32_t remote_index) {
    sessions_.at(session).state.remote_index = remote_index;
}

void MemoryDataplane::set_path_mtu(SessionIndex session, std::uint16_t outer) {
    sessions_.at(session).path_mtu = outer;
}

void MemoryDataplane::set_next_hop(SessionIndex session, NextHopId hop) {
    sessions_.at(session).state.next_hop = hop;
}

void MemoryDataplane::set_local_address(SessionIndex session, const IpAddress& address) {
    sessions_.at(session).state.local.address = address;
}

std::optional<Endpoint> MemoryDataplane::local_of(SessionIndex index) const {
    const auto session = sessions_.find(index);
    return session == sessions_.end() ? std::nullopt : std::optional(session->second.state.local);
}

std::optional<SessionFigures> MemoryDataplane::session(SessionIndex index) const {
    const auto found = sessions_.find(index);
    if (found == sessions_.end())
        return std::nullopt;
    const Session& session = found->second;
    const auto since = [now = Clock::now()](const auto& stamp) {
        return stamp ? now - *stamp : std::chrono::nanoseconds(0);
    };
    SessionFigures figures = session.counted;
    figures.since_rx = since(session.last_rx);
    figures.since_tx = since(session.last_tx);
    figures.unanswered = since(session.unanswered_since);
    figures.remote = session.state.remote;
    return figures;
}

// --- sealing

MemoryDataplane::Session* MemoryDataplane::sender(PeerId peer, std::uint32_t flow) {
    const std::uint16_t lanes = peers.at(peer).lanes;
    for (std::uint16_t i = 0; i <= lanes; ++i) {
        const std::uint32_t lane = i == 0 ? flow % lanes : i - 1U;
        for (auto& [_, session] : sessions_)
            if (session.state.peer == peer && session.lane == lane)
                return &session;
    }
    return nullptr;
}

bool MemoryDataplane::send_inner(PeerId peer, std::uint32_t flow, std::size_t bytes) {
    Session* session = sender(peer, flow);
    if (session == nullptr || outer_bytes(session->state.remote, bytes + record_overhead) > session->path_mtu)
        return false;
    std::vector<std::uint8_t> packet(bytes, 0);
    packet[0] = 0x45;
    ++session->counted.tx_packets;
    return seal(*session, packet, 0, true);
}

bool MemoryDataplane::send_inner_to(const Prefix& prefix, std::uint32_t flow, std::size_t bytes) {
    const auto route = routes.find(prefix);
    return route != routes.end() && send_inner(route->second.peer(), flow, bytes);
}

bool MemoryDataplane::seal_frame(SessionIndex index, std::span<const std::uint8_t> frame,
                                 std::uint16_t padded_to) {
    const auto session = sessions_.find(index);
    if (session == sessions_.end() || padded_to > mtu)
        return false;
    frames_sealed.emplace_back(frame.begin(), frame.end());
    if (mute_all || (mute_hello && frame[0] == 10))
        return true;
    return seal(session->second, frame, padded_to, false);
}

bool MemoryDataplane::seal(Session& session, std::span<const std::uint8_t> plaintext, std::size_t padded_to,
                           bool inner) {
    const std::size_t bare = outer_bytes(session.state.remote, plaintext.size() + record_overhead);
    const std::size_t length = plaintext.size() + (padded_to > bare ? padded_to - bare : 0);
    const std::uint64_t epoch_and_sequence = std::uint64_t{session.state.tx_epoch} << 48 | session.state.tx_next;
    const be64 explicit_nonce =
        std::uint64_t{session.state.remote_index} << dtls::nonce_sequence_bits | session.state.tx_next;
    const dtls::ProtectedHeader header{.record = {.type = dtls::content::data,
                                                  .version = dtls::version_1_2,
                                                  .epoch_and_sequence = epoch_and_sequence,
                                                  .length = static_cast<std::uint16_t>(length + 24)},
                                       .explicit_nonce = explicit_nonce};
    const dtls::AssociatedData aad{.epoch_and_sequence = epoch_and_sequence,
                                   .type = dtls::content::data,
                                   .version = dtls::version_1_2,
                                   .length = static_cast<std::uint16_t>(length)};
    std::vector<std::uint8_t> record(length + record_overhead);
    std::memcpy(record.data(), &header, sizeof header);
    std::ranges::copy(plaintext, record.begin() + sizeof header);
    crypto::Operation operation{.data = record.data() + sizeof header,
                                .aad = reinterpret_cast<const std::uint8_t*>(&aad),
                                .tag = record.data() + sizeof header + length,
                                .key = session.tx_key.get(),
                                .length = static_cast<std::uint32_t>(length),
                                .aad_length = sizeof aad,
                                .verified = false,
                                .nonce = nonce_of(session.state.tx_salt, explicit_nonce)};
    engine_->seal({&operation, 1});
    ++session.state.tx_next;
    session.last_tx = Clock::now();
    if (inner && !session.unanswered_since)
        session.unanswered_since = session.last_tx;
    if (++session.sealed == session.state.rekey_after_packets)
        tell(Notice::Kind::rekey_due, session);
    if (known_hop(session.state.next_hop))
        network_.carry(session.state.local, session.state.remote, record);
    return true;
}

// --- opening

void MemoryDataplane::receive(const Endpoint& from, const Endpoint& to, std::span<const std::uint8_t> payload) {
    if (!listening.contains(to.port) || payload.size() < sizeof(dtls::RecordHeader))
        return;
    dtls::RecordHeader header;
    std::memcpy(&header, payload.data(), sizeof header);
    if (header.epoch() != 0 && header.type != dtls::content::handshake) {
        Session* session = find(payload, from, to);
        if (session != nullptr)
            open(*session, {payload.begin(), payload.end()}, from);
        return;
    }
    const Session* live = find_by_endpoints(from, to);
    Notice notice;
    notice.kind = Notice::Kind::handshake;
    notice.session = live == nullptr ? no_session : live->state.index;
    notice.local = to;
    notice.remote = from;
    if (live != nullptr) {
        tell(notice, payload);
        return;
    }
    const std::lock_guard lock(strangers_mutex_);
    strangers_.push_back({notice, {payload.begin(), payload.end()}});
    strangers_waker_.notify();
}

MemoryDataplane::Session* MemoryDataplane::find_by_endpoints(const Endpoint& from, const Endpoint& to) {
    for (auto& [_, session] : sessions_)
        if (session.state.remote == from && session.state.local.port == to.port)
            return &session;
    return nullptr;
}

MemoryDataplane::Session* MemoryDataplane::find(std::span<const std::uint8_t> record, const Endpoint& from,
                                                const Endpoint& to) {
    if (record.size() < record_overhead)
        return nullptr;
    dtls::ProtectedHeader header;
    std::memcpy(&header, record.data(), sizeof header);
    const auto index = static_cast<std::uint32_t>(header.explicit_nonce >> dtls::nonce_sequence_bits);
    const auto found = sessions_.find(SessionIndex{index});
    return index != 0 && found != sessions_.end() ? &found->second : find_by_endpoints(from, to);
}

bool MemoryDataplane::open(Session& session, std::vector<std::uint8_t> record, const Endpoint& from) {
    dtls::ProtectedHeader header;
    std::memcpy(&header, record.data(), sizeof header);
    const std::size_t length = record.size() - record_overhead;
    const dtls::AssociatedData aad{.epoch_and_sequence = header.record.epoch_and_sequence,
                                   .type = header.record.type,
                                   .version = header.record.version,
                                   .length = static_cast<std::uint16_t>(length)};
    crypto::Operation operation{.data = record.data() + sizeof header,
                                .aad = reinterpret_cast<const std::uint8_t*>(&aad),
                                .tag = record.data() + sizeof header + length,
                                .key = session.rx_key.get(),
                                .length = static_cast<std::uint32_t>(length),
                                .aad_length = sizeof aad,
                                .verified = false,
                                .nonce = nonce_of(session.state.rx_salt, header.explicit_nonce)};
    if (engine_->open({&operation, 1}) != 1 || !session.seen.insert(header.record.sequence()).second)
        return false;
    authenticated(session, header.record.sequence(), from);
    const std::uint8_t first = record[sizeof header];
    if (header.record.type == dtls::content::data && (first >> 4 == 4 || first >> 4 == 6)) {
        ++inner_received;
        ++session.counted.rx_packets;
        return true;
    }
    Notice frame;
    frame.kind = Notice::Kind::frame;
    frame.session = session.state.index;
    frame.content_type = header.record.type;
    tell(frame, std::span(record).subspan(sizeof header, length));
    return true;
}

void MemoryDataplane::authenticated(Session& session, std::uint64_t sequence, const Endpoint& from) {
    session.last_rx = Clock::now();
    session.unanswered_since.reset();
    if (session.counted.rx_records++ == 0)
        tell(Notice::Kind::first_record, session);
    if (++session.opened == session.state.rekey_after_packets)
        tell(Notice::Kind::rekey_due, session);
    if (from != session.state.remote && sequence == *session.seen.rbegin()) {
        session.state.remote = from;
        tell(Notice::Kind::roamed, session);
    }
}

// --- handshakes and notices

bool MemoryDataplane::transmit(const Datagram& datagram, NextHopId hop) {
    if (!known_hop(hop))
        return false;
    network_.carry(datagram.local, datagram.remote, datagram.payload);
    return true;
}

void MemoryDataplane::hint(const Endpoint& remote, std::uint32_t value) {
    Notice notice;
    notice.kind = Notice::Kind::path_mtu_hint;
    notice.remote = remote;
    notice.value = value;
    tell(notice, {});
}

void MemoryDataplane::tell(Notice::Kind kind, const Session& session) {
    Notice notice;
    notice.kind = kind;
    notice.session = session.state.index;
    notice.remote = session.state.remote;
    tell(notice, {});
}

void MemoryDataplane::tell(Notice notice, std::span<const std::uint8_t> bytes) {
    notices_.push_back({notice, {bytes.begin(), bytes.end()}});
    notices_waker_.notify();
}

std::size_t MemoryDataplane::poll_notices(const std::function<void(const Notice&)>& each) {
    std::size_t count = 0;
    for (; !notices_.empty(); ++count) {
        Held held = std::move(notices_.front());
        notices_.pop_front();
        held.notice.bytes = held.bytes;
        each(held.notice);
    }
    return count;
}

std::size_t MemoryDataplane::poll_strangers(const std::function<void(const Datagram&)>& each) {
    std::deque<Held> taken;
    {
        const std::lock_guard lock(strangers_mutex_);
        taken.swap(strangers_);
    }
    for (const Held& held : taken)
        each({.port = {},
              .worker = {},
              .local = held.notice.local,
              .remote = held.notice.remote,
              .payload = held.bytes});
    return taken.size();
}

} // namespace culvert::control::tests
