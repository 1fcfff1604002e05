#include "control/handshake/dtls_record.h"

#include <cstring>

namespace culvert::control {
namespace {

constexpr std::uint8_t dtls_major = 0xfe;
constexpr std::uint8_t fatal_level = 2;       ///< RFC 5246 §7.2
constexpr std::size_t max_cookie_bytes = 255; ///< RFC 6347 §4.2.1, as DTLS 1.2 has it
constexpr std::size_t max_session_id_bytes = 32;

/// Takes `count` bytes off the front of `from`.
std::expected<std::span<const std::uint8_t>, RecordError> take(std::span<const std::uint8_t>& from,
                                                               std::size_t count) {
    if (from.size() < count)
        return std::unexpected(RecordError::truncated);
    const auto taken = from.first(count);
    from = from.subspan(count);
    return taken;
}

/// A vector with a length of one byte before it (RFC 5246 §4.3).
std::expected<std::span<const std::uint8_t>, RecordError> take_vector(std::span<const std::uint8_t>& from,
                                                                      std::size_t at_most) {
    const auto length = take(from, 1);
    if (!length)
        return std::unexpected(length.error());
    if (length->front() > at_most)
        return std::unexpected(RecordError::malformed);
    return take(from, length->front());
}

} // namespace

std::expected<DtlsRecord, RecordError> take_record(std::span<const std::uint8_t>& datagram) {
    dataplane::dtls::RecordHeader header;
    if (datagram.size() < sizeof header)
        return std::unexpected(RecordError::truncated);
    std::memcpy(&header, datagram.data(), sizeof header);
    if (header.version >> 8 != dtls_major)
        return std::unexpected(RecordError::version);
    if (datagram.size() - sizeof header < header.length)
        return std::unexpected(RecordError::truncated);

    DtlsRecord record{.type = ContentType{header.type},
                      .epoch = header.epoch(),
                      .sequence = header.sequence(),
                      .whole = datagram.first(sizeof header + header.length),
                      .fragment = datagram.subspan(sizeof header, header.length)};
    datagram = datagram.subspan(record.whole.size());
    return record;
}

std::expected<std::uint8_t, RecordError> fatal_alert(const DtlsRecord& record) {
    if (record.type != ContentType::alert || record.epoch != 0 || record.fragment.size() != 2 ||
        record.fragment[0] != fatal_level)
        return std::unexpected(RecordError::malformed);
    return record.fragment[1];
}

std::expected<ClientHello, RecordError> parse_client_hello(std::span<const std::uint8_t> datagram) {
    const auto record = take_record(datagram);
    if (!record)
        return std::unexpected(record.error());
    MessageHeader header;
    if (record->type != ContentType::handshake || record->epoch != 0 || record->fragment.size() < sizeof header)
        return std::unexpected(RecordError::not_client_hello);
    std::memcpy(&header, record->fragment.data(), sizeof header);
    if (MessageType{header.type} != MessageType::client_hello)
        return std::unexpected(RecordError::not_client_hello);
    if (header.fragment_offset.value() != 0 || header.fragment_length.value() != header.length.value())
        return std::unexpected(RecordError::fragmented);

    auto body = record->fragment.subspan(sizeof header);
    if (body.size() != header.length.value())
        return std::unexpected(RecordError::malformed);
    const auto version = take(body, 2);
    const auto random = version ? take(body, random_bytes) : version;
    const auto session_id = random ? take_vector(body, max_session_id_bytes) : random;
    const auto cookie = session_id ? take_vector(body, max_cookie_bytes) : session_id;
    if (!cookie)
        return std::unexpected(cookie.error());
    return ClientHello{.random = random->first<random_bytes>(), .cookie = *cookie};
}

} // namespace culvert::control
