#include "tests/unit/handshake/client_hello.h"

#include "control/handshake/dtls_record.h"
#include "tests/unit/handshake/rehearsal.h"

#include <algorithm>
#include <cstring>

namespace culvert::control::tests {
namespace {

// Offsets in a ClientHello that is one record: record header, message header, version, random, empty session id.
constexpr std::size_t message_at = 13, random_at = 13 + 12 + 2, cookie_at = random_at + random_bytes + 1;

void add_to_field(std::vector<std::uint8_t>& bytes, std::size_t last, std::size_t more) {
    const std::size_t sum = static_cast<std::size_t>(bytes[last - 1]) * 256 + bytes[last] + more;
    bytes[last - 1] = static_cast<std::uint8_t>(sum >> 8);
    bytes[last] = static_cast<std::uint8_t>(sum);
}

} // namespace

const std::vector<std::uint8_t>& genuine_hello() {
    static const std::vector<std::uint8_t> hello = [] {
        Rehearsal rehearsal;
        rehearsal.use_certificates(make_identity(), make_identity());
        rehearsal.initiate();
        return rehearsal.initiator().sent.at(0);
    }();
    return hello;
}

std::vector<std::uint8_t> with_random(std::span<const std::uint8_t> hello, std::uint64_t random) {
    std::vector<std::uint8_t> result(hello.begin(), hello.end());
    std::memcpy(result.data() + random_at, &random, sizeof random);
    return result;
}

std::vector<std::uint8_t> with_cookie(std::span<const std::uint8_t> hello, std::span<const std::uint8_t> cookie) {
    std::vector<std::uint8_t> result(hello.begin(), hello.end());
    result[10] = 1;             // record sequence
    result[message_at + 5] = 1; // message sequence
    result[cookie_at] = static_cast<std::uint8_t>(cookie.size());
    result.insert(result.begin() + cookie_at + 1, cookie.begin(), cookie.end());
    add_to_field(result, 12, cookie.size());              // record length
    add_to_field(result, message_at + 3, cookie.size());  // message length
    add_to_field(result, message_at + 11, cookie.size()); // fragment length
    return result;
}

std::vector<std::uint8_t> cookie_in(std::span<const std::uint8_t> datagram) {
    constexpr std::uint8_t hello_verify_request = 3;
    const auto record = take_record(datagram);
    if (!record || record->fragment.size() < 15 || record->fragment[0] != hello_verify_request)
        return {};
    const auto cookie = record->fragment.subspan(15);
    return {cookie.begin(), cookie.end()};
}

} // namespace culvert::control::tests
