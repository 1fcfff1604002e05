#pragma once

#include "control/tunnels/surroundings.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <memory>
#include <string>

namespace culvert::control {

/// The system's resolver (files, DNS, what nsswitch.conf says). Lookups wait on a thread inside; answers come on
/// the thread that runs the io_context, IPv6 and IPv4 in the order of RFC 6724. After its end no answer comes any
/// more.
class NameResolver final : public Names {
  public:
    explicit NameResolver(boost::asio::io_context& io) : io_(io), resolver_(io) {}

    void resolve(const std::string& host, Resolved resolved) override;

  private:
    boost::asio::io_context& io_;
    boost::asio::ip::udp::resolver resolver_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true); ///< a handler may run after our end
};

} // namespace culvert::control
