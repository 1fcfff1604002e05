#pragma once

#include "control/kernel/route_lookup.h"

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>

namespace culvert::control {

/// Tells what changes in the kernel's tables of this network namespace, on the thread that runs the io_context.
class KernelEvents {
  public:
    struct Listeners {
        std::function<void(const Neighbour&)> neighbour; ///< a new state of this neighbour
        std::function<void()>
            routing; ///< routes, addresses or links; or events were lost: look at everything again
    };

    /// Error: a sentence.
    static std::expected<std::unique_ptr<KernelEvents>, std::string> open(boost::asio::io_context& io,
                                                                          Listeners listeners);
    KernelEvents(boost::asio::io_context& io, int descriptor, Listeners listeners);
    KernelEvents(const KernelEvents&) = delete;
    KernelEvents& operator=(const KernelEvents&) = delete;

  private:
    void wait();
    void read();
    void sort(const nlmsghdr& message, bool& routing) const;

    boost::asio::posix::stream_descriptor descriptor_;
    Listeners listeners_;
    alignas(nlmsghdr) std::array<std::uint8_t, 32768> buffer_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true); ///< a handler may run after our end
};

} // namespace culvert::control
