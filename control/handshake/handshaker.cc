#include "control/handshake/handshaker.h"

#include "control/handshake/exchanges.h"

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <unistd.h>

namespace culvert::control {
namespace asio = boost::asio;
namespace {

using Clock = std::chrono::steady_clock;

constexpr unsigned max_queued = 1024; ///< datagrams between deliver() and the thread
constexpr int rounds_in_a_row = 8;    ///< of polling, before timers and calls have their turn

std::shared_ptr<const DtlsContext> context_or_throw(const HandshakeSettings& settings) {
    auto context = DtlsContext::make(nullptr, settings.algorithms);
    if (!context)
        throw std::runtime_error(context.error());
    return std::make_shared<const DtlsContext>(std::move(*context));
}

} // namespace

class Handshaker::Thread {
  public:
    Thread(HandshakeOutputs outputs, const HandshakeSettings& settings)
        : settings_(settings), exchanges_(std::move(outputs), settings, Clock::now()) {
        exchanges_.use(context_or_throw(settings));
        thread_ = std::thread([this] { io_.run(); });
    }

    void stop() {
        io_.stop();
        if (thread_.joinable())
            thread_.join();
        if (dataplane_ != nullptr)
            dataplane_->strangers_waker().finish();
        dataplane_ = nullptr;
    }

    /// Runs `work` with the exchanges on the thread, in the order of the calls.
    template <typename Work>
    void post(Work work) {
        asio::post(io_, [this, work = std::move(work)]() mutable {
            work(exchanges_);
            settle();
        });
    }

    void deliver(const dataplane::Datagram& datagram) {
        if (queued_.fetch_add(1, std::memory_order_relaxed) >= max_queued) {
            queued_.fetch_sub(1, std::memory_order_relaxed);
            overflowed_.fetch_add(1, std::memory_order_relaxed);
            return;
        }
        post([this, copy = datagram,
              bytes = Bytes(datagram.payload.begin(), datagram.payload.end())](Exchanges& exchanges) mutable {
            queued_.fetch_sub(1, std::memory_order_relaxed);
            copy.payload = bytes;
            exchanges.receive(copy, Clock::now());
        });
    }

    void attach(dataplane::Dataplane& dataplane) {
        asio::post(io_, [this, &dataplane] {
            dataplane_ = &dataplane;
            // A descriptor of our own for the same eventfd: asio closes what it watches.
            strangers_.emplace(io_, ::dup(dataplane.strangers_waker().fd()));
            read_strangers();
        });
    }

    const HandshakeSettings& settings() const { return settings_; }

    HandshakeFigures figures() const {
        const std::lock_guard lock(mutex_);
        HandshakeFigures figures = figures_;
        figures.overflowed = overflowed_.load(std::memory_order_relaxed);
        return figures;
    }

  private:
    /// After each change: the timer for the next deadline, the figures for whoever asks.
    void settle() {
        {
            const std::lock_guard lock(mutex_);
            figures_ = exchanges_.figures();
        }
        const auto deadline = exchanges_.deadline();
        if (deadline == armed_)
            return;
        armed_ = deadline;
        timer_.cancel();
        if (deadline == Clock::time_point::max())
            return;
        timer_.expires_at(deadline);
        timer_.async_wait([this](const boost::system::error_code& error) {
            if (error)
                return;
            armed_.reset();
            exchanges_.expire(Clock::now());
            settle();
        });
    }

    std::size_t poll_strangers() {
        return dataplane_->poll_strangers(
            [this](const dataplane::Datagram& datagram) { exchanges_.receive(datagram, Clock::now()); });
    }

    void read_strangers() {
        bool more = true;
        for (int round = 0; more && round < rounds_in_a_row; ++round)
            more = poll_strangers() != 0;
        if (!more)
            more = !sleep_on_strangers();
        settle();
        if (more)
            asio::post(io_, [this] { read_strangers(); });
    }

    /// False when something came in the meantime.
    bool sleep_on_strangers() {
        dataplane::Waker& waker = dataplane_->strangers_waker();
        waker.prepare();
        if (poll_strangers() != 0) {
            waker.finish();
            return false;
        }
        strangers_->async_wait(asio::posix::descriptor_base::wait_read,
                               [this, &waker](const boost::system::error_code& error) {
                                   if (error)
                                       return;
                                   waker.finish();
                                   read_strangers();
                               });
        return true;
    }

    HandshakeSettings settings_;
    asio::io_context io_{1};
    asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(io_);
    asio::steady_timer timer_{io_};
    std::optional<Clock::time_point> armed_;
    std::optional<asio::posix::stream_descriptor> strangers_;
    dataplane::Dataplane* dataplane_ = nullptr;
    Exchanges exchanges_;
    std::atomic<unsigned> queued_{0};
    std::atomic<std::uint64_t> overflowed_{0};
    mutable std::mutex mutex_;
    HandshakeFigures figures_; ///< under mutex_
    std::thread thread_;
};

Handshaker::Handshaker(HandshakeOutputs outputs, HandshakeSettings settings)
    : thread_(std::make_unique<Thread>(std::move(outputs), settings)) {}

Handshaker::~Handshaker() {
    stop();
}

void Handshaker::stop() {
    thread_->stop();
}

std::expected<void, std::string> Handshaker::set_own_credentials(const OwnCredentials& own) {
    const bool psk_only = own.certificate_chain.empty() && own.private_key.empty();
    auto certificate = psk_only ? CertifiedKey{} : read_certified_key(own);
    if (!certificate)
        return std::unexpected(certificate.error());
    auto context = DtlsContext::make(psk_only ? nullptr : &*certificate, thread_->settings().algorithms);
    if (!context)
        return std::unexpected(context.error());
    thread_->post([context = std::make_shared<const DtlsContext>(std::move(*context))](Exchanges& exchanges) {
        exchanges.use(context);
    });
    return {};
}

void Handshaker::set_peers(std::vector<PeerCredentials> peers) {
    thread_->post(
        [peers = std::move(peers)](Exchanges& exchanges) mutable { exchanges.set_peers(std::move(peers)); });
}

void Handshaker::set_peer(PeerCredentials peer) {
    thread_->post([peer = std::move(peer)](Exchanges& exchanges) mutable { exchanges.set_peer(std::move(peer)); });
}

void Handshaker::remove_peer(PeerHandle peer) {
    thread_->post([peer](Exchanges& exchanges) { exchanges.remove_peer(peer); });
}

void Handshaker::initiate(AttemptId attempt, PeerHandle peer, dataplane::PortId port, dataplane::WorkerId worker,
                          const dataplane::Endpoint& local, const dataplane::Endpoint& remote) {
    thread_->post([=, tuple = UdpTuple{.local = local, .remote = remote}](Exchanges& exchanges) {
        exchanges.initiate(attempt, peer, port, worker, tuple, Clock::now());
    });
}

void Handshaker::cancel(AttemptId attempt) {
    thread_->post([attempt](Exchanges& exchanges) { exchanges.cancel(attempt); });
}

void Handshaker::deliver(const dataplane::Datagram& datagram) {
    thread_->deliver(datagram);
}

void Handshaker::attach(dataplane::Dataplane& dataplane) {
    thread_->attach(dataplane);
}

HandshakeFigures Handshaker::figures() const {
    return thread_->figures();
}

} // namespace culvert::control
