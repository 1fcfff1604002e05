#pragma once

#include "control/tunnels/status.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace culvert::control {

/// One follower's queue of events, each a line of JSON. A follower that reads too slowly loses events, never the
/// gateway's memory; it is told how many.
class EventSubscription {
  public:
    explicit EventSubscription(std::size_t limit) : limit_(limit) {}

    bool empty() const { return lines_.empty() && lost_ == 0; }
    /// All that is waiting, each line ended by a newline.
    std::string take();
    /// Called when something is waiting again. Must not call back.
    void on_arrival(std::function<void()> wake) { wake_ = std::move(wake); }

  private:
    friend class EventFeed;
    void offer(const std::shared_ptr<const std::string>& line);

    std::size_t limit_;
    std::deque<std::shared_ptr<const std::string>> lines_;
    std::uint64_t lost_ = 0;
    std::function<void()> wake_;
};

/// Hands events to whoever follows. Control thread only.
class EventFeed {
  public:
    /// `limit`: events that may wait for one follower.
    explicit EventFeed(std::size_t limit = 1024) : limit_(limit) {}

    void publish(const Event& event);
    /// Follows from now on, until the last reference goes. May outlive the feed.
    std::shared_ptr<EventSubscription> subscribe();
    std::size_t followers() const;

  private:
    std::size_t limit_;
    std::vector<std::weak_ptr<EventSubscription>> followers_;
};

} // namespace culvert::control
