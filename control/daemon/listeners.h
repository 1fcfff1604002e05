#pragma once

#include "control/configuration/configuration.h"
#include "control/kernel/port_holder.h"
#include "dataplane/dataplane.h"

#include <expected>
#include <map>
#include <string>
#include <vector>

namespace culvert::control {

/// The UDP ports that [[listen]] names: held in the kernel, and known to the workers.
class Listeners {
  public:
    explicit Listeners(dataplane::Dataplane& dataplane) : dataplane_(dataplane) {}
    ~Listeners();
    Listeners(const Listeners&) = delete;
    Listeners& operator=(const Listeners&) = delete;

    /// The error is one sentence, and nothing has changed then.
    std::expected<void, std::string> add(const ListenSection& section);
    void remove(const ListenSection& section);
    std::vector<std::string> texts() const; ///< "dtls 4433"

  private:
    struct Held {
        std::string format;
        PortHolder holder;
    };
    dataplane::Dataplane& dataplane_;
    std::map<std::uint16_t, Held> held_;
};

} // namespace culvert::control
