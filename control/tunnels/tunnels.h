#pragma once

#include "control/configuration/configuration.h"
#include "control/handshake/handshake.h"
#include "control/handshake/handshaker.h"
#include "control/tunnels/status.h"
#include "control/tunnels/surroundings.h"
#include "control/tunnels/timing.h"
#include "dataplane/dataplane.h"

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace culvert::control {

struct TunnelsSettings {
    dataplane::FormatId format{};  ///< of the wire format `dtls`
    std::vector<std::string> tuns; ///< names of the [[tun]]s in order: row i is InstanceId{i}
    std::uint16_t handshake_threads = 1;
    HandshakeSettings handshakes;
    Timing timing;
};

/// All peers: brings their sessions up, keeps them alive, rekeys them and ends them, as docs/wire-format-dtls.md
/// says.
///
/// Lives on the thread that runs `context`; every method and every callback is on it. `context`, `dataplane`,
/// `paths`, `names` and `ports` outlive it. Its destructor ends the handshake threads and forgets the peers
/// without a word to them; shut_down() says goodbye first.
class Tunnels {
  public:
    Tunnels(boost::asio::io_context& context, dataplane::Dataplane& dataplane, Paths& paths, Names& names,
            LocalPorts& ports, TunnelsSettings settings);
    ~Tunnels();
    Tunnels(const Tunnels&) = delete;
    Tunnels& operator=(const Tunnels&) = delete;

    /// Told of everything that happens. Call before the first peer is added.
    void on_event(std::function<void(const Event&)> told);

    /// The daemon's part in routes: a peer's prefixes are to lead into its network instance, or no longer.
    struct KernelRoutes {
        std::function<void(dataplane::InstanceId, const dataplane::Prefix&)> add, remove;
    };
    void on_routes(KernelRoutes routes);

    /// Certificate and key of this gateway for handshakes from now on; no session is cut. One sentence on error.
    std::expected<void, std::string> set_own_credentials(const OwnCredentials& own);

    /// The error is one sentence, and nothing has changed then: the name is taken, the PSK file cannot be read, …
    std::expected<void, std::string> add_peer(const PeerSection& section);
    /// What differs from before is applied: credentials that hold no longer end its sessions, another endpoint is
    /// used for the next handshake, all else without cutting anything. The PSK file is read again.
    std::expected<void, std::string> change_peer(const PeerSection& section);
    /// Says DISCONNECT; routes and sources are gone when it returns, the sessions shortly after.
    std::expected<void, std::string> remove_peer(std::string_view name);

    /// Makes the peers those of a new configuration, and touches none that stays as it is. The error is one
    /// sentence, and nothing has changed then.
    std::expected<void, std::string> set_peers(const std::vector<PeerSection>& sections);

    /// Says DISCONNECT to all and calls `done` once that is on its way. Nothing is connected or accepted after it.
    void shut_down(std::function<void()> done);

    std::vector<PeerStatus> status() const; ///< in the order in which they were added
    std::optional<PeerStatus> status(std::string_view name) const;
    HandshakeFigures handshakes() const;  ///< of all handshake threads together
    std::uint64_t frames_ignored() const; ///< control frames that were authentic and made no sense

    class Core;

  private:
    std::unique_ptr<Core> core_;
};

} // namespace culvert::control
