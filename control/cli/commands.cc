#include "control/cli/commands.h"

#include "control/cli/show.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fmt/format.h>
#include <iostream>
#include <nlohmann/json.hpp>

namespace culvert::control {
namespace {

int complain(int code, std::string_view sentence) {
    std::cout.flush();
    std::cerr << "culvertctl: " << sentence << '\n';
    return code;
}

/// The gateway's sentence from {"error": "…"}.
std::string refusal_of(const Reply& reply) {
    const Json document = Json::parse(reply.body, nullptr, false);
    if (document.is_object() && document.contains("error") && document["error"].is_string())
        return document["error"].get<std::string>();
    return fmt::format("the gateway answered with HTTP status {}", reply.status);
}

using Answered = std::expected<Reply, std::string>;

/// Passes a good reply on to `use`, which returns the exit code; says what is wrong with any other.
template <typename Use>
int with(const Answered& reply, Printing printing, Use use) {
    if (!reply)
        return complain(exit_code::no_gateway, reply.error());
    if (!reply->good()) {
        if (printing.json)
            std::cout << reply->body;
        return complain(exit_code::refused, refusal_of(*reply));
    }
    try {
        return use(*reply);
    } catch (const Json::exception&) {
        return complain(exit_code::refused,
                        "the gateway's answer is of a kind that this culvertctl does not know; "
                        "is it of another version?");
    }
}

/// What a change has brought about, a line each.
int print_deeds(const Answered& reply, Printing printing) {
    return with(reply, printing, [&](const Reply& good) {
        if (printing.json) {
            std::cout << good.body;
            return exit_code::good;
        }
        const Json document = Json::parse(good.body);
        for (const auto& deed : document.at("done"))
            std::cout << deed.get<std::string>() << '\n';
        if (document.at("done").empty())
            std::cout << "nothing to change\n";
        return exit_code::good;
    });
}

int show_all(const Client& client, Printing printing) {
    return with(client.request("GET", "/v1/status"), printing, [&](const Reply& gateway) {
        return with(client.request("GET", "/v1/peers"), printing, [&](const Reply& list) {
            const Json status = Json::parse(gateway.body);
            Json peers = Json::parse(list.body);
            if (printing.json)
                std::cout << Json{{"status", status}, {"peers", std::move(peers.at("peers"))}}.dump() << '\n';
            else
                std::cout << show_overview(status, peers);
            return exit_code::good;
        });
    });
}

std::string body_of(const PeerArguments& peer) {
    Json body{{"name", peer.name}};
    for (const auto& [key, text] : peer.texts)
        body[key] = text.empty() ? Json(nullptr) : Json(text);
    if (const auto file = peer.texts.find("psk_file"); file != peer.texts.end() && !file->second.empty())
        body["psk_file"] = std::filesystem::absolute(file->second).lexically_normal().string();
    for (const auto& [key, list] : peer.lists)
        body[key] = list;
    for (const auto& [key, text] : peer.numbers) {
        const Json number = Json::parse(text, nullptr, false);
        body[key] = text.empty() ? Json(nullptr) : number.is_number_integer() ? number : Json(text);
    }
    return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// A name as one segment of a path (RFC 3986 §3.3); the gateway's own names never need more.
std::string segment(const std::string& name) {
    std::string text;
    for (const unsigned char c : name)
        text += std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_' ? std::string(1, static_cast<char>(c))
                                                                         : fmt::format("%{:02X}", unsigned{c});
    return text;
}

} // namespace

int show(const Client& client, const std::string& what, Printing printing) {
    if (what.empty())
        return show_all(client, printing);
    const auto wanted = std::ranges::find(shown(), what, &Shown::name);
    if (wanted == shown().end())
        return complain(exit_code::usage, fmt::format("there is no \"{}\" to show", what));
    return with(client.request("GET", wanted->target), printing, [&](const Reply& reply) {
        std::cout << (printing.json ? reply.body : wanted->text(Json::parse(reply.body), printing.all));
        return exit_code::good;
    });
}

int add_peer(const Client& client, const PeerArguments& peer, Printing printing) {
    return print_deeds(client.request("POST", "/v1/peers", body_of(peer)), printing);
}

int set_peer(const Client& client, const PeerArguments& peer, Printing printing) {
    return print_deeds(client.request("PUT", "/v1/peers/" + segment(peer.name), body_of(peer)), printing);
}

int remove_peer(const Client& client, const std::string& name, Printing printing) {
    return print_deeds(client.request("DELETE", "/v1/peers/" + segment(name)), printing);
}

int reload(const Client& client, Printing printing) {
    return print_deeds(client.request("POST", "/v1/reload"), printing);
}

int follow_events(const Client& client, Printing printing) {
    const auto print = [&](std::string_view line) {
        if (printing.json)
            std::cout << line << '\n';
        else if (const Json event = Json::parse(line, nullptr, false); !event.is_discarded())
            std::cout << show_event(event);
        std::cout.flush();
        return std::cout.good(); // false: the reader of a pipe has gone
    };
    return with(client.follow("/v1/events", print), printing, [](const Reply&) { return exit_code::good; });
}

} // namespace culvert::control
