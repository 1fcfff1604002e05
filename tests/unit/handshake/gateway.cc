#include "tests/unit/handshake/gateway.h"

#include "control/handshake/dtls_record.h"

#include <algorithm>
#include <cstring>
#include <gtest/gtest.h>

namespace culvert::control::tests {

HandshakeSettings quick_settings() {
    HandshakeSettings settings;
    settings.first_timeout = std::chrono::milliseconds(50);
    settings.longest_timeout = std::chrono::milliseconds(800);
    settings.initiator_lifetime = std::chrono::milliseconds(10'000);
    settings.responder_lifetime = std::chrono::milliseconds(10'000);
    settings.last_flight_interval = std::chrono::milliseconds(20);
    return settings;
}

Gateway::Gateway(Send send, const HandshakeSettings& settings)
    : handshaker_({.send = std::move(send),
                   .established =
                       [this](Established established) {
                           const std::lock_guard lock(mutex_);
                           established_.push_back(std::move(established));
                           changed_.notify_all();
                       },
                   .failed =
                       [this](AttemptId attempt, std::string reason) {
                           const std::lock_guard lock(mutex_);
                           failed_.emplace_back(attempt, std::move(reason));
                           changed_.notify_all();
                       },
                   .refused =
                       [this](const dataplane::Endpoint&, std::string reason) {
                           const std::lock_guard lock(mutex_);
                           refused_.push_back(std::move(reason));
                           changed_.notify_all();
                       }},
                  settings) {}

void Gateway::initiate(AttemptId attempt, PeerHandle peer, const dataplane::Endpoint& local,
                       const dataplane::Endpoint& remote) {
    handshaker_.initiate(attempt, peer, dataplane::PortId{0}, dataplane::WorkerId{0}, local, remote);
}

template <typename T>
T Gateway::wait_for(std::vector<T>& list, std::size_t nth, const char* what) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, patience, [&] { return list.size() > nth; })) {
        ADD_FAILURE() << "nothing was " << what;
        for (const auto& [attempt, reason] : failed_)
            ADD_FAILURE() << "an attempt failed: " << reason;
        for (const std::string& reason : refused_)
            ADD_FAILURE() << "refused: " << reason;
        return T{};
    }
    return list[nth];
}

Established Gateway::wait_established(std::size_t nth) {
    return wait_for(established_, nth, "established");
}
std::string Gateway::wait_failed(std::size_t nth) {
    return wait_for(failed_, nth, "failed").second;
}
std::string Gateway::wait_refused(std::size_t nth) {
    return wait_for(refused_, nth, "refused");
}

bool Gateway::wait_figures(const std::function<bool(const HandshakeFigures&)>& condition) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!condition(handshaker_.figures())) {
        if (std::chrono::steady_clock::now() > end)
            return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
}

std::size_t Gateway::established_count() const {
    const std::lock_guard lock(mutex_);
    return established_.size();
}

std::size_t Gateway::failed_count() const {
    const std::lock_guard lock(mutex_);
    return failed_.size();
}

namespace {

struct RecordKeys {
    crypto::Algorithm algorithm;
    std::span<const std::uint8_t> key;
    std::array<std::uint8_t, 4> salt;
};

/// Runs one record's AEAD (RFC 5246 §6.2.3.3); `body` is ciphertext or plaintext and the tag.
bool run_aead(const RecordKeys& keys, bool seal, std::uint64_t sequence, std::span<const std::uint8_t, 8> nonce,
              std::span<std::uint8_t> body) {
    const auto length = static_cast<std::uint32_t>(body.size() - crypto::tag_bytes);
    const dataplane::dtls::AssociatedData aad{.epoch_and_sequence = std::uint64_t{1} << 48 | sequence,
                                              .type = dataplane::dtls::content::data,
                                              .version = dataplane::dtls::version_1_2,
                                              .length = static_cast<std::uint16_t>(length)};
    const auto engine = crypto::make_engine("libcrypto").value();
    const auto key = engine->expand(keys.algorithm, keys.key);
    crypto::Operation operation{};
    operation.data = body.data();
    operation.aad = reinterpret_cast<const std::uint8_t*>(&aad);
    operation.aad_length = sizeof aad;
    operation.tag = body.data() + length;
    operation.key = key.get();
    operation.length = length;
    std::ranges::copy(keys.salt, operation.nonce.begin());
    std::ranges::copy(nonce, operation.nonce.begin() + 4);
    if (seal) {
        engine->seal({&operation, 1});
        return true;
    }
    return engine->open({&operation, 1}) == 1;
}

} // namespace

