#pragma once

#include "control/handshake/dtls_channel.h"
#include "control/handshake/dtls_record.h"
#include "control/handshake/handshake.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace culvert::control {

/// One handshake in either role, from its first flight to its keys. Knows no addresses: whoever holds it passes
/// datagrams in and out. When it is complete OpenSSL's object is gone and the keys are there. One thread.
class DtlsAssociation {
  public:
    using Time = std::chrono::steady_clock::time_point;
    enum class Progress : std::uint8_t { waiting, complete, failed };

    /// An SSL object that has not begun yet (initiator), or one that has just heard a ClientHello with a good
    /// cookie (responder). It fails at `end` at the latest.
    DtlsAssociation(std::unique_ptr<DtlsChannel> channel, DtlsChannel::Role role, Time end)
        : channel_(std::move(channel)), role_(role), end_(end), peer_(channel_->authentication().expected()) {}

    Progress begin(Time now);
    Progress receive(std::span<const std::uint8_t> datagram, Time now);
    /// To be called at deadline(), or any time.
    Progress expire(Time now);
    Time deadline() const { return deadline_; }

    /// What is to be sent now, in order.
    std::vector<Bytes> take_datagrams() { return std::exchange(outgoing_, {}); }

    /// Whose handshake this is, or claims to be: null while that is unknown.
    PeerPointer peer() const { return peer_; }

    /// When complete: all but endpoints, port, worker and attempt. Once.
    Established take_established() { return std::move(established_); }
    /// When complete, as a responder: the datagrams with ChangeCipherSpec and Finished, to be sent again if they
    /// got lost.
    std::vector<Bytes> take_last_flight() { return std::move(last_flight_); }
    const std::string& reason() const { return reason_; } ///< when failed: one sentence

  private:
    Progress drive(Time now);
    Progress fail(std::string reason);
    Bytes admit(std::span<const std::uint8_t> datagram, Time now);
    bool admit_record(const DtlsRecord& record, bool& sealed_may_follow, Time now);
    void collect_written();
    void schedule(Time now);
    std::string failure() const;
    std::string silence() const;
    std::expected<void, std::string> establish();
    std::expected<void, std::string> derive_keys(crypto::Algorithm algorithm);

    std::unique_ptr<DtlsChannel> channel_; ///< gone when complete or failed
    DtlsChannel::Role role_;
    Time end_;
    Time deadline_ = Time::max();
    Progress progress_ = Progress::waiting;
    std::vector<Bytes> outgoing_, last_flight_;
    std::optional<std::uint8_t> alert_; ///< a fatal one in clear, which anybody may have sent
    std::size_t records_heard_ = 0, sealed_heard_ = 0;
    PeerPointer peer_;
    Established established_;
    std::string reason_;
};

} // namespace culvert::control
