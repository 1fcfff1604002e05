#include <utility>

#include "control/tunnels/notice_pump.h"

#include <boost/asio/post.hpp>
#include <cerrno>
#include <fcntl.h>
#include <system_error>

namespace culvert::control {

namespace {

/// Asio closes what it is given; the waker keeps its own.
int copy_of(int descriptor) {
    const int copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        throw std::system_error(errno, std::generic_category(), "duplicating the notices' descriptor");
    return copy;
}

} // namespace

NoticePump::NoticePump(boost::asio::io_context& context, dataplane::Dataplane& dataplane,
                       std::function<void(const dataplane::Notice&)> each)
    : context_(context), dataplane_(dataplane), each_(std::move(each)),
      waker_(context, copy_of(dataplane.notices_waker().fd())) {
    pump();
}

NoticePump::~NoticePump() = default;

void NoticePump::pump() {
    const auto again = [alive = std::weak_ptr(alive_)](auto&&...) {
        if (const auto pump = alive.lock()) {
            (*pump)->dataplane_.notices_waker().finish();
            (*pump)->pump();
        }
    };
    for (int round = 0; round < rounds_at_once; ++round) {
        if (dataplane_.poll_notices(each_) != 0)
            continue;
        dataplane_.notices_waker().prepare();
        if (dataplane_.poll_notices(each_) == 0) {
            waker_.async_wait(boost::asio::posix::descriptor_base::wait_read, again);
            return;
        }
        dataplane_.notices_waker().finish();
    }
    boost::asio::post(context_, again);
}

} // namespace culvert::control
