#include "dataplane/session_table.h"

#include <bit>
#include <fmt/format.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <stdexcept>

namespace culvert::dataplane {
namespace {

struct EndpointKey {
    std::array<std::uint8_t, 16> remote;
    std::uint16_t remote_port, local_port;
};
static_assert(sizeof(EndpointKey) == 20);

/// GnuTLS starts its explicit nonces as epoch‖sequence, which reads as this index: never give it out.
constexpr std::uint32_t strangers_index = 1U << (48 - 36);

rte_hash* make_hash(std::uint32_t capacity, rte_rcu_qsbr* readers) {
    static std::atomic<unsigned> serial{0};
    const std::string name = "sessions" + std::to_string(serial++);
    rte_hash_parameters parameters{};
    parameters.name = name.c_str();
    parameters.entries = capacity;
    parameters.key_len = sizeof(EndpointKey);
    parameters.hash_func = rte_hash_crc;
    parameters.socket_id = SOCKET_ID_ANY;
    parameters.extra_flag = RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF | RTE_HASH_EXTRA_FLAGS_EXT_TABLE;
    rte_hash* hash = rte_hash_create(&parameters);
    if (hash == nullptr)
        throw std::runtime_error("no memory for the session table; raise dataplane.memory_mib");
    rte_hash_rcu_config rcu{};
    rcu.v = readers;
    rcu.mode = RTE_HASH_QSBR_MODE_DQ;
    if (rte_hash_rcu_qsbr_add(hash, &rcu) != 0) {
        rte_hash_free(hash);
        throw std::runtime_error("the session table refuses RCU");
    }
    return hash;
}

} // namespace

SessionTable::SessionTable(std::uint32_t capacity, rte_rcu_qsbr* readers, Reclaimer& reclaimer)
    : slot_mask_(std::bit_ceil(capacity) - 1), slot_bits_(static_cast<unsigned>(std::bit_width(slot_mask_))),
      reclaimer_(reclaimer), slots_(std::make_unique<std::atomic<Session*>[]>(slot_mask_ + 1)),
      by_endpoint_(make_hash(slot_mask_ + 1, readers)), control_(slot_mask_ + 1) {
    for (std::uint32_t slot = 0; slot <= slot_mask_; ++slot)
        free_.push_back(slot);
}

SessionTable::~SessionTable() {
    for (std::uint32_t slot = 0; slot <= slot_mask_; ++slot)
        delete slots_[slot].load(std::memory_order_relaxed);
    rte_hash_free(by_endpoint_);
}

Session* SessionTable::find(const IpAddress& remote, std::uint16_t remote_port,
                            std::uint16_t local_port) const noexcept {
    const EndpointKey key{remote.bytes, remote_port, local_port};
    void* session = nullptr;
    return rte_hash_lookup_data(by_endpoint_, &key, &session) < 0 ? nullptr : static_cast<Session*>(session);
}

std::expected<SessionIndex, std::string> SessionTable::reserve() {
    if (free_.empty())
        return std::unexpected(
            fmt::format("all {} sessions are in use; raise dataplane.max_sessions", slot_mask_ + 1));
    const std::uint32_t slot = free_.front();
    free_.pop_front();
    const std::uint32_t generations = 1U << (session_index_bits - slot_bits_);
    for (;;) {
        const std::uint32_t generation = ++control_[slot].uses % generations;
        const std::uint32_t index = generation << slot_bits_ | slot;
        if (index != raw(no_session) && index != strangers_index && generation != 0)
            return SessionIndex{index};
    }
}

void SessionTable::release(SessionIndex reserved) {
    free_.push_back(raw(reserved) & slot_mask_);
}

void SessionTable::insert(std::unique_ptr<Session> session, const Endpoint& remote) {
    const std::uint32_t slot = raw(session->index) & slot_mask_;
    control_[slot].remote = remote;
    const EndpointKey key{remote.address.bytes, remote.port, session->local_port};
    rte_hash_add_key_data(by_endpoint_, &key, session.get());
    slots_[slot].store(session.release(), std::memory_order_release);
}

void SessionTable::move(SessionIndex index, const Endpoint& remote) {
    Session* session = find(index);
    if (session == nullptr)
        return;
    Endpoint& known = control_[raw(index) & slot_mask_].remote;
    unhash(*session, known);
    known = remote;
    const EndpointKey key{remote.address.bytes, remote.port, session->local_port};
    rte_hash_add_key_data(by_endpoint_, &key, session);
}

void SessionTable::remove(SessionIndex index) {
    Session* session = find(index);
    if (session == nullptr)
        return;
    const std::uint32_t slot = raw(index) & slot_mask_;
    unhash(*session, control_[slot].remote);
    slots_[slot].store(nullptr, std::memory_order_release);
    reclaimer_.defer([this, session, slot] {
        delete session;
        free_.push_back(slot);
    });
}

/// Takes the endpoint out of the hash unless a newer session has it by now.
void SessionTable::unhash(const Session& session, const Endpoint& remote) {
    if (find(remote.address, remote.port, session.local_port) != &session)
        return;
    const EndpointKey key{remote.address.bytes, remote.port, session.local_port};
    rte_hash_del_key(by_endpoint_, &key);
}

} // namespace culvert::dataplane
