#include "control/handshake/dtls_channel.h"

#include "control/handshake/dtls_record.h"

#include <algorithm>
#include <cstring>

namespace culvert::control {

/// OpenSSL's side of a channel: a BIO whose writes are datagrams.
struct ChannelBio {
    static DtlsChannel& channel(BIO* bio) { return *static_cast<DtlsChannel*>(BIO_get_data(bio)); }

    static int write(BIO* bio, const char* bytes, int length) {
        const auto* begin = reinterpret_cast<const std::uint8_t*>(bytes);
        DtlsChannel& to = channel(bio);
        to.written_.emplace_back(begin, begin + length);
        to.note_sealed(to.written_.back());
        return length;
    }

    static int read(BIO* bio, char* bytes, int room) {
        DtlsChannel& from = channel(bio);
        BIO_clear_retry_flags(bio);
        if (from.incoming_.empty()) {
            BIO_set_retry_read(bio);
            return -1;
        }
        const auto datagram = std::exchange(from.incoming_, {});
        const std::size_t length = std::min(datagram.size(), static_cast<std::size_t>(std::max(room, 0)));
        std::memcpy(bytes, datagram.data(), length); // what doesn't fit is lost, as with a socket
        return static_cast<int>(length);
    }

    static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

    static BIO_METHOD* method() {
        static const BioMethodPointer method = [] {
            BioMethodPointer made(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "culvert datagrams"));
            if (made) {
                BIO_meth_set_write(made.get(), write);
                BIO_meth_set_read(made.get(), read);
                BIO_meth_set_ctrl(made.get(), control);
            }
            return made;
        }();
        return method.get();
    }
};

namespace {
/// UDP payload of a handshake datagram: IPv6's least MTU (1280) less its headers, and some room for tunnels
/// outside.
constexpr long handshake_datagram_bytes = 1200;
} // namespace

std::unique_ptr<DtlsChannel> DtlsChannel::make(const DtlsContext& context, Role role, Proofs proofs,
                                               Authentication authentication, FlightTimeouts timeouts) {
    std::unique_ptr<DtlsChannel> channel(new DtlsChannel(std::move(authentication), timeouts));
    channel->ssl_ = context.make_ssl(proofs);
    SSL* ssl = channel->ssl();
    BioPointer bio(ssl == nullptr ? nullptr : BIO_new(ChannelBio::method()));
    if (!bio)
        return nullptr;
    BIO_set_data(bio.get(), channel.get());
    BIO_set_init(bio.get(), 1);
    BIO* shared = bio.release();
    SSL_set_bio(ssl, shared, shared); // takes one reference for both
    SSL_set_app_data(ssl, channel.get());
    SSL_set_mtu(ssl, handshake_datagram_bytes);
    DTLS_set_timer_cb(ssl, next_timeout);
    if (role == Role::initiator)
        SSL_set_connect_state(ssl);
    else
        SSL_set_accept_state(ssl);
    return channel;
}

DtlsChannel& DtlsChannel::of(const SSL* ssl) {
    return *static_cast<DtlsChannel*>(SSL_get_app_data(ssl));
}

unsigned DtlsChannel::next_timeout(SSL* ssl, unsigned microseconds) {
    const FlightTimeouts& timeouts = of(ssl).timeouts_;
    const auto first = std::chrono::microseconds(timeouts.first).count();
    const auto longest = std::chrono::microseconds(timeouts.longest).count();
    return static_cast<unsigned>(microseconds == 0 ? first : std::min(longest, 2L * microseconds));
}

void DtlsChannel::note_sealed(std::span<const std::uint8_t> datagram) {
    while (const auto record = take_record(datagram)) {
        if (record->epoch == 0 || record->fragment.size() < explicit_nonce_bytes)
            continue;
        dataplane::be64 nonce;
        std::memcpy(&nonce, record->fragment.data(), sizeof nonce);
        sealed_.push_back({.sequence = record->sequence, .nonce = nonce});
    }
}

void DtlsChannel::ask_for_cookie(Cookies& cookies, const dataplane::Endpoint& remote, Cookies::Time now) {
    cookies_ = &cookies;
    asking_ = remote;
    asked_ = now;
}

bool DtlsChannel::make_cookie(unsigned char* cookie, unsigned* length) {
    const auto made = cookies_ == nullptr ? std::nullopt : cookies_->make(asking_, asked_);
    if (!made)
        return false;
    std::ranges::copy(*made, cookie);
    *length = static_cast<unsigned>(made->size());
    return true;
}

bool DtlsChannel::check_cookie(std::span<const std::uint8_t> cookie) {
    return cookies_ != nullptr && cookies_->valid(asking_, cookie, asked_);
}

} // namespace culvert::control
