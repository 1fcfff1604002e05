#include "dataplane/waker.h"

#include <cerrno>
#include <cstdint>
#include <sys/eventfd.h>
#include <system_error>
#include <unistd.h>

namespace culvert::dataplane {

Waker::Waker() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    if (fd_ < 0)
        throw std::system_error(errno, std::generic_category(), "eventfd");
}

Waker::~Waker() {
    close(fd_);
}

void Waker::finish() noexcept {
    asleep_.store(false, std::memory_order_relaxed);
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t drained = read(fd_, &count, sizeof count); // EAGAIN: woken by something else
}

void Waker::write_once() noexcept {
    // Whoever lowers the flag writes; the others of a burst of producers go on. A write that comes after finish()
    // wakes the next sleep for nothing, which costs one round.
    if (!asleep_.exchange(false, std::memory_order_acq_rel))
        return;
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(fd_, &one, sizeof one);
}

} // namespace culvert::dataplane
