#pragma once

#include "control/configuration/configuration.h"
#include "dataplane/dataplane.h"
#include "tun_bridge/bridge.h"
#include "tun_bridge/tun_device.h"

#include <boost/asio/io_context.hpp>
#include <expected>
#include <memory>
#include <string>
#include <vector>

namespace culvert::control {

/// The TUN devices, the bridge behind them, and the kernel's routes of peers' prefixes into them. All of it is
/// gone with this object, and also after a crash, since the devices are not persistent.
class NetworkInstances {
  public:
    /// The error is one sentence. `context` and `dataplane` outlive it.
    static std::expected<std::unique_ptr<NetworkInstances>, std::string>
    open(boost::asio::io_context& context, dataplane::Dataplane& dataplane, const Configuration& configuration);

    /// Routes wait for the end of the current turn of the loop, so that thousands go to the kernel together.
    void add_route(dataplane::InstanceId instance, const dataplane::Prefix& prefix);
    void remove_route(dataplane::InstanceId instance, const dataplane::Prefix& prefix);

    std::vector<tun_bridge::QueueFigures> figures() const { return bridge_->figures(); }
    const std::vector<TunSection>& sections() const { return sections_; }
    tun_bridge::TunOffloads offloads(dataplane::InstanceId instance) const {
        return devices_[raw(instance)]->offloads();
    }

  private:
    struct Change {
        dataplane::Prefix prefix;
        bool add;
    };
    NetworkInstances(boost::asio::io_context& context, std::vector<TunSection> sections)
        : context_(context), sections_(std::move(sections)), changes_(sections_.size()) {}
    std::expected<void, std::string> open_devices(const Configuration& configuration);
    std::expected<void, std::string> start_bridge(dataplane::Dataplane& dataplane);
    void change(dataplane::InstanceId instance, const Change& change);
    void apply();
    void apply(std::size_t instance);
    std::optional<dataplane::IpAddress> source(std::size_t instance, const dataplane::Prefix& prefix) const;

    boost::asio::io_context& context_;
    std::vector<TunSection> sections_;
    std::vector<std::unique_ptr<tun_bridge::TunDevice>> devices_;
    std::unique_ptr<tun_bridge::Bridge> bridge_;
    std::vector<std::vector<Change>> changes_; ///< by instance, in order
    bool due_ = false;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true); ///< a handler may run after our end
};

} // namespace culvert::control
