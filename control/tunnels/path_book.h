#pragma once

#include "control/tunnels/surroundings.h"
#include "control/tunnels/timing.h"
#include "dataplane/dataplane.h"

#include <boost/intrusive/list.hpp>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace culvert::control {

class RemotePath;

/// Somebody whom a path's changes concern. Leaves its path when destroyed.
class PathUser
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
  public:
    virtual ~PathUser() = default;
    /// `before`: what the path was, if it was known. May not destroy other users.
    virtual void path_changed(const RemotePath& path, const std::optional<Path>& before) = 0;
    /// An unauthenticated ICMP too-big from somewhere on this path.
    virtual void path_mtu_hint(std::uint32_t /*size*/) {}
};

/// The way to one remote address and the dataplane's next hop for it, shared by all sessions and handshakes with
/// it.
class RemotePath {
  public:
    const dataplane::IpAddress& remote() const { return remote_; }
    const std::optional<Path>& path() const { return path_; } ///< none: not known yet, or no way
    const std::string& error() const { return error_; }       ///< why there is none; empty: not known yet
    dataplane::NextHopId hop() const { return hop_; }         ///< good while path() is there

    void add(PathUser& user) {
        user.unlink();
        users_.push_back(user);
    }
    /// All who use this path, for what concerns them beside its changes.
    template <typename Each>
    void each(Each&& tell) {
        for (auto at = users_.begin(); at != users_.end();)
            tell(*at++);
    }

  private:
    friend class PathBook;
    explicit RemotePath(const dataplane::IpAddress& remote) : remote_(remote) {}

    dataplane::IpAddress remote_;
    std::optional<Path> path_;
    std::string error_;
    dataplane::NextHopId hop_{};
    boost::intrusive::list<PathUser, boost::intrusive::constant_time_size<false>> users_;
    std::vector<std::function<void()>> waiting_; ///< datagrams held back until the path is known; few
    std::unique_ptr<Paths::Watch> watch_;
};

/// All remote addresses in use, each watched once however many sessions lead there.
class PathBook {
  public:
    PathBook(dataplane::Dataplane& dataplane, Paths& paths) : dataplane_(dataplane), paths_(paths) {}

    /// Watched as long as somebody keeps the result.
    std::shared_ptr<RemotePath> open(const dataplane::IpAddress& remote);
    std::shared_ptr<RemotePath> find(const dataplane::IpAddress& remote) const;

    /// Sends a handshake's datagram. For an address that nobody has opened a path is kept for a while; the number
    /// of those is bounded, and the oldest gives way.
    void transmit(const dataplane::Datagram& datagram);

  private:
    void changed(RemotePath& path, const std::expected<Path, std::string>& now);
    std::shared_ptr<RemotePath> open_for_stranger(const dataplane::IpAddress& remote);

    static constexpr std::size_t most_strangers = 1024, most_waiting = 8;

    dataplane::Dataplane& dataplane_;
    Paths& paths_;
    std::unordered_map<dataplane::IpAddress, std::weak_ptr<RemotePath>> paths_by_remote_;
    std::deque<std::shared_ptr<RemotePath>> strangers_; ///< opened by transmit(), oldest first
};

} // namespace culvert::control
