#include "dataplane/dtls_format.h"

#include "dataplane/dtls_record.h"
#include "dataplane/headers.h"
#include "dataplane/session_table.h"

#include <cstring>
#include <rte_prefetch.h>

namespace culvert::dataplane {
namespace {

using dtls::ProtectedHeader;
using dtls::RecordHeader;

constexpr std::uint16_t protected_bytes = sizeof(ProtectedHeader) + crypto::tag_bytes;

void drop(Arrival& arrival, DropReason reason) noexcept {
    arrival.verdict = static_cast<std::uint8_t>(Verdict::drop);
    arrival.reason = static_cast<std::uint8_t>(reason);
}

std::uint32_t index_in_nonce(const Arrival& arrival) noexcept {
    const auto* header = reinterpret_cast<const ProtectedHeader*>(data(arrival.packet));
    return static_cast<std::uint32_t>(header->explicit_nonce >> dtls::nonce_sequence_bits);
}

Session* find_by_endpoint(const SessionTable& sessions, const Arrival& arrival) noexcept {
    const auto* udp = reinterpret_cast<const UdpHeader*>(data(arrival.packet) - sizeof(UdpHeader));
    const IpAddress remote = arrival.outer_v6
                                 ? IpAddress::v6(reinterpret_cast<const Ipv6Header*>(arrival.l3)->source)
                                 : IpAddress::v4(reinterpret_cast<const Ipv4Header*>(arrival.l3)->source);
    return sessions.find(remote, udp->source, udp->destination);
}

/// Looks at the record header; for protected records, starts fetching what sits in the slot that the nonce names.
void parse(const SessionTable& sessions, Arrival& arrival) noexcept {
    const std::uint32_t length = rte_pktmbuf_data_len(arrival.packet);
    arrival.session = nullptr;
    if (length < sizeof(RecordHeader))
        return drop(arrival, DropReason::record_malformed);
    const auto& record = *reinterpret_cast<const RecordHeader*>(data(arrival.packet));
    arrival.content_type = record.type;
    const bool is_protected =
        record.type == dtls::content::data || (record.type == dtls::content::alert && record.epoch() != 0);
    if (is_protected) {
        if (record.version != dtls::version_1_2 || length < protected_bytes ||
            length != sizeof(RecordHeader) + record.length)
            return drop(arrival, DropReason::record_malformed);
        arrival.sequence = record.sequence();
        arrival.session = sessions.slot(index_in_nonce(arrival));
        rte_prefetch0(arrival.session);
        arrival.verdict = static_cast<std::uint8_t>(Verdict::open);
        return;
    }
    // Flights of a handshake, Finished included, are OpenSSL's business, which looks at all of it.
    if (record.type < dtls::content::change_cipher_spec || record.type > dtls::content::handshake ||
        (record.version != dtls::version_1_2 && record.version != dtls::version_1_0))
        return drop(arrival, DropReason::record_malformed);
    arrival.verdict = static_cast<std::uint8_t>(Verdict::handshake);
}

/// The session of a protected record: by index if the endpoint agrees, else by endpoint, else by index alone,
/// which then is a peer that has moved, if the tag is right.
void resolve(const SessionTable& sessions, Arrival& arrival) noexcept {
    Session* const named = arrival.session;
    arrival.index_fits = named != nullptr && raw(named->index) == index_in_nonce(arrival);
    if (!arrival.index_fits || named->remote_tag.load(std::memory_order_relaxed) != arrival.remote_tag)
        [[unlikely]] {
        Session* here = find_by_endpoint(sessions, arrival);
        // A session that is known to be called by its index isn't meant by another one.
        if (arrival.index_fits &&
            (here == nullptr || (here != named && here->speaks_index.load(std::memory_order_relaxed))))
            arrival.from_new_endpoint = true;
        else if (here == nullptr)
            return drop(arrival, DropReason::unknown_session);
        else
            arrival.session = here;
        arrival.index_fits = arrival.session == named && arrival.index_fits;
    }
    const auto& record = *reinterpret_cast<const RecordHeader*>(data(arrival.packet));
    if (record.epoch() != arrival.session->rx.epoch) [[unlikely]]
        drop(arrival, DropReason::record_epoch);
}

/// A handshake record from a live session's endpoint is told apart from a stranger's. Alerts in clear could be
/// anybody's: a live session doesn't listen to them.
void resolve_handshake(const SessionTable& sessions, Arrival& arrival) noexcept {
    arrival.session = find_by_endpoint(sessions, arrival);
    if (arrival.session != nullptr && arrival.content_type == dtls::content::alert)
        drop(arrival, DropReason::record_epoch);
}

void find(const SessionTable& sessions, std::span<Arrival> burst) noexcept {
    for (Arrival& arrival : burst)
        parse(sessions, arrival);
    for (Arrival& arrival : burst) {
        if (arrival.verdict == static_cast<std::uint8_t>(Verdict::open)) [[likely]]
            resolve(sessions, arrival);
        else if (arrival.verdict == static_cast<std::uint8_t>(Verdict::handshake))
            resolve_handshake(sessions, arrival);
    }
}

void fill_nonce(crypto::Operation& operation, const std::array<std::uint8_t, 4>& salt,
                be64 explicit_nonce) noexcept {
    std::memcpy(operation.nonce.data(), salt.data(), salt.size());
    std::memcpy(operation.nonce.data() + salt.size(), &explicit_nonce, sizeof explicit_nonce);
}

void fill_aad(AadScratch& scratch, const RecordHeader& record, std::uint32_t plaintext) noexcept {
    auto& aad = *reinterpret_cast<dtls::AssociatedData*>(scratch.data());
    aad.epoch_and_sequence = record.epoch_and_sequence;
    aad.type = record.type;
    aad.version = dtls::version_1_2;
    aad.length = static_cast<std::uint16_t>(plaintext);
}

void prepare_open(std::span<const Arrival> burst, std::span<crypto::Operation> operations,
                  std::span<AadScratch> aad) noexcept {
    for (std::size_t i = 0; i < burst.size(); ++i) {
        std::uint8_t* start = data(burst[i].packet);
        const auto& header = *reinterpret_cast<const ProtectedHeader*>(start);
        crypto::Operation& operation = operations[i];
        operation.length = rte_pktmbuf_data_len(burst[i].packet) - protected_bytes;
        operation.data = start + sizeof(ProtectedHeader);
        operation.tag = operation.data + operation.length;
        operation.key = burst[i].session->rx.key.get();
        fill_nonce(operation, burst[i].session->rx.salt, header.explicit_nonce);
        fill_aad(aad[i], header.record, operation.length);
        operation.aad = aad[i].data();
        operation.aad_length = sizeof(dtls::AssociatedData);
    }
}

void strip(rte_mbuf* packet) noexcept {
    rte_pktmbuf_adj(packet, sizeof(ProtectedHeader));
    rte_pktmbuf_trim(packet, crypto::tag_bytes);
}

void prepare_seal(std::span<Departure> burst, std::span<crypto::Operation> operations,
                  std::span<AadScratch> aad) noexcept {
    for (std::size_t i = 0; i < burst.size(); ++i) {
        const Session& session = *burst[i].session;
        const std::uint64_t sequence = burst[i].sequence;
        const std::uint32_t plaintext = rte_pktmbuf_data_len(burst[i].packet);
        rte_pktmbuf_append(burst[i].packet, crypto::tag_bytes);
        auto& header =
            *reinterpret_cast<ProtectedHeader*>(rte_pktmbuf_prepend(burst[i].packet, sizeof(ProtectedHeader)));
        header.record.type = burst[i].content_type;
        header.record.version = dtls::version_1_2;
        header.record.epoch_and_sequence = std::uint64_t{session.tx.epoch} << 48 | sequence;
        header.record.length =
            static_cast<std::uint16_t>(plaintext + sizeof header.explicit_nonce + crypto::tag_bytes);
        header.explicit_nonce = std::uint64_t{session.remote_index.load(std::memory_order_relaxed)}
                                    << dtls::nonce_sequence_bits |
                                sequence;
        crypto::Operation& operation = operations[i];
        operation.data = reinterpret_cast<std::uint8_t*>(&header + 1);
        operation.length = plaintext;
        operation.tag = operation.data + plaintext;
        operation.key = session.tx.key.get();
        fill_nonce(operation, session.tx.salt, header.explicit_nonce);
        fill_aad(aad[i], header.record, plaintext);
        operation.aad = aad[i].data();
        operation.aad_length = sizeof(dtls::AssociatedData);
    }
}

} // namespace

const WireFormat dtls_format{
    .name = "dtls",
    .find = find,
    .prepare_open = prepare_open,
    .strip = strip,
    .prepare_seal = prepare_seal,
    .sequence_limit = dtls::sequence_limit,
    .nonce_sequence_mask = (std::uint64_t{1} << dtls::nonce_sequence_bits) - 1,
    .header_bytes = sizeof(ProtectedHeader),
    .trailer_bytes = crypto::tag_bytes,
    .data_type = dtls::content::data,
    .alert_type = dtls::content::alert,
};

} // namespace culvert::dataplane
