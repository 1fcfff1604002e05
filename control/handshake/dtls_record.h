#pragma once

#include "dataplane/big_endian.h"
#include "dataplane/dtls_record.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>

/// DTLS 1.2 records and handshake messages as they lie in a datagram (RFC 6347 §4.1, §4.2.2). Everything here is
/// looked at before anybody is authenticated.
namespace culvert::control {

/// A big-endian integer of an odd size.
template <std::size_t Bytes>
struct WireInteger {
    std::array<std::uint8_t, Bytes> bytes;
    constexpr std::uint64_t value() const {
        std::uint64_t result = 0;
        for (const std::uint8_t byte : bytes)
            result = result << 8 | byte;
        return result;
    }
};

struct MessageHeader {
    std::uint8_t type;
    WireInteger<3> length;
    dataplane::be16 sequence;
    WireInteger<3> fragment_offset, fragment_length;
};
static_assert(sizeof(MessageHeader) == 12);

inline constexpr std::size_t explicit_nonce_bytes = 8; ///< RFC 5288 §3
inline constexpr std::size_t random_bytes = 32;

enum class ContentType : std::uint8_t {
    change_cipher_spec = 20,
    alert = 21,
    handshake = 22,
    application_data = 23
};
enum class MessageType : std::uint8_t { client_hello = 1 };

enum class RecordError : std::uint8_t {
    truncated, ///< shorter than its lengths say
    version,   ///< not DTLS
    not_client_hello,
    fragmented, ///< a ClientHello in pieces: putting it together would be state before the cookie
    malformed,  ///< lengths that contradict each other
};

/// One record. The spans point into the datagram.
struct DtlsRecord {
    ContentType type{};
    std::uint16_t epoch = 0;
    std::uint64_t sequence = 0;
    std::span<const std::uint8_t> whole;    ///< header and fragment
    std::span<const std::uint8_t> fragment; ///< what follows the header
};

/// Takes the first record off `datagram`. After an error the rest means nothing.
std::expected<DtlsRecord, RecordError> take_record(std::span<const std::uint8_t>& datagram);

/// A fatal alert in clear carries one of these; nobody vouches for it.
std::expected<std::uint8_t, RecordError> fatal_alert(const DtlsRecord& record);

/// What is looked at in a ClientHello before OpenSSL sees it.
struct ClientHello {
    std::span<const std::uint8_t, random_bytes> random;
    std::span<const std::uint8_t> cookie; ///< empty in the first one
};

/// The first record of `datagram` as a whole ClientHello of epoch 0.
std::expected<ClientHello, RecordError> parse_client_hello(std::span<const std::uint8_t> datagram);

} // namespace culvert::control
