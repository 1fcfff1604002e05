#pragma once

#include "control/api/event_feed.h"
#include "control/api/gateway.h"

#include <chrono>
#include <cstddef>
#include <expected>
#include <filesystem>
#include <memory>
#include <string>

namespace boost::asio {
class io_context;
}

namespace culvert::control {

/// Where the API listens, and what one client may cost.
struct ApiSettings {
    std::filesystem::path socket{};
    std::string group{};
    std::size_t max_connections = 64; ///< further ones are told to come back, and closed
    std::size_t max_followers = 16;   ///< of them, that follow events
    std::uint32_t max_header_bytes = 8192;
    std::size_t max_body_bytes = 65536;
    std::chrono::milliseconds request_time{
        10'000}; ///< for a whole request to come, from the connection or the last
    std::chrono::milliseconds answer_time{30'000}; ///< for an answer, or a batch of events, to be taken
};

/// HTTP/1.1 on a Unix socket. Everything runs on the loop's one thread; no client can hold it up.
class ApiServer {
  public:
    /// Listens at once. The gateway, the feed and the loop outlive the server. The error is one sentence.
    static std::expected<std::unique_ptr<ApiServer>, std::string>
    start(boost::asio::io_context& loop, Gateway& gateway, EventFeed& events, ApiSettings settings);
    /// Closes all connections and removes the socket. On the loop's thread, or when it has stopped.
    ~ApiServer();
    ApiServer(const ApiServer&) = delete;
    ApiServer& operator=(const ApiServer&) = delete;

    std::size_t connections() const;

  private:
    class Listener;
    explicit ApiServer(std::shared_ptr<Listener> listener);
    std::shared_ptr<Listener> listener_;
};

} // namespace culvert::control
