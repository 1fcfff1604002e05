#pragma once

#include "control/tunnels/local_port.h"
#include "control/tunnels/tunnel_context.h"

#include <memory>
#include <string>

namespace culvert::control {

/// One handshake that this end begins, from finding the way on; always from a UDP port of its own. Cancelled when
/// destroyed before it was taken().
class Attempt final : public PathUser {
  public:
    Attempt(TunnelContext& context, Tunnel& tunnel, PeerHandle peer, const dataplane::Endpoint& remote,
            std::uint32_t generation, TimePoint now);
    ~Attempt() override;

    AttemptId id() const { return id_; }
    const dataplane::Endpoint& remote() const { return remote_; }
    std::uint32_t generation() const { return generation_; }
    TimePoint deadline() const { return deadline_; }

    void fail(std::string reason); ///< as the handshaker said; the tunnel looks at it soon
    /// Why it has failed: empty as long as it has not.
    std::string failure(TimePoint now) const;
    /// The handshake has made a session, whose port this is.
    std::shared_ptr<LocalPort> taken();

    void path_changed(const RemotePath& path, const std::optional<Path>& before) override;

  private:
    void begin();

    TunnelContext& context_;
    Tunnel& tunnel_;
    const PeerHandle peer_;
    const AttemptId id_;
    const dataplane::Endpoint remote_;
    const std::uint32_t generation_;
    const TimePoint deadline_;
    std::shared_ptr<RemotePath> way_;
    std::shared_ptr<LocalPort> port_; ///< from begin() on
    std::string failure_;
};

} // namespace culvert::control
