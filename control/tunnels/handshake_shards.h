#pragma once

#include "control/handshake/handshaker.h"
#include "dataplane/dataplane.h"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace culvert::control {

/// The handshake threads. Each has the remotes that hash to it, so that they share nothing; peers and credentials
/// are known to all. Methods may be called from any thread; the outputs are called on any of the handshake
/// threads.
class HandshakeShards {
  public:
    HandshakeShards(dataplane::Dataplane& dataplane, const HandshakeOutputs& outputs,
                    const HandshakeSettings& settings, std::uint16_t threads);
    ~HandshakeShards() { stop(); }
    HandshakeShards(const HandshakeShards&) = delete;
    HandshakeShards& operator=(const HandshakeShards&) = delete;

    void stop(); ///< no output is called afterwards

    std::expected<void, std::string> set_own_credentials(const OwnCredentials& own);
    void set_peer(const PeerCredentials& peer);
    void remove_peer(PeerHandle peer);
    void initiate(AttemptId attempt, PeerHandle peer, dataplane::PortId port, const dataplane::Endpoint& local,
                  const dataplane::Endpoint& remote);
    void cancel(AttemptId attempt, const dataplane::Endpoint& remote);
    void deliver(const dataplane::Datagram& datagram);
    HandshakeFigures figures() const;

  private:
    Handshaker& of(const dataplane::Endpoint& remote);
    void sort_strangers(dataplane::Dataplane& dataplane);

    std::vector<std::unique_ptr<Handshaker>> shards_;
    std::atomic<bool> stopping_{false};
    dataplane::Waker* strangers_waker_ = nullptr;
    std::thread sorter_; ///< with several threads: shares out what comes from strangers
};

} // namespace culvert::control