std::vector<std::uint8_t> seal_record(const Established& session, std::uint64_t sequence, std::string_view text) {
    const dataplane::dtls::ProtectedHeader header{
        .record = {.type = dataplane::dtls::content::data,
                   .version = dataplane::dtls::version_1_2,
                   .epoch_and_sequence = std::uint64_t{1} << 48 | sequence,
                   .length = static_cast<std::uint16_t>(8 + text.size() + crypto::tag_bytes)},
        .explicit_nonce = sequence};
    std::vector<std::uint8_t> record(sizeof header.record + header.record.length);
    std::memcpy(record.data(), &header, sizeof header);
    std::ranges::copy(text, record.begin() + sizeof header);
    const std::span<std::uint8_t> bytes(record);
    run_aead({session.algorithm, session.tx_key.bytes(), session.tx_salt}, true, sequence,
             std::span<const std::uint8_t>(bytes).subspan<13, 8>(), bytes.subspan(21));
    return record;
}

std::string open_record(const Established& session, std::span<const std::uint8_t> record) {
    auto rest = record;
    const auto parsed = take_record(rest);
    if (!parsed || parsed->type != ContentType::application_data || parsed->epoch != 1 ||
        parsed->fragment.size() < 8 + crypto::tag_bytes)
        return {};
    std::vector<std::uint8_t> body(parsed->fragment.begin() + 8, parsed->fragment.end());
    if (!run_aead({session.algorithm, session.rx_key.bytes(), session.rx_salt}, false, parsed->sequence,
                  parsed->fragment.first<8>(), body))
        return {};
    return {body.begin(), body.end() - crypto::tag_bytes};
}

void expect_matching(const Established& initiator, const Established& responder) {
    ASSERT_FALSE(initiator.tx_key.empty() || responder.tx_key.empty()) << "no session";
    EXPECT_TRUE(initiator.initiator);
    EXPECT_FALSE(responder.initiator);
    EXPECT_EQ(initiator.algorithm, responder.algorithm);
    EXPECT_EQ(initiator.cipher, responder.cipher);
    EXPECT_EQ(initiator.tx_key.bytes().size(), crypto::key_bytes(initiator.algorithm));
    EXPECT_TRUE(std::ranges::equal(initiator.tx_key.bytes(), responder.rx_key.bytes()));
    EXPECT_TRUE(std::ranges::equal(initiator.rx_key.bytes(), responder.tx_key.bytes()));
    EXPECT_FALSE(std::ranges::equal(initiator.rx_key.bytes(), initiator.tx_key.bytes()));
    EXPECT_EQ(initiator.tx_salt, responder.rx_salt);
    EXPECT_EQ(initiator.rx_salt, responder.tx_salt);
    EXPECT_GE(initiator.tx_next, 1U);
    EXPECT_GE(responder.tx_next, 1U);
    EXPECT_EQ(open_record(responder, seal_record(initiator, initiator.tx_next, "to the responder")),
              "to the responder");
    EXPECT_EQ(open_record(initiator, seal_record(responder, responder.tx_next, "to the initiator")),
              "to the initiator");
    EXPECT_EQ(open_record(initiator, seal_record(initiator, initiator.tx_next, "to itself")), "");
}

} // namespace culvert::control::tests
