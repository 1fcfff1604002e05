#include "dataplane/reclaimer.h"

#include <utility>

namespace culvert::dataplane {

void Reclaimer::defer(std::function<void()> free) {
    waiting_.push_back({rte_rcu_qsbr_start(readers_), std::move(free)});
}

void Reclaimer::poll() {
    while (!waiting_.empty() && rte_rcu_qsbr_check(readers_, waiting_.front().token, false) == 1) {
        const auto due = std::move(waiting_.front());
        waiting_.pop_front(); // first, as `free` may defer something itself
        due.free();
    }
}

void Reclaimer::wait() {
    while (!waiting_.empty()) {
        rte_rcu_qsbr_check(readers_, waiting_.back().token, true);
        poll();
    }
}

} // namespace culvert::dataplane
