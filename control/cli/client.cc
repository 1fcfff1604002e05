#include "control/cli/client.h"

#include <utility> // before Asio: Boost 1.74 uses std::exchange in its coroutines without it

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <chrono>
#include <exception>
#include <fmt/format.h>
#include <limits>

namespace culvert::control {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using Stream = beast::basic_stream<asio::local::stream_protocol>;

constexpr std::chrono::seconds patience{30};

/// One connection, request and answer. Throws boost::system::system_error.
class Exchange {
  public:
    explicit Exchange(asio::io_context& loop) : stream_(loop) { parser_.body_limit(boost::none); }

    asio::awaitable<void> send(const std::filesystem::path& socket, std::string_view method,
                               std::string_view target, std::string_view body) {
        stream_.expires_after(patience);
        co_await stream_.async_connect(asio::local::stream_protocol::endpoint(socket.native()),
                                       asio::use_awaitable);
        http::request<http::string_body> request;
        request.method_string({method.data(), method.size()});
        request.target({target.data(), target.size()});
        request.set(http::field::host, "culvert");
        request.set(http::field::user_agent, "culvertctl");
        request.keep_alive(false);
        if (!body.empty())
            request.set(http::field::content_type, "application/json");
        request.body() = body;
        request.prepare_payload();
        co_await http::async_write(stream_, request, asio::use_awaitable);
    }

    asio::awaitable<void> receive_all() {
        co_await http::async_read(stream_, buffer_, parser_, asio::use_awaitable);
    }

    asio::awaitable<void> receive_head() {
        co_await http::async_read_header(stream_, buffer_, parser_, asio::use_awaitable);
    }

    /// What has come of the body since the last call; empty at its end.
    asio::awaitable<std::string> receive_some() {
        stream_.expires_never();
        parser_.eager(false); // an eager one keeps a chunk to itself until the next has come
        while (!parser_.is_done() && parser_.get().body().empty())
            co_await http::async_read_some(stream_, buffer_, parser_, asio::use_awaitable);
        co_return std::exchange(parser_.get().body(), {});
    }

    unsigned status() const { return parser_.get().result_int(); }
    std::string take_body() { return std::move(parser_.get().body()); }

  private:
    Stream stream_;
    beast::flat_buffer buffer_;
    http::response_parser<http::string_body> parser_;
};

std::string nobody(const std::filesystem::path& socket, const boost::system::system_error& failure) {
    if (failure.code() == boost::system::errc::permission_denied)
        return fmt::format("{} may be opened by root and the socket's group only; use sudo, or join the group: "
                           "usermod -aG culvert USER",
                           socket.native());
    return fmt::format("no gateway answers on {} ({}); start one with: systemctl start culvertd, or: culvertd "
                       "--config FILE; another socket is named with --socket",
                       socket.native(), failure.code().message());
}

/// Runs a conversation to its end on a loop of its own; exceptions come out.
template <typename Conversation>
void run(asio::io_context& loop, Conversation conversation) {
    std::exception_ptr failure;
    asio::co_spawn(loop, std::move(conversation), [&](std::exception_ptr thrown) { failure = thrown; });
    loop.run();
    if (failure)
        std::rethrow_exception(failure);
}

} // namespace

std::expected<Reply, std::string> Client::request(std::string_view method, std::string_view target,
                                                  std::string_view body) const {
    asio::io_context loop;
    Exchange exchange(loop);
    try {
        run(loop, [&]() -> asio::awaitable<void> {
            co_await exchange.send(socket_, method, target, body);
            co_await exchange.receive_all();
        });
    } catch (const boost::system::system_error& failure) {
        return std::unexpected(nobody(socket_, failure));
    }
    return Reply{exchange.status(), exchange.take_body()};
}

std::expected<Reply, std::string> Client::follow(std::string_view target,
                                                 const std::function<bool(std::string_view line)>& each) const {
    asio::io_context loop;
    Exchange exchange(loop);
    std::string waiting;
    bool answered = false;
    bool refused = false;
    bool enough = false;
    try {
        run(loop, [&]() -> asio::awaitable<void> {
            co_await exchange.send(socket_, "GET", target, {});
            co_await exchange.receive_head();
            answered = true;
            refused = exchange.status() != 200;
            while (!enough) {
                const std::string more = co_await exchange.receive_some();
                waiting += more;
                if (more.empty())
                    break;
                for (std::size_t end; !refused && !enough && (end = waiting.find('\n')) != std::string::npos;) {
                    enough = !each(std::string_view(waiting).substr(0, end));
                    waiting.erase(0, end + 1);
                }
            }
        });
    } catch (const boost::system::system_error& failure) {
        if (!answered)
            return std::unexpected(nobody(socket_, failure));
    }
    if (!refused && !enough)
        return std::unexpected(fmt::format("the gateway on {} has gone", socket_.native()));
    return Reply{exchange.status(), std::move(waiting)};
}

} // namespace culvert::control
