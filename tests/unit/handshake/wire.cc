#include "tests/unit/handshake/wire.h"

#include "control/handshake/dtls_record.h"

#include <algorithm>
#include <cstring>
#include <gtest/gtest.h>
#include <map>
#include <set>

namespace culvert::control::tests {
namespace {

/// The explicit nonces of the records in epoch 1, by sequence number.
std::map<std::uint64_t, std::uint64_t> sealed_on(const std::vector<Sent>& log, bool by_initiator) {
    std::map<std::uint64_t, std::uint64_t> sealed;
    for (const Sent& sent : log) {
        std::span<const std::uint8_t> rest = sent.bytes;
        while (const auto record = take_record(rest)) {
            if (sent.by_initiator != by_initiator || record->epoch != 1)
                continue;
            dataplane::be64 nonce;
            std::memcpy(&nonce, record->fragment.data(), sizeof nonce);
            sealed[record->sequence] = nonce;
        }
    }
    return sealed;
}

} // namespace

Wire::Wire(Judge judge, const HandshakeSettings& settings) : judge_(std::move(judge)) {
    initiator_ = std::make_unique<Gateway>([this](const dataplane::Datagram& d) { carry(true, d); }, settings);
    responder_ = std::make_unique<Gateway>([this](const dataplane::Datagram& d) { carry(false, d); }, settings);
}

Wire::~Wire() {
    initiator_->handshaker().stop();
    responder_->handshaker().stop();
}

void Wire::use_certificates(KeyKind kind) {
    use_identities(make_identity(kind), make_identity(kind));
}

void Wire::use_identities(const Identity& initiators, const Identity& responders) {
    initiators_ = initiators;
    responders_ = responders;
    ASSERT_TRUE(initiator_->handshaker().set_own_credentials(initiators_.own));
    ASSERT_TRUE(responder_->handshaker().set_own_credentials(responders_.own));
    initiator_->handshaker().set_peer(by_pin(paris_handle, "paris", responders_));
    responder_->handshaker().set_peer(by_pin(tokyo_handle, "tokyo", initiators_));
}

void Wire::use_psk(std::uint8_t initiators, std::uint8_t responders) {
    initiator_->handshaker().set_peer(by_psk(paris_handle, "paris", initiators));
    responder_->handshaker().set_peer(by_psk(tokyo_handle, "tokyo", responders));
}

void Wire::initiate(AttemptId attempt) {
    initiator_->initiate(attempt, paris_handle, tokyo, paris);
}

std::vector<Sent> Wire::log() const {
    const std::lock_guard lock(mutex_);
    return log_;
}

void Wire::expect_sealed(const Established& session) const {
    const auto sealed = sealed_on(log(), session.initiator);
    ASSERT_FALSE(sealed.empty());
    EXPECT_EQ(session.tx_next, sealed.rbegin()->first + 1);
    std::set<std::uint64_t> nonces;
    for (const auto& [sequence, nonce] : sealed)
        nonces.insert(nonce);
    EXPECT_EQ(std::set<std::uint64_t>(session.used_nonces.begin(), session.used_nonces.end()), nonces);
}

void Wire::carry(bool by_initiator, const dataplane::Datagram& datagram) {
    std::vector<std::vector<std::uint8_t>> due;
    {
        const std::lock_guard lock(mutex_);
        Direction& direction = directions_[by_initiator ? 0 : 1];
        Sent sent{.by_initiator = by_initiator,
                  .ordinal = direction.sent++,
                  .bytes = {datagram.payload.begin(), datagram.payload.end()}};
        const Fate fate = judge_ ? judge_(sent) : Fate{};
        for (unsigned copy = 0; copy < fate.copies; ++copy) {
            if (fate.behind == 0)
                due.push_back(sent.bytes);
            else
                direction.held.emplace_back(direction.sent + fate.behind, sent.bytes);
        }
        log_.push_back(std::move(sent));
        for (const auto& [until, bytes] : direction.held)
            if (until <= direction.sent)
                due.push_back(bytes);
        std::erase_if(direction.held, [&](const auto& held) { return held.first <= direction.sent; });
    }
    Gateway& to = by_initiator ? *responder_ : *initiator_;
    for (const auto& bytes : due)
        to.handshaker().deliver({.port = dataplane::PortId{0},
                                 .worker = by_initiator ? responders_worker : initiators_worker,
                                 .local = by_initiator ? paris : tokyo,
                                 .remote = by_initiator ? tokyo : paris,
                                 .payload = bytes});
}

} // namespace culvert::control::tests
