#pragma once

#include "control/api/server.h"

#include <utility> // before Asio: Boost 1.74 uses std::exchange in its coroutines without it

#include <boost/asio/local/stream_protocol.hpp>
#include <functional>
#include <memory>

namespace culvert::control {

/// What all connections of a server share. `open` is false once the server is gone: nothing else may be touched
/// then.
struct ApiSurroundings {
    Gateway* gateway = nullptr;
    EventFeed* events = nullptr;
    ApiSettings settings;
    bool open = true;
};

/// One client.
class ApiConnection {
  public:
    virtual ~ApiConnection() = default;
    virtual void close() = 0;

    /// Serves requests until the client goes, breaks a limit or is too slow; the connection keeps itself alive
    /// meanwhile. `ended` is called once, from the loop.
    static std::shared_ptr<ApiConnection> start(boost::asio::local::stream_protocol::socket socket,
                                                std::shared_ptr<ApiSurroundings> surroundings,
                                                std::function<void(ApiConnection*)> ended);
    /// Answers 503 without having read anything, and closes.
    static void turn_away(boost::asio::local::stream_protocol::socket socket);
};

} // namespace culvert::control
