#pragma once

#include "control/api/gateway.h"

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

/// What the gateway tells, as the API writes it. Times are ISO 8601 in UTC, spans milliseconds, sizes bytes.
namespace culvert::control {

using Json = nlohmann::ordered_json;

Json json_of(const GatewayStatus& status);
Json json_of(const PeerStatus& peer); ///< with its sessions
Json json_of(const SessionStatus& session);
Json json_of(const dataplane::PortFigures& port);
Json json_of(const dataplane::WorkerFigures& worker);
Json json_of(const RouteStatus& route);
Json json_of(const BridgeStatus& queue);
Json json_of(const Event& event);
Json lost_events_json(std::uint64_t count);

/// Drops by reason over all workers, every reason listed, with its sentence.
Json drops_json(std::span<const dataplane::WorkerFigures> workers);
/// The packet account over all workers: each term, what lies in rings between workers, and what is missing from
/// the balance (0 when nothing moves; a few packets while they run, as the terms aren't read at one instant).
Json balance_json(std::span<const dataplane::WorkerFigures> workers);

Json error_json(std::string_view sentence);
/// One line of text with its newline. Bytes that aren't UTF-8 are replaced.
std::string line_of(const Json& json);
/// "2026-11-20T23:41:05Z"
std::string iso_time(std::chrono::system_clock::time_point time);

} // namespace culvert::control
