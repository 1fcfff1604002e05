#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>

/// What the API told, for people. Each takes the API's document and throws nlohmann::json::exception when it is of
/// a kind not known here.
namespace culvert::control {

using Json = nlohmann::ordered_json;

/// Something that `culvertctl show` can show.
struct Shown {
    std::string_view name;   ///< "peers"
    std::string_view target; ///< "/v1/peers"
    std::string_view about;
    std::string (*text)(const Json& document, bool all); ///< `all`: drops that are zero as well
};
std::span<const Shown> shown();

/// Bare `show`: the gateway and each peer, as `wg show` has it.
std::string show_overview(const Json& status, const Json& peers);
/// One line of the event feed.
std::string show_event(const Json& event);

} // namespace culvert::control
