#pragma once

#include "control/api/event_feed.h"
#include "control/api/gateway.h"
#include "control/api/server.h"
#include "control/configuration/configuration.h"
#include "control/configuration/credentials.h"
#include "control/configuration/difference.h"
#include "control/daemon/listeners.h"
#include "control/daemon/network_instances.h"
#include "control/daemon/outer_ports.h"
#include "control/kernel/kernel_events.h"
#include "control/kernel/name_resolver.h"
#include "control/kernel/next_hops.h"
#include "control/kernel/port_holder.h"
#include "control/tunnels/tunnels.h"
#include "dataplane/dataplane.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <expected>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace culvert::control {

/// A running gateway: everything put together, on one control thread. Members are made in order and unmade in the
/// opposite one.
class Daemon final : public Gateway {
  public:
    /// Starts all of it. The error is one sentence; what had been started is undone.
    static std::expected<std::unique_ptr<Daemon>, std::string> start(const std::filesystem::path& file,
                                                                     const Configuration& configuration);
    /// Until SIGTERM or SIGINT; says goodbye to the peers before it returns. SIGHUP reloads.
    void run();

    // --- Gateway
    GatewayStatus status() const override;
    std::vector<PeerStatus> peers() const override;
    std::vector<dataplane::PortFigures> ports() const override;
    std::vector<dataplane::WorkerFigures> workers() const override;
    std::vector<RouteStatus> routes() const override;
    std::vector<BridgeStatus> bridge() const override;
    std::expected<Deeds, Refusal> add_peer(const nlohmann::json& keys) override;
    std::expected<Deeds, Refusal> change_peer(const std::string& name, const nlohmann::json& changes) override;
    std::expected<Deeds, Refusal> remove_peer(const std::string& name) override;
    std::expected<Deeds, Refusal> reload() override;

  private:
    Daemon(const std::filesystem::path& file, const Configuration& configuration)
        : file_(file), configuration_(configuration), context_(1), signals_(context_),
          certificate_timer_(context_) {}
    std::expected<void, std::string> open();
    std::expected<void, std::string> clear_leftovers();
    std::expected<void, std::string> open_paths();
    std::expected<void, std::string> open_tunnels();
    std::expected<void, std::string> read_certificate_files();
    void await_signal();
    void stop();
    void watch_certificate();
    std::expected<Deeds, Refusal> apply(const Configuration& next, const Difference& difference);
    std::expected<void, std::string> open_listens(const Difference& difference);

    std::filesystem::path file_;
    Configuration configuration_; ///< as it is in force, peers added by hand included
    std::optional<CertificateFacts> certificate_;
    std::chrono::system_clock::time_point since_ = std::chrono::system_clock::now();
    std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
    bool stopping_ = false;

    boost::asio::io_context context_;
    boost::asio::signal_set signals_;
    boost::asio::steady_timer certificate_timer_;
    EventFeed events_;
    std::unique_ptr<dataplane::Dataplane> dataplane_;
    std::unique_ptr<NetworkInstances> instances_;
    std::optional<OuterPorts> outer_ports_;
    std::optional<Listeners> listeners_;
    std::unique_ptr<NextHops> paths_;
    std::unique_ptr<KernelEvents> kernel_events_;
    std::optional<NameResolver> names_;
    LocalPortHolders local_ports_;
    std::unique_ptr<Tunnels> tunnels_;
    std::unique_ptr<ApiServer> api_;
};

} // namespace culvert::control
