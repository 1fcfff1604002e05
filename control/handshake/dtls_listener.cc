#include "control/handshake/dtls_listener.h"

#include <openssl/err.h>

namespace culvert::control {

void DtlsListener::use(std::shared_ptr<const DtlsContext> context) {
    context_ = std::move(context);
    listening_.reset();
}

bool DtlsListener::ready() {
    if (listening_)
        return true;
    if (!context_)
        return false;
    const Proofs proofs{.certificate = context_->has_certificate() && store_.any_by_pin(),
                        .psk = store_.any_by_psk()};
    listening_ = DtlsChannel::make(*context_, DtlsChannel::Role::responder, proofs,
                                   Authentication(store_, nullptr), timeouts_);
    return listening_ != nullptr;
}

DtlsListener::Heard DtlsListener::hear(std::span<const std::uint8_t> datagram, const dataplane::Endpoint& remote,
                                       Cookies::Time now) {
    const BioAddressPointer unused(BIO_ADDR_new());
    if (!unused || !ready())
        return {};
    ERR_clear_error();
    listening_->ask_for_cookie(cookies_, remote, now);
    listening_->offer(datagram);
    const int result = DTLSv1_listen(listening_->ssl(), unused.get());
    listening_->offer({});
    ERR_clear_error();
    Heard heard{.answer = listening_->take_written(), .channel = nullptr};
    if (result == 1)
        heard.channel = std::move(listening_);
    else if (result < 0)
        listening_.reset(); // of no use any more, says OpenSSL
    return heard;
}

} // namespace culvert::control
