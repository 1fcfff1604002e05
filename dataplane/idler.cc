#include "dataplane/idler.h"

#include <ctime>

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

void Idler::wait() noexcept {
    poll(polled_.data(), polled_.size(), longest_wait_ms);
}

} // namespace culvert::dataplane
