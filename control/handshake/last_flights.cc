#include "control/handshake/last_flights.h"

#include <algorithm>

namespace culvert::control {
namespace {

constexpr std::size_t max_flights = 16384; ///< all of them of authenticated peers

/// What an initiator's last flight consists of: handshake messages, ChangeCipherSpec, Finished.
bool is_handshake(std::span<const std::uint8_t> datagram) {
    const auto record = take_record(datagram);
    return record && record->epoch <= 1 &&
           (record->type == ContentType::handshake || record->type == ContentType::change_cipher_spec);
}

} // namespace

void LastFlights::keep(const UdpTuple& tuple, const Random& client_random, std::vector<Bytes> flight, Time now) {
    forget_old(now);
    if (ends_.size() >= max_flights) {
        flights_.erase(ends_.front().second);
        ends_.pop_front();
    }
    flights_[tuple] = {
        .client_random = client_random, .datagrams = std::move(flight), .until = now + lifetime_, .sent = now};
    ends_.emplace_back(now + lifetime_, tuple);
}

std::span<const Bytes> LastFlights::repeat(const UdpTuple& tuple, std::span<const std::uint8_t> datagram,
                                           Time now) {
    forget_old(now);
    const auto found = flights_.find(tuple);
    if (found == flights_.end() || !is_handshake(datagram) || now - found->second.sent < interval_)
        return {};
    found->second.sent = now;
    return found->second.datagrams;
}

bool LastFlights::began_with(const UdpTuple& tuple, std::span<const std::uint8_t, random_bytes> client_random,
                             Time now) {
    forget_old(now);
    const auto found = flights_.find(tuple);
    return found != flights_.end() && std::ranges::equal(found->second.client_random, client_random);
}

void LastFlights::forget_old(Time now) {
    for (; !ends_.empty() && ends_.front().first <= now; ends_.pop_front()) {
        const auto found = flights_.find(ends_.front().second);
        if (found != flights_.end() && found->second.until <= now) // or it belongs to a newer handshake
            flights_.erase(found);
    }
}

} // namespace culvert::control
