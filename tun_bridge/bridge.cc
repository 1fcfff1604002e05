#include "tun_bridge/bridge.h"

#include "tun_bridge/file_descriptor.h"
#include "tun_bridge/tun_queue.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <pthread.h>
#include <rte_lcore.h>
#include <rte_pause.h>
#include <sched.h>
#include <sys/eventfd.h>

namespace culvert::tun_bridge {

/// One thread and its queues.
class Bridge::Thread {
  public:
    Thread(std::vector<std::unique_ptr<TunQueue>> queues, const BridgeSettings& settings)
        : queues_(std::move(queues)), empty_rounds_(settings.empty_rounds), cores_(settings.cores),
          polled_(1 + 2 * queues_.size()) {}
    ~Thread();
    std::expected<void, std::string> start(unsigned number);
    const TunQueue& queue(std::size_t index) const { return *queues_[index]; }

  private:
    static void* run(void* self);
    void loop() noexcept;
    void sleep() noexcept;
    bool all_may_sleep() noexcept;
    void wait_for_events() noexcept;

    std::vector<std::unique_ptr<TunQueue>> queues_;
    unsigned empty_rounds_;
    std::vector<unsigned> cores_;
    std::vector<pollfd> polled_; ///< the stop event, then waker and TUN of each queue
    std::atomic<bool> stop_{false};
    FileDescriptor stop_event_;
    pthread_t thread_{};
    bool running_ = false;
};

std::expected<void, std::string> Bridge::Thread::start(unsigned number) {
    stop_event_ = FileDescriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!stop_event_)
        return std::unexpected(std::string("TUN bridge: cannot make an eventfd: ") + std::strerror(errno));
    // A thread made by hand would inherit the affinity of the caller, which EAL may have pinned; EAL's own way of
    // making threads keeps off the cores of its lcores while there are others.
    const std::string name = "tun-bridge-" + std::to_string(number);
    const int failure = rte_ctrl_thread_create(&thread_, name.c_str(), nullptr, &Thread::run, this);
    if (failure != 0)
        return std::unexpected("TUN bridge: cannot start a thread: " + std::string(std::strerror(-failure)));
    running_ = true;
    if (cores_.empty())
        return {};
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const unsigned core : cores_)
        CPU_SET(core, &set);
    if (const int refused = ::pthread_setaffinity_np(thread_, sizeof set, &set); refused != 0)
        return std::unexpected("TUN bridge: cannot run on the cores it is given: " +
                               std::string(std::strerror(refused)));
    return {};
}

Bridge::Thread::~Thread() {
    if (!running_)
        return;
    stop_.store(true, std::memory_order_release);
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(stop_event_.get(), &one, sizeof one);
    ::pthread_join(thread_, nullptr);
}

void* Bridge::Thread::run(void* self) {
    // With an lcore id of its own the thread has a cache in the packet pool. Where DPDK can't spare one, it works
    // all the same, only slower.
    const bool registered = rte_thread_register() == 0;
    static_cast<Thread*>(self)->loop();
    if (registered)
        rte_thread_unregister();
    return nullptr;
}

void Bridge::Thread::loop() noexcept {
    unsigned empty = 0;
    while (!stop_.load(std::memory_order_acquire)) {
        bool moved = false;
        for (const auto& queue : queues_)
            moved |= queue->round();
        if (moved) {
            empty = 0;
        } else if (++empty >= empty_rounds_) {
            sleep();
            empty = 0;
        } else {
            rte_pause();
        }
    }
}

void Bridge::Thread::sleep() noexcept {
    for (const auto& queue : queues_)
        queue->waker().prepare();
    if (all_may_sleep())
        wait_for_events();
    for (const auto& queue : queues_)
        queue->waker().finish();
}

bool Bridge::Thread::all_may_sleep() noexcept {
    return std::ranges::all_of(queues_, [](const auto& queue) { return queue->may_sleep(); });
}

void Bridge::Thread::wait_for_events() noexcept {
    polled_[0] = {stop_event_.get(), POLLIN, 0};
    for (std::size_t i = 0; i < queues_.size(); ++i) {
        polled_[1 + 2 * i] = {queues_[i]->waker().fd(), POLLIN, 0};
        polled_[2 + 2 * i] = {queues_[i]->watches_tun() ? queues_[i]->tun() : -1, POLLIN, 0};
    }
    if (::poll(polled_.data(), polled_.size(), -1) <= 0)
        return;
    for (std::size_t i = 0; i < queues_.size(); ++i)
        if ((polled_[2 + 2 * i].revents & (POLLERR | POLLNVAL)) != 0)
            queues_[i]->device_failed();
}

std::vector<BridgeLink> bridge_links(std::span<const std::unique_ptr<TunDevice>> devices,
                                     std::span<const std::unique_ptr<dataplane::BridgeQueue>> queues) {
    std::vector<BridgeLink> links;
    links.reserve(queues.size());
    for (const auto& queue : queues) {
        const TunDevice& device = *devices[raw(queue->instance)];
        links.push_back({device.queue_fd(queue->queue), device.offloads(), queue.get()});
    }
    return links;
}

Bridge::Bridge() = default;
Bridge::~Bridge() = default;

std::expected<std::unique_ptr<Bridge>, std::string>
Bridge::start(const BridgeSettings& settings, std::span<const BridgeLink> links, rte_mempool* pool) {
    const std::size_t count = std::min<std::size_t>(std::max(settings.threads, 1U), links.size());
    std::vector<std::vector<std::unique_ptr<TunQueue>>> queues(count);
    for (std::size_t i = 0; i < links.size(); ++i)
        queues[i % count].push_back(
            std::make_unique<TunQueue>(links[i].tun, links[i].offloads, *links[i].queue, pool));
    std::unique_ptr<Bridge> bridge(new Bridge);
    bridge->links_ = links.size();
    for (std::size_t i = 0; i < count; ++i) {
        bridge->threads_.push_back(std::make_unique<Thread>(std::move(queues[i]), settings));
        if (const auto started = bridge->threads_.back()->start(static_cast<unsigned>(i)); !started)
            return std::unexpected(started.error());
    }
    return bridge;
}

std::vector<QueueFigures> Bridge::figures() const {
    std::vector<QueueFigures> all;
    all.reserve(links_);
    for (std::size_t i = 0; i < links_; ++i)
        all.push_back(threads_[i % threads_.size()]->queue(i / threads_.size()).figures());
    return all;
}

} // namespace culvert::tun_bridge
