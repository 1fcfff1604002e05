#include "tests/unit/handshake/rehearsal.h"

#include <stdexcept>

namespace culvert::control::tests {
namespace {

std::shared_ptr<const DtlsContext> context_of(const Identity* identity, const HandshakeSettings& settings) {
    const auto key = identity == nullptr ? CertifiedKey{} : read_certified_key(identity->own).value();
    auto context = DtlsContext::make(identity == nullptr ? nullptr : &key, settings.algorithms);
    return std::make_shared<const DtlsContext>(std::move(context.value()));
}

} // namespace

Rehearsal::Rehearsal(const HandshakeSettings& settings) {
    attach(initiator_, settings);
    attach(responder_, settings);
}

void Rehearsal::attach(End& end, const HandshakeSettings& settings) {
    HandshakeOutputs outputs{
        .send =
            [&end](const dataplane::Datagram& d) { end.sent.emplace_back(d.payload.begin(), d.payload.end()); },
        .established = [&end](Established established) { end.established.push_back(std::move(established)); },
        .failed = [&end](AttemptId, std::string reason) { end.failed.push_back(std::move(reason)); },
        .refused = [&end](const dataplane::Endpoint&, std::string reason) { end.refused.push_back(reason); }};
    end.exchanges = std::make_unique<Exchanges>(std::move(outputs), settings, now);
    end.exchanges->use(context_of(nullptr, settings));
}

void Rehearsal::use_certificates(const Identity& initiators, const Identity& responders) {
    initiator_.exchanges->use(context_of(&initiators, {}));
    responder_.exchanges->use(context_of(&responders, {}));
    initiator_.exchanges->set_peer(by_pin(paris_handle, "paris", responders));
    responder_.exchanges->set_peer(by_pin(tokyo_handle, "tokyo", initiators));
}

void Rehearsal::use_psk(std::uint8_t fill) {
    initiator_.exchanges->set_peer(by_psk(paris_handle, "paris", fill));
    responder_.exchanges->set_peer(by_psk(tokyo_handle, "tokyo", fill));
}

void Rehearsal::initiate(AttemptId attempt) {
    initiator_.exchanges->initiate(attempt, paris_handle, dataplane::PortId{0}, dataplane::WorkerId{0},
                                   {.local = tokyo, .remote = paris}, now);
}

bool Rehearsal::step(End& from) {
    if (from.sent.empty())
        return false;
    const auto bytes = std::move(from.sent.front());
    from.sent.pop_front();
    if (&from == &initiator_)
        to_responder(bytes);
    else
        to_initiator(bytes);
    return true;
}

void Rehearsal::run() {
    while (step(initiator_) || step(responder_))
        continue;
}

void Rehearsal::to_responder(std::span<const std::uint8_t> bytes, const dataplane::Endpoint& remote) {
    responder_.exchanges->receive({.port = dataplane::PortId{0},
                                   .worker = dataplane::WorkerId{3},
                                   .local = paris,
                                   .remote = remote,
                                   .payload = bytes},
                                  now);
}

void Rehearsal::to_initiator(std::span<const std::uint8_t> bytes) {
    initiator_.exchanges->receive({.port = dataplane::PortId{0},
                                   .worker = dataplane::WorkerId{5},
                                   .local = tokyo,
                                   .remote = paris,
                                   .payload = bytes},
                                  now);
}

} // namespace culvert::control::tests
