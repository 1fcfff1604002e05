#include "control/daemon/log.h"

#include <cstdlib>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

namespace culvert::control {

void start_log() {
    auto logger = spdlog::stderr_color_mt("culvertd");
    const bool journal = std::getenv("JOURNAL_STREAM") != nullptr;
    logger->set_pattern(journal ? "%l: %v" : "%Y-%m-%dT%H:%M:%S.%e %l: %v");
    logger->flush_on(spdlog::level::info);
    spdlog::set_default_logger(std::move(logger));
}

void set_log_level(const std::string& level) {
    spdlog::set_level(spdlog::level::from_str(level));
}

void log_event(const Event& event) {
    const bool bad = event.kind == Event::Kind::handshake_failed || event.kind == Event::Kind::handshake_refused ||
                     event.kind == Event::Kind::session_down || event.kind == Event::Kind::tunnel_down ||
                     event.kind == Event::Kind::certificate;
    const bool detail = event.kind == Event::Kind::connecting || event.kind == Event::Kind::path_mtu;
    const auto level = bad ? spdlog::level::warn : detail ? spdlog::level::debug : spdlog::level::info;
    if (event.peer.empty())
        spdlog::log(level, "{}: {}", name(event.kind), event.text);
    else
        spdlog::log(level, "{} {}: {}", event.peer, name(event.kind), event.text);
}

} // namespace culvert::control
