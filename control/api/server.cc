#include "control/api/server.h"

#include "control/api/connection.h"
#include "control/api/unix_socket.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <unordered_map>

namespace culvert::control {
namespace {

namespace asio = boost::asio;
using Protocol = asio::local::stream_protocol;
using boost::system::error_code;

} // namespace

/// The acceptor and its connections. Outlives the server for as long as its coroutine is suspended.
class ApiServer::Listener : public std::enable_shared_from_this<Listener> {
  public:
    Listener(asio::io_context& loop, UnixListener socket, std::shared_ptr<ApiSurroundings> surroundings)
        : socket_(std::move(socket)), surroundings_(std::move(surroundings)),
          acceptor_(loop, Protocol(), socket_->release()), pause_(loop) {}

    asio::awaitable<void> accept() {
        while (surroundings_->open) {
            error_code error;
            Protocol::socket client =
                co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
            if (!surroundings_->open)
                co_return;
            if (error) { // out of descriptors: the backlog waits, this thread doesn't spin
                pause_.expires_after(std::chrono::milliseconds(100));
                co_await pause_.async_wait(asio::redirect_error(asio::use_awaitable, error));
            } else if (connections_.size() >= surroundings_->settings.max_connections) {
                ApiConnection::turn_away(std::move(client));
            } else {
                add(std::move(client));
            }
        }
    }

    void close() {
        surroundings_->open = false;
        error_code ignored;
        acceptor_.close(ignored);
        pause_.cancel();
        for (const auto& [key, weak] : std::exchange(connections_, {}))
            if (const auto connection = weak.lock())
                connection->close();
        socket_.reset();
    }

    std::size_t connections() const { return connections_.size(); }

  private:
    void add(Protocol::socket client) {
        auto connection = ApiConnection::start(std::move(client), surroundings_,
                                               [this](ApiConnection* ended) { connections_.erase(ended); });
        connections_.emplace(connection.get(), connection);
    }

    std::optional<UnixListener> socket_;
    std::shared_ptr<ApiSurroundings> surroundings_;
    Protocol::acceptor acceptor_;
    asio::steady_timer pause_;
    std::unordered_map<ApiConnection*, std::weak_ptr<ApiConnection>> connections_;
};

std::expected<std::unique_ptr<ApiServer>, std::string> ApiServer::start(asio::io_context& loop, Gateway& gateway,
                                                                        EventFeed& events, ApiSettings settings) {
    auto socket = UnixListener::bind(settings.socket, settings.group);
    if (!socket)
        return std::unexpected(socket.error());
    auto surroundings = std::make_shared<ApiSurroundings>(ApiSurroundings{&gateway, &events, std::move(settings)});
    auto listener = std::make_shared<Listener>(loop, std::move(*socket), std::move(surroundings));
    asio::co_spawn(loop, [listener]() -> asio::awaitable<void> { return listener->accept(); }, asio::detached);
    return std::unique_ptr<ApiServer>(new ApiServer(std::move(listener)));
}

ApiServer::ApiServer(std::shared_ptr<Listener> listener) : listener_(std::move(listener)) {}

ApiServer::~ApiServer() {
    listener_->close();
}

std::size_t ApiServer::connections() const {
    return listener_->connections();
}

} // namespace culvert::control
