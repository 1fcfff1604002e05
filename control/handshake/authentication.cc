#include "control/handshake/authentication.h"

#include "control/configuration/credentials.h"

#include <algorithm>

namespace culvert::control {
namespace {

constexpr std::size_t max_shown_identity = 64;

/// What a stranger sent, fit for a log line.
std::string printable(std::string_view text) {
    std::string result(text.substr(0, max_shown_identity));
    std::ranges::replace_if(result, [](char c) { return c < 0x20 || c > 0x7e || c == '"' || c == '\\'; }, '?');
    return result;
}

/// Copies a PSK out if it fits.
std::size_t copy_psk(const PeerCredentials& peer, std::span<std::uint8_t> out) {
    const auto psk = peer.psk.bytes();
    if (psk.size() > out.size())
        return 0;
    std::ranges::copy(psk, out.begin());
    return psk.size();
}

} // namespace

bool Authentication::accept_certificate(X509& certificate) {
    const auto pin = pin_of(certificate);
    if (!pin) {
        complaint_ = pin.error();
        return false;
    }
    if (expected_) {
        if (has_pin(*expected_, *pin))
            peer_ = expected_;
        else
            complaint_ = expected_->name + "'s certificate has " + pin_text(*pin) + ", which is none of its pins";
    } else {
        peer_ = store_.by_pin(*pin);
        if (!peer_)
            complaint_ = "the initiator's certificate has " + pin_text(*pin) + ", which is no peer's pin";
    }
    if (peer_)
        expiry_ = expiry_of(certificate);
    return peer_ != nullptr;
}

std::size_t Authentication::look_up_psk(std::string_view identity, std::span<std::uint8_t> psk) {
    peer_ = store_.by_psk_identity(identity);
    const std::size_t length = peer_ ? copy_psk(*peer_, psk) : 0;
    if (length == 0)
        complaint_ = "the initiator's PSK identity \"" + printable(identity) + "\" is no peer's";
    return length;
}

std::size_t Authentication::offer_psk(std::span<char> identity, std::span<std::uint8_t> psk) {
    if (!expected_ || expected_->psk.empty())
        return 0;
    const std::string text = psk_identity(expected_->psk);
    if (text.size() >= identity.size())
        return 0;
    std::ranges::copy(text, identity.begin());
    identity[text.size()] = '\0';
    peer_ = expected_;
    return copy_psk(*expected_, psk);
}

} // namespace culvert::control
