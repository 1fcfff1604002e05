#include "control/api/resources.h"

#include "control/api/json.h"
#include "control/api/metrics.h"

#include <array>
#include <exception>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>

namespace culvert::control {
namespace {

ApiAnswer ok(const Json& json) {
    return {.allow = {}, .body = line_of(json)};
}

template <typename Things>
ApiAnswer list_answer(std::string_view key, const Things& things) {
    Json list = Json::array();
    for (const auto& thing : things)
        list.push_back(json_of(thing));
    Json body;
    body[std::string(key)] = std::move(list);
    return ok(body);
}

ApiAnswer outcome(const std::expected<Deeds, Refusal>& result, unsigned success = 200) {
    if (result) {
        ApiAnswer answer = ok({{"done", *result}});
        answer.status = success;
        return answer;
    }
    switch (result.error().kind) {
    case Refusal::Kind::invalid:
        return error_answer(400, result.error().text);
    case Refusal::Kind::unknown:
        return error_answer(404, result.error().text);
    case Refusal::Kind::conflict:
        break;
    }
    return error_answer(409, result.error().text);
}

/// One request, taken apart.
struct Call {
    Gateway& gateway;
    std::string name; ///< last part of the path where the resource has one
    std::string_view body;
};

ApiAnswer get_sessions(const Call& call) {
    Json list = Json::array();
    for (const auto& peer : call.gateway.peers()) {
        for (const auto& session : peer.sessions) {
            Json entry{{"peer", peer.name}};
            entry.update(json_of(session));
            list.push_back(std::move(entry));
        }
    }
    return ok({{"sessions", std::move(list)}});
}

ApiAnswer get_peer(const Call& call) {
    for (const auto& peer : call.gateway.peers())
        if (peer.name == call.name)
            return ok(json_of(peer));
    return error_answer(404, fmt::format("there is no peer \"{}\"", call.name));
}

/// Objects in lists in objects have no place in a peer; bounding the depth bounds the stack of whoever copies
/// them.
constexpr int max_depth = 8;

std::expected<nlohmann::json, std::string> read_object(std::string_view body) {
    const auto shallow = [](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
        return depth <= max_depth ? true : throw std::length_error("nested too deeply");
    };
    try {
        auto document = nlohmann::json::parse(body, shallow);
        if (document.is_object())
            return document;
        return std::unexpected("the body is to be a JSON object");
    } catch (const nlohmann::json::exception&) {
        return std::unexpected("the body is not JSON");
    } catch (const std::length_error& deep) {
        return std::unexpected(fmt::format("the body is {}", deep.what()));
    }
}

ApiAnswer post_peers(const Call& call) {
    const auto keys = read_object(call.body);
    return keys ? outcome(call.gateway.add_peer(*keys), 201) : error_answer(400, keys.error());
}

ApiAnswer put_peer(const Call& call) {
    const auto changes = read_object(call.body);
    return changes ? outcome(call.gateway.change_peer(call.name, *changes)) : error_answer(400, changes.error());
}

struct Resource {
    std::string_view method;
    std::string_view path; ///< "/v1/peers/" with its last slash: a name follows
    ApiAnswer (*answer)(const Call&);
};

constexpr std::array resources{
    Resource{"GET", "/v1/status", [](const Call& c) { return ok(json_of(c.gateway.status())); }},
    Resource{"GET", "/v1/peers", [](const Call& c) { return list_answer("peers", c.gateway.peers()); }},
    Resource{"POST", "/v1/peers", post_peers},
    Resource{"GET", "/v1/peers/", get_peer},
    Resource{"PUT", "/v1/peers/", put_peer},
    Resource{"DELETE", "/v1/peers/", [](const Call& c) { return outcome(c.gateway.remove_peer(c.name)); }},
    Resource{"GET", "/v1/sessions", get_sessions},
    Resource{"GET", "/v1/ports", [](const Call& c) { return list_answer("ports", c.gateway.ports()); }},
    Resource{"GET", "/v1/workers", [](const Call& c) { return list_answer("workers", c.gateway.workers()); }},
    Resource{"GET", "/v1/routes", [](const Call& c) { return list_answer("routes", c.gateway.routes()); }},
    Resource{"GET", "/v1/bridge", [](const Call& c) { return list_answer("queues", c.gateway.bridge()); }},
    Resource{"GET", "/v1/drops", [](const Call& c) { return ok({{"drops", drops_json(c.gateway.workers())}}); }},
    Resource{"GET", "/v1/balance", [](const Call& c) { return ok(balance_json(c.gateway.workers())); }},
    Resource{"POST", "/v1/reload", [](const Call& c) { return outcome(c.gateway.reload()); }},
    Resource{"GET", "/v1/events",
             [](const Call&) {
                 return ApiAnswer{
                     .content_type = "application/x-ndjson", .allow = {}, .body = {}, .follows_events = true};
             }},
    Resource{"GET", "/metrics",
             [](const Call& c) {
                 return ApiAnswer{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                                  .allow = {},
                                  .body = metrics_text(c.gateway)};
             }},
};

/// The name at the path's end ("" for a resource without one), or nothing where the path is another.
std::optional<std::string> match(const Resource& resource, std::string_view path) {
    if (!resource.path.ends_with('/'))
        return path == resource.path ? std::optional(std::string()) : std::nullopt;
    if (!path.starts_with(resource.path) || path.size() == resource.path.size())
        return std::nullopt;
    const auto name = path.substr(resource.path.size());
    return name.contains('/') ? std::nullopt : std::optional(std::string(name));
}

ApiAnswer dispatch(Gateway& gateway, const ApiRequest& request) {
    const std::string_view path = request.target.substr(0, request.target.find('?'));
    std::string methods;
    for (const auto& resource : resources) {
        auto name = match(resource, path);
        if (!name)
            continue;
        if (resource.method == request.method)
            return resource.answer({gateway, std::move(*name), request.body});
        methods += (methods.empty() ? "" : ", ") + std::string(resource.method);
    }
    if (methods.empty())
        return error_answer(404, fmt::format("there is no resource {}", path));
    ApiAnswer refusal = error_answer(405, fmt::format("{} takes {}, not {}", path, methods, request.method));
    refusal.allow = methods;
    return refusal;
}

} // namespace

ApiAnswer error_answer(unsigned status, std::string_view sentence) {
    return {.status = status, .allow = {}, .body = line_of(error_json(sentence))};
}

ApiAnswer answer(Gateway& gateway, const ApiRequest& request) noexcept {
    try {
        return dispatch(gateway, request);
    } catch (const std::exception& failure) {
        return error_answer(500, fmt::format("the gateway failed to answer: {}", failure.what()));
    }
}

} // namespace culvert::control
