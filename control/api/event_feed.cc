#include "control/api/event_feed.h"

#include "control/api/json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace culvert::control {

std::string EventSubscription::take() {
    std::string text;
    for (const auto& line : lines_)
        text += *line;
    lines_.clear();
    if (lost_ > 0)
        text += line_of(lost_events_json(std::exchange(lost_, 0)));
    return text;
}

void EventSubscription::offer(const std::shared_ptr<const std::string>& line) {
    // Once something is lost, the notice of it comes before anything newer: order is kept.
    if (lost_ > 0 || lines_.size() >= limit_)
        ++lost_;
    else
        lines_.push_back(line);
    if (wake_)
        wake_();
}

void EventFeed::publish(const Event& event) {
    std::erase_if(followers_, [](const auto& follower) { return follower.expired(); });
    if (followers_.empty())
        return;
    const auto line = std::make_shared<const std::string>(line_of(json_of(event)));
    for (const auto& weak : followers_)
        if (const auto follower = weak.lock())
            follower->offer(line);
}

std::shared_ptr<EventSubscription> EventFeed::subscribe() {
    auto subscription = std::make_shared<EventSubscription>(limit_);
    followers_.push_back(subscription);
    return subscription;
}

std::size_t EventFeed::followers() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(followers_, [](const auto& follower) { return !follower.expired(); }));
}

} // namespace culvert::control
