#include "control/api/connection.h"

#include "control/api/resources.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/chunk_encode.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

namespace culvert::control {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using Socket = asio::local::stream_protocol::socket;
using boost::system::error_code;

/// co_await with the error in `error` instead of an exception.
auto into(error_code& error) {
    return asio::redirect_error(asio::use_awaitable, error);
}

template <typename Body>
void set_common_fields(http::response<Body>& response, const ApiAnswer& answer) {
    response.set(http::field::server, "culvert");
    response.set(http::field::content_type, answer.content_type);
    response.set(http::field::cache_control, "no-store");
    if (!answer.allow.empty())
        response.set(http::field::allow, answer.allow);
}

/// What to tell a client whose request could not be read; status 0: nothing, it is gone or too slow.
ApiAnswer answer_to_broken(error_code error) {
    if (error == http::error::body_limit)
        return error_answer(413, "the request's body is too long");
    if (error == http::error::header_limit || error == http::error::buffer_overflow)
        return error_answer(431, "the request's header is too long");
    if (error == http::error::partial_message || error == http::error::end_of_stream ||
        error.category() != make_error_code(http::error::bad_method).category())
        return {.status = 0, .allow = {}, .body = {}};
    return error_answer(400, "the request is not HTTP/1.1");
}

class Connection final : public ApiConnection, public std::enable_shared_from_this<Connection> {
  public:
    Connection(Socket socket, std::shared_ptr<ApiSurroundings> surroundings,
               std::function<void(ApiConnection*)> ended)
        : surroundings_(std::move(surroundings)), ended_(std::move(ended)), stream_(std::move(socket)),
          arrival_(stream_.get_executor()),
          buffer_(surroundings_->settings.max_header_bytes + std::size_t{16384}) {}
    ~Connection() override {
        if (surroundings_->open)
            ended_(this);
    }

    void close() override {
        stream_.close();
        arrival_.cancel();
    }

    asio::awaitable<void> serve() {
        bool more = true;
        while (more) // g++ 12 miscompiles a co_await behind && in a loop's condition
            more = co_await serve_one();
        finish();
    }

  private:
    /// False: the connection ends.
    asio::awaitable<bool> serve_one() {
        http::request_parser<http::string_body> parser;
        parser.header_limit(surroundings_->settings.max_header_bytes);
        parser.body_limit(surroundings_->settings.max_body_bytes);
        error_code error;
        stream_.expires_after(surroundings_->settings.request_time);
        co_await http::async_read(stream_, buffer_, parser, into(error));
        if (!surroundings_->open)
            co_return false;
        if (error) {
            const ApiAnswer refusal = answer_to_broken(error);
            if (refusal.status != 0)
                co_await send(refusal, 11, false);
            co_return false;
        }
        const auto& request = parser.get();
        const auto view = [](beast::string_view text) { return std::string_view(text.data(), text.size()); };
        const ApiAnswer reply = answer(*surroundings_->gateway,
                                       {view(request.method_string()), view(request.target()), request.body()});
        if (reply.follows_events) {
            co_await follow(reply, request.version());
            co_return false;
        }
        co_return co_await send(reply, request.version(), request.keep_alive());
    }

    asio::awaitable<bool> send(const ApiAnswer& answer, unsigned version, bool keep_alive) {
        http::response<http::string_body> response{static_cast<http::status>(answer.status), version};
        set_common_fields(response, answer);
        response.keep_alive(keep_alive);
        response.body() = answer.body;
        response.prepare_payload();
        error_code error;
        stream_.expires_after(surroundings_->settings.answer_time);
        co_await http::async_write(stream_, response, into(error));
        co_return !error && keep_alive;
    }

    /// Why nobody more can follow; status 0: all is well.
    ApiAnswer refusal_to_follow(unsigned version) const {
        if (version < 11) // chunks are HTTP/1.1's, RFC 9112 §7.1
            return error_answer(505, "events are followed by HTTP/1.1");
        if (surroundings_->events->followers() >= surroundings_->settings.max_followers)
            return error_answer(503, "too many clients follow events");
        return {.status = 0, .allow = {}, .body = {}};
    }

    asio::awaitable<void> follow(const ApiAnswer& answer, unsigned version) {
        const ApiAnswer refusal = refusal_to_follow(version);
        if (refusal.status != 0) {
            co_await send(refusal, version, false);
            co_return;
        }
        const auto subscription = surroundings_->events->subscribe();
        subscription->on_arrival([this] { arrival_.cancel(); });
        http::response<http::empty_body> response{http::status::ok, 11};
        set_common_fields(response, answer);
        response.keep_alive(false);
        response.chunked(true);
        error_code error;
        stream_.expires_after(surroundings_->settings.answer_time);
        http::response_serializer<http::empty_body> head{response};
        co_await http::async_write_header(stream_, head, into(error));
        asio::co_spawn(stream_.get_executor(), watch_for_end(shared_from_this()), asio::detached);
        while (!error && surroundings_->open && stream_.socket().is_open()) {
            if (subscription->empty()) {
                arrival_.expires_at(asio::steady_timer::time_point::max());
                error_code woken; // always operation_aborted: an event, or the end
                co_await arrival_.async_wait(into(woken));
                continue;
            }
            const std::string lines = subscription->take();
            stream_.expires_after(surroundings_->settings.answer_time);
            co_await asio::async_write(stream_, http::make_chunk(asio::buffer(lines)), into(error));
        }
        subscription->on_arrival({});
    }

    /// A follower sends nothing more: whatever comes is its end. Reads past the stream, whose deadline is for
    /// writing.
    static asio::awaitable<void> watch_for_end(std::shared_ptr<Connection> self) {
        error_code error;
        std::array<char, 64> ignored;
        while (!error && self->stream_.socket().is_open())
            co_await self->stream_.socket().async_read_some(asio::buffer(ignored), into(error));
        if (self->surroundings_->open)
            self->close();
    }

    /// Lets what has been sent reach the client before the socket goes.
    void finish() {
        error_code ignored;
        stream_.socket().shutdown(Socket::shutdown_send, ignored);
        close();
    }

    std::shared_ptr<ApiSurroundings> surroundings_;
    std::function<void(ApiConnection*)> ended_;
    beast::basic_stream<asio::local::stream_protocol> stream_;
    asio::steady_timer arrival_; ///< never expires; cancelled when an event has come
    beast::flat_buffer buffer_;
};

} // namespace

std::shared_ptr<ApiConnection> ApiConnection::start(Socket socket, std::shared_ptr<ApiSurroundings> surroundings,
                                                    std::function<void(ApiConnection*)> ended) {
    const auto executor = socket.get_executor();
    auto connection = std::make_shared<Connection>(std::move(socket), std::move(surroundings), std::move(ended));
    asio::co_spawn(
        executor, [connection]() -> asio::awaitable<void> { return connection->serve(); }, asio::detached);
    return connection;
}

void ApiConnection::turn_away(Socket socket) {
    const ApiAnswer refusal = error_answer(503, "the gateway serves too many clients at the moment");
    http::response<http::string_body> response{http::status::service_unavailable, 11};
    set_common_fields(response, refusal);
    response.keep_alive(false);
    response.body() = refusal.body;
    response.prepare_payload();
    error_code ignored;
    socket.non_blocking(true, ignored);
    http::write(socket, response, ignored); // fits a fresh socket's buffer
}

} // namespace culvert::control
