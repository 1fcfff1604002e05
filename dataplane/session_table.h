#pragma once

#include "dataplane/address.h"
#include "dataplane/ids.h"
#include "dataplane/reclaimer.h"
#include "dataplane/session.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <expected>
#include <memory>
#include <string>
#include <vector>

struct rte_hash;

namespace culvert::dataplane {

/// All sessions, found by the index that a record's nonce carries (one array access) or by outer endpoint (a
/// lock-free hash). Workers read under RCU; the control thread alone writes.
class SessionTable {
  public:
    /// `capacity` is rounded up to a power of two. Throws std::runtime_error when DPDK has no memory.
    SessionTable(std::uint32_t capacity, rte_rcu_qsbr* readers, Reclaimer& reclaimer);
    ~SessionTable();
    SessionTable(const SessionTable&) = delete;
    SessionTable& operator=(const SessionTable&) = delete;

    // --- workers
    /// Whatever lives in the index's slot now: null, or a session whose `index` has yet to be compared.
    Session* slot(std::uint32_t index) const noexcept {
        return slots_[index & slot_mask_].load(std::memory_order_acquire);
    }
    /// The live session with exactly this index, or null.
    Session* find(SessionIndex index) const noexcept {
        Session* session = slot(raw(index));
        return session != nullptr && session->index == index ? session : nullptr;
    }
    /// The newest session between these ends, or null.
    Session* find(const IpAddress& remote, std::uint16_t remote_port, std::uint16_t local_port) const noexcept;

    // --- control
    std::expected<SessionIndex, std::string> reserve();
    void release(SessionIndex reserved);
    const Endpoint& remote(SessionIndex index) const { return control_[raw(index) & slot_mask_].remote; }
    void insert(std::unique_ptr<Session> session, const Endpoint& remote); ///< its index was reserved
    void move(SessionIndex index, const Endpoint& remote);                 ///< has roamed
    void remove(SessionIndex index); ///< gone for workers at once, freed after a grace period

  private:
    struct Slot { ///< control's own view
        std::uint32_t uses = 0;
        Endpoint remote;
    };
    void unhash(const Session& session, const Endpoint& remote);

    std::uint32_t slot_mask_;
    unsigned slot_bits_;
    Reclaimer& reclaimer_;
    std::unique_ptr<std::atomic<Session*>[]> slots_;
    rte_hash* by_endpoint_;
    std::vector<Slot> control_;
    std::deque<std::uint32_t> free_; ///< first in, first out: a slot rests as long as possible
};

} // namespace culvert::dataplane
