#include "control/tunnels/path_book.h"

#include <utility>

namespace culvert::control {

std::shared_ptr<RemotePath> PathBook::find(const dataplane::IpAddress& remote) const {
    const auto found = paths_by_remote_.find(remote);
    return found == paths_by_remote_.end() ? nullptr : found->second.lock();
}

std::shared_ptr<RemotePath> PathBook::open(const dataplane::IpAddress& remote) {
    if (auto known = find(remote))
        return known;
    // The last one to let go takes the entry out of the book; the book outlives all paths.
    std::shared_ptr<RemotePath> path(new RemotePath(remote), [this](RemotePath* gone) {
        paths_by_remote_.erase(gone->remote_);
        delete gone;
    });
    paths_by_remote_[remote] = path;
    path->watch_ = paths_.watch(
        remote, [this, path = path.get()](const std::expected<Path, std::string>& now) { changed(*path, now); });
    return path;
}

void PathBook::changed(RemotePath& path, const std::expected<Path, std::string>& now) {
    const auto keep = find(path.remote_); // a user may let go of it
    const std::optional<Path> before = path.path_;
    if (now) {
        path.error_.clear();
        path.path_ = *now;
        path.hop_ = dataplane_.add_next_hop(now->port, now->link_address);
    } else {
        path.error_ = now.error();
        path.path_.reset();
    }
    for (const auto& send : std::exchange(path.waiting_, {}))
        send();
    path.each([&](PathUser& user) { user.path_changed(path, before); });
}

std::shared_ptr<RemotePath> PathBook::open_for_stranger(const dataplane::IpAddress& remote) {
    if (strangers_.size() >= most_strangers)
        strangers_.pop_front();
    return strangers_.emplace_back(open(remote));
}

void PathBook::transmit(const dataplane::Datagram& datagram) {
    auto path = find(datagram.remote.address);
    if (path == nullptr)
        path = open_for_stranger(datagram.remote.address);
    if (path->path_) {
        dataplane_.transmit(datagram, path->hop_);
        return;
    }
    if (!path->error_.empty() || path->waiting_.size() >= most_waiting)
        return; // the handshake will repeat it
    path->waiting_.push_back([this, &path = *path, copy = datagram,
                              bytes = std::vector(datagram.payload.begin(), datagram.payload.end())]() mutable {
        copy.payload = bytes;
        if (path.path_)
            dataplane_.transmit(copy, path.hop_);
    });
}

} // namespace culvert::control
