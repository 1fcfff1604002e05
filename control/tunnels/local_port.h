#pragma once

#include "control/tunnels/surroundings.h"
#include "dataplane/dataplane.h"

#include <memory>
#include <utility>

namespace culvert::control {

/// A UDP port that this end initiates from: held in the kernel, listened to by the dataplane. Shared by a
/// handshake and the session that comes of it; gone with the last of them.
class LocalPort {
  public:
    static std::expected<std::shared_ptr<LocalPort>, std::string>
    open(LocalPorts& ports, dataplane::Dataplane& dataplane, dataplane::FormatId format) {
        auto held = ports.hold_any();
        if (!held)
            return std::unexpected(held.error());
        return std::make_shared<LocalPort>(std::move(*held), dataplane, format);
    }

    LocalPort(std::unique_ptr<HeldPort> held, dataplane::Dataplane& dataplane, dataplane::FormatId format)
        : held_(std::move(held)), dataplane_(dataplane) {
        dataplane_.listen(number(), format);
    }
    ~LocalPort() { dataplane_.unlisten(number()); }
    LocalPort(const LocalPort&) = delete;
    LocalPort& operator=(const LocalPort&) = delete;

    std::uint16_t number() const { return held_->number(); }

  private:
    std::unique_ptr<HeldPort> held_;
    dataplane::Dataplane& dataplane_;
};

} // namespace culvert::control
