#include "dataplane/idler.h"

#include <ctime>
#include <sys/socket.h>

namespace culvert::dataplane {
namespace {

/// An upper bound, so that a driver whose descriptor says nothing costs delay but not the traffic.
constexpr int longest_wait_ms = 100;

} // namespace

Idler::Idler(Idle policy, std::uint32_t sleep_microseconds, std::span<const int> descriptors)
    : policy_(policy), sleep_microseconds_(sleep_microseconds) {
    polled_.push_back({waker_.fd(), POLLIN, 0});
    for (const int fd : descriptors)
        polled_.push_back({fd, POLLIN, 0});
}

void Idler::nap() const noexcept {
    const timespec duration{0, static_cast<long>(sleep_microseconds_) * 1000};
    nanosleep(&duration, nullptr);
}

/// A socket whose interface went down, or a tap that was removed, is readable for ever after with an error.
void Idler::clear_error(pollfd& polled) noexcept {
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(polled.fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
        polled.fd = -1; // no socket: poll() passes it over from now on
}

void Idler::wait() noexcept {
    if (poll(polled_.data(), polled_.size(), longest_wait_ms) <= 0)
        return;
    for (pollfd& polled : polled_)
        if ((polled.revents & (POLLERR | POLLNVAL | POLLHUP)) != 0) [[unlikely]]
            clear_error(polled);
}

} // namespace culvert::dataplane
