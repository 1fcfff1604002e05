#pragma once

#include "dataplane/dataplane.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>

namespace culvert::control {

/// Carries the workers' notices to the control thread, asleep on their waker while there are none.
class NoticePump {
  public:
    NoticePump(boost::asio::io_context& context, dataplane::Dataplane& dataplane,
               std::function<void(const dataplane::Notice&)> each);
    ~NoticePump();
    NoticePump(const NoticePump&) = delete;
    NoticePump& operator=(const NoticePump&) = delete;

  private:
    void pump();

    static constexpr int rounds_at_once = 16; ///< then others of the loop have their turn

    boost::asio::io_context& context_;
    dataplane::Dataplane& dataplane_;
    std::function<void(const dataplane::Notice&)> each_;
    boost::asio::posix::stream_descriptor waker_;
    std::shared_ptr<NoticePump*> alive_ = std::make_shared<NoticePump*>(this);
};

} // namespace culvert::control
