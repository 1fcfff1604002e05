#include "control/tunnels/handshake_shards.h"

#include <algorithm>
#include <poll.h>

namespace culvert::control {

HandshakeShards::HandshakeShards(dataplane::Dataplane& dataplane, const HandshakeOutputs& outputs,
                                 const HandshakeSettings& settings, std::uint16_t threads) {
    for (std::uint16_t i = 0; i < std::max<std::uint16_t>(threads, 1); ++i)
        shards_.push_back(std::make_unique<Handshaker>(outputs, settings));
    if (shards_.size() == 1) {
        shards_.front()->attach(dataplane);
        return;
    }
    strangers_waker_ = &dataplane.strangers_waker();
    sorter_ = std::thread([this, &dataplane] { sort_strangers(dataplane); });
}

void HandshakeShards::stop() {
    stopping_.store(true);
    if (sorter_.joinable()) {
        strangers_waker_->notify();
        sorter_.join();
    }
    for (auto& shard : shards_)
        shard->stop();
}

void HandshakeShards::sort_strangers(dataplane::Dataplane& dataplane) {
    const auto share_out = [this](const dataplane::Datagram& datagram) { of(datagram.remote).deliver(datagram); };
    while (!stopping_.load()) {
        if (dataplane.poll_strangers(share_out) != 0)
            continue;
        strangers_waker_->prepare();
        if (!stopping_.load() && dataplane.poll_strangers(share_out) == 0) {
            pollfd descriptor{.fd = strangers_waker_->fd(), .events = POLLIN, .revents = 0};
            poll(&descriptor, 1, -1);
        }
        strangers_waker_->finish();
    }
}

Handshaker& HandshakeShards::of(const dataplane::Endpoint& remote) {
    return *shards_[std::hash<dataplane::Endpoint>{}(remote) % shards_.size()];
}

std::expected<void, std::string> HandshakeShards::set_own_credentials(const OwnCredentials& own) {
    for (auto& shard : shards_)
        if (auto set = shard->set_own_credentials(own); !set)
            return set; // the first refuses what any would refuse
    return {};
}

void HandshakeShards::set_peer(const PeerCredentials& peer) {
    for (auto& shard : shards_)
        shard->set_peer(peer);
}

void HandshakeShards::remove_peer(PeerHandle peer) {
    for (auto& shard : shards_)
        shard->remove_peer(peer);
}

void HandshakeShards::initiate(AttemptId attempt, PeerHandle peer, dataplane::PortId port,
                               const dataplane::Endpoint& local, const dataplane::Endpoint& remote) {
    of(remote).initiate(attempt, peer, port, dataplane::WorkerId{0}, local, remote);
}

void HandshakeShards::cancel(AttemptId attempt, const dataplane::Endpoint& remote) {
    of(remote).cancel(attempt);
}

void HandshakeShards::deliver(const dataplane::Datagram& datagram) {
    of(datagram.remote).deliver(datagram);
}

HandshakeFigures HandshakeShards::figures() const {
    HandshakeFigures sum;
    for (const auto& shard : shards_) {
        const HandshakeFigures one = shard->figures();
        sum.datagrams += one.datagrams;
        sum.cookies_sent += one.cookies_sent;
        sum.dropped += one.dropped;
        sum.overflowed += one.overflowed;
        sum.established += one.established;
        sum.failed += one.failed;
        sum.refused += one.refused;
        sum.displaced += one.displaced;
        sum.flights_repeated += one.flights_repeated;
        sum.half_open += one.half_open;
        sum.attempts += one.attempts;
    }
    return sum;
}

} // namespace culvert::control
