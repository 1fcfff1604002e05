#include "tun_bridge/bridge.h"

#include "dataplane/checksum.h"
#include "tests/unit/tun_bridge/bridge_rig.h"
#include "tests/unit/tun_bridge/scratch_namespace.h"
#include "tun_bridge/network_namespace.h"

#include <arpa/inet.h>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <optional>
#include <sched.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace culvert::tun_bridge {
namespace {

using namespace culvert::testing;
using dataplane::BridgeQueue;
using dataplane::Prefix;

class BridgeOverTun : public ::testing::Test {
  protected:
    void SetUp() override {
        if (const auto why = kernel_refusal())
            GTEST_SKIP() << *why;
        near_.emplace("near");
        far_.emplace("far");
        // EAL has pinned this thread to one core, and all that it starts would have to share it.
        cpu_set_t all;
        std::memset(&all, 0xff, sizeof all);
        ASSERT_EQ(::sched_setaffinity(0, sizeof all, &all), 0);
    }
    std::array<std::string, 2> names() const { return {near_->name(), far_->name()}; }

    /// Has `bytes` go from a socket in one namespace to one in the other, and says whether they came as they were
    /// sent.
    bool transfer(const char* address, std::uint16_t port, std::size_t bytes);

    std::optional<ScratchNamespace> near_, far_;
};

/// Turns an echo request into its answer.
void reflect(rte_mbuf* packet) {
    Bytes bytes = bytes_of(packet);
    const bool four = bytes[0] >> 4 == 4;
    const std::size_t address = four ? 12 : 8, size = four ? 4 : 16, l4 = four ? 20 : 40;
    std::swap_ranges(bytes.begin() + static_cast<std::ptrdiff_t>(address),
                     bytes.begin() + static_cast<std::ptrdiff_t>(address + size),
                     bytes.begin() + static_cast<std::ptrdiff_t>(address + size));
    const std::uint8_t before = bytes[l4];
    bytes[l4] = four ? 0 : 129;
    auto checksum = dataplane::be16{};
    std::memcpy(&checksum, &bytes[l4 + 2], 2);
    checksum = dataplane::updated_checksum(checksum, dataplane::be16(static_cast<std::uint16_t>(before << 8)),
                                           dataplane::be16(static_cast<std::uint16_t>(bytes[l4] << 8)));
    std::memcpy(&bytes[l4 + 2], &checksum, 2);
    std::memcpy(rte_pktmbuf_mtod(packet, void*), bytes.data(), bytes.size());
}

TEST_F(BridgeOverTun, PingIsAnswered) {
    PacketPool pool;
    const auto device = TunDevice::open({.name = "cvt0",
                                         .addresses = {Prefix::parse_interface("10.8.0.1/24").value(),
                                                       Prefix::parse_interface("fd00:8::1/64").value()},
                                         .network_namespace = near_->name()})
                            .value();
    std::vector<TestWorker> workers(1);
    const std::vector<std::unique_ptr<BridgeQueue>> queues = [&] {
        std::vector<std::unique_ptr<BridgeQueue>> one;
        one.push_back(make_queue(0, 0, workers));
        return one;
    }();
    const auto bridge = Bridge::start({}, bridge_links({&device, 1}, queues), pool.get()).value();
    workers[0].start({queues[0].get()}, 0, [](BridgeQueue& from, std::span<rte_mbuf*> packets) {
        for (rte_mbuf* packet : packets)
            reflect(packet);
        enqueue_all(*from.from_workers, packets);
    });
    EXPECT_EQ(near_->run("ping -q -c 20 -i 0.01 -W 2 10.8.0.77 >/dev/null"), 0);
    EXPECT_EQ(near_->run("ping -q -c 20 -i 0.01 -W 2 -s 1300 fd00:8::77 >/dev/null"), 0);
    EXPECT_EQ(bridge->figures()[0].from_tun, 40U);
    EXPECT_EQ(bridge->figures()[0].to_tun, 40U);
    workers[0].stop();
}

TEST_F(BridgeOverTun, CountsWhatTheKernelRefuses) {
    PacketPool pool;
    auto device = TunDevice::open({.name = "cvt0", .addresses = {}, .network_namespace = near_->name()}).value();
    const auto queue = make_queue(0, 0, {});
    const BridgeLink link{device->queue_fd(0), device->offloads(), queue.get()};
    const auto bridge = Bridge::start({}, {&link, 1}, pool.get()).value();
    const auto send = [&](const Bytes& bytes) {
        rte_mbuf* packet = pool.packet(bytes).release();
        enqueue_all(*queue->from_workers, {&packet, 1});
    };
    const auto counted = [&](BridgeDrop reason) {
        return eventually([&] { return drops(bridge->figures()[0], reason) == 1; });
    };
    send(Bytes(40)); // IP version 0
    EXPECT_TRUE(counted(BridgeDrop::device_refused));
    const Bytes packet = ipv4("10.1.0.1", "10.2.0.1").udp(1, 2).payload("x").bytes();
    ASSERT_EQ(near_->run("ip link set cvt0 down"), 0);
    send(packet);
    EXPECT_TRUE(counted(BridgeDrop::device_down));
    EXPECT_FALSE(bridge->figures()[0].device_gone);
    ASSERT_EQ(near_->run("ip link delete cvt0"), 0);
    EXPECT_TRUE(eventually([&] { return bridge->figures()[0].device_gone; })); // woken by poll() alone
    send(packet);
    EXPECT_TRUE(counted(BridgeDrop::device_gone));
    EXPECT_EQ(imbalance(bridge->figures()[0]), 0);
}

FileDescriptor socket_in(const std::string& space, int family, int type) {
    int fd = -1;
    EXPECT_TRUE(run_in_network_namespace(space, [&] { fd = ::socket(family, type | SOCK_CLOEXEC, 0); }));
    EXPECT_GE(fd, 0);
    return FileDescriptor(fd);
}

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = 0;
    SocketAddress(const char* text, std::uint16_t port) {
        auto* four = reinterpret_cast<sockaddr_in*>(&storage);
        auto* six = reinterpret_cast<sockaddr_in6*>(&storage);
        if (::inet_pton(AF_INET, text, &four->sin_addr) == 1) {
            four->sin_family = AF_INET;
            four->sin_port = htons(port);
            length = sizeof *four;
        } else if (::inet_pton(AF_INET6, text, &six->sin6_addr) == 1) {
            six->sin6_family = AF_INET6;
            six->sin6_port = htons(port);
            length = sizeof *six;
        }
    }
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

/// Byte `at` of the stream that belongs to a port.
std::uint8_t pattern(std::size_t at, std::uint16_t port) {
    return static_cast<std::uint8_t>((at * 2654435761U + port) >> 13);
}

bool BridgeOverTun::transfer(const char* address, std::uint16_t port, std::size_t bytes) {
    const SocketAddress to(address, port);
    const FileDescriptor listener = socket_in(far_->name(), to.storage.ss_family, SOCK_STREAM);
    const FileDescriptor client = socket_in(near_->name(), to.storage.ss_family, SOCK_STREAM);
    if (::bind(listener.get(), to.get(), to.length) != 0 || ::listen(listener.get(), 1) != 0 ||
        ::connect(client.get(), to.get(), to.length) != 0)
        return false;
    const FileDescriptor server(::accept(listener.get(), nullptr, nullptr));
    std::thread sender([&] {
        Bytes block(100003);
        for (std::size_t sent = 0; sent < bytes;) {
            const std::size_t count = std::min(block.size(), bytes - sent);
            for (std::size_t i = 0; i < count; ++i)
                block[i] = pattern(sent + i, port);
            for (std::size_t done = 0; done < count;) {
                const ssize_t written = ::send(client.get(), block.data() + done, count - done, MSG_NOSIGNAL);
                if (written <= 0)
                    return;
                done += static_cast<std::size_t>(written);
            }
            sent += count;
        }
        ::shutdown(client.get(), SHUT_WR);
    });
    Bytes block(262144);
    std::size_t received = 0;
    bool same = true;
    while (const ssize_t count = ::recv(server.get(), block.data(), block.size(), 0)) {
        if (count < 0)
            break;
        for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i)
            same &= block[i] == pattern(received + i, port);
        received += static_cast<std::size_t>(count);
    }
    sender.join();
    return same && received == bytes;
}

TEST_F(BridgeOverTun, StreamsArriveAsTheyWereSent) {
    const BackToBack tunnel(names(), 1, 1, {});
    EXPECT_TRUE(transfer("10.8.0.2", 5001, 20'000'000));
    EXPECT_TRUE(transfer("fd00:8::2", 5002, 20'000'000));
    for (const std::size_t side : {0U, 1U}) {
        EXPECT_TRUE(eventually([&] { return imbalance(tunnel.figures(side)[0]) == 0; }));
        const QueueFigures figures = tunnel.figures(side)[0];
        EXPECT_EQ(drops(figures, BridgeDrop::malformed), 0U);
        EXPECT_EQ(drops(figures, BridgeDrop::device_refused), 0U);
    }
    // Both offloads have been in play, not only TCP packets one by one.
    EXPECT_GT(tunnel.figures(0)[0].from_tun, 3 * tunnel.figures(0)[0].reads);
    EXPECT_GT(tunnel.figures(1)[0].to_tun, 2 * tunnel.figures(1)[0].writes);
}

TEST_F(BridgeOverTun, StreamsArriveWithoutOffloads) {
    const BackToBack tunnel(names(), 1, 1, {}, false);
    EXPECT_TRUE(transfer("10.8.0.2", 5001, 3'000'000));
    EXPECT_TRUE(transfer("fd00:8::2", 5002, 3'000'000));
    EXPECT_EQ(tunnel.figures(0)[0].from_tun, tunnel.figures(0)[0].reads);
    EXPECT_EQ(tunnel.figures(1)[0].to_tun, tunnel.figures(1)[0].writes);
}

TEST_F(BridgeOverTun, SeveralQueuesThreadsAndWorkers) {
    const BackToBack tunnel(names(), 2, 2, {.threads = 2});
    std::array<bool, 6> well{};
    std::vector<std::thread> transfers;
    for (std::size_t i = 0; i < well.size(); ++i)
        transfers.emplace_back([&, i] {
            well[i] =
                transfer(i % 2 == 0 ? "10.8.0.2" : "fd00:8::2", static_cast<std::uint16_t>(5001 + i), 4'000'000);
        });
    for (std::thread& each : transfers)
        each.join();
    EXPECT_THAT(well, ::testing::Each(true));
    for (const std::size_t queue : {0U, 1U})
        EXPECT_TRUE(eventually([&] { return imbalance(tunnel.figures(1)[queue]) == 0; }));
}

TEST_F(BridgeOverTun, DatagramsArriveOneByOne) {
    const BackToBack tunnel(names(), 1, 1, {});
    constexpr int udp_segment = 103; // <linux/udp.h>
    for (const char* address : {"10.8.0.2", "fd00:8::2"}) {
        const SocketAddress to(address, 4000);
        const FileDescriptor receiver = socket_in(far_->name(), to.storage.ss_family, SOCK_DGRAM);
        const FileDescriptor sender = socket_in(near_->name(), to.storage.ss_family, SOCK_DGRAM);
        ASSERT_EQ(::bind(receiver.get(), to.get(), to.length), 0);
        const timeval patience{.tv_sec = 5, .tv_usec = 0};
        ASSERT_EQ(::setsockopt(receiver.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
        const int segment = 500;
        ASSERT_EQ(::setsockopt(sender.get(), IPPROTO_UDP, udp_segment, &segment, sizeof segment), 0);
        Bytes block(60 * 500 + 77);
        for (std::size_t i = 0; i < block.size(); ++i)
            block[i] = pattern(i, 9);
        ASSERT_EQ(::sendto(sender.get(), block.data(), block.size(), 0, to.get(), to.length),
                  static_cast<ssize_t>(block.size()));
        Bytes received;
        for (int i = 0; i < 61; ++i) {
            std::array<std::uint8_t, 2000> datagram{};
            const ssize_t count = ::recv(receiver.get(), datagram.data(), datagram.size(), 0);
            ASSERT_EQ(count, i < 60 ? 500 : 77);
            received.insert(received.end(), datagram.begin(), datagram.begin() + count);
        }
        EXPECT_EQ(received, block);
    }
    if (tunnel.device(0).offloads().udp) {
        EXPECT_EQ(tunnel.figures(0)[0].reads, 2U);
        EXPECT_EQ(tunnel.figures(0)[0].from_tun, 122U);
        EXPECT_LT(tunnel.figures(1)[0].writes, 61U);
    }
}

TEST_F(BridgeOverTun, AStalledWorkerCostsNoPacket) {
    PacketPool pool;
    const auto device = TunDevice::open({.name = "cvt0",
                                         .addresses = {Prefix::parse_interface("10.8.0.1/24").value()},
                                         .network_namespace = near_->name()})
                            .value();
    std::vector<TestWorker> workers(1);
    const auto queue = make_queue(0, 0, workers, 64);
    const BridgeLink link{device->queue_fd(0), device->offloads(), queue.get()};
    const auto bridge = Bridge::start({}, {&link, 1}, pool.get()).value();
    const FileDescriptor sender = socket_in(near_->name(), AF_INET, SOCK_DGRAM);
    const SocketAddress to("10.8.0.2", 4000);
    constexpr std::uint32_t count = 3000; // fewer than the kernel's queue for the device holds
    for (std::uint32_t i = 0; i < count; ++i)
        ASSERT_EQ(::sendto(sender.get(), &i, sizeof i, 0, to.get(), to.length), static_cast<ssize_t>(sizeof i));
    ASSERT_TRUE(eventually([&] { return queue->waiting_for_room.load(); }));
    EXPECT_LT(bridge->figures()[0].from_tun, 200U);

    Collector collector;
    workers[0].start({queue.get()}, 0, std::ref(collector));
    ASSERT_TRUE(eventually([&] { return collector.count() == count; }));
    std::uint32_t next = 0;
    for (const Bytes& packet : collector.packets()) {
        ASSERT_EQ(std::memcmp(&packet[28], &next, sizeof next), 0) << "out of order";
        ++next;
    }
    workers[0].stop();
}

/// Seconds of processor time that the bridges' threads have used.
double bridge_seconds() {
    double seconds = 0;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
        std::string name;
        std::ifstream(task.path() / "comm") >> name;
        double nanoseconds = 0;
        std::ifstream(task.path() / "schedstat") >> nanoseconds;
        if (name.starts_with("tun-bridge"))
            seconds += nanoseconds / 1e9;
    }
    return seconds;
}

TEST_F(BridgeOverTun, Throughput) {
    if (std::system("command -v iperf3 >/dev/null") != 0)
        GTEST_SKIP() << "iperf3 is not installed";
    const BackToBack tunnel(names(), 1, 1, {.cores = {0, 1}});
    ASSERT_EQ(far_->run("iperf3 --server --daemon --pidfile /tmp/" + far_->name() + ".pid"), 0);
    ASSERT_TRUE(eventually([&] { return far_->run("ss -ltn | grep -q :5201") == 0; }));
    for (const char* address : {"10.8.0.2", "fd00:8::2"}) {
        const double before = bridge_seconds();
        const std::string json =
            near_->output(std::string("iperf3 --json --connect-timeout 5000 -t 1 -c ") + address);
        const double used = bridge_seconds() - before;
        const auto number = [&](const std::string& key) {
            const std::size_t at = json.find("\"" + key + "\":", json.find("\"sum_received\""));
            return at == std::string::npos ? 0.0 : std::stod(json.substr(at + key.size() + 3));
        };
        const double gbps = number("bits_per_second") / 1e9;
        // The second figure holds on a busy machine as well: what one core would carry if it did nothing else.
        const double per_core = number("bytes") * 8 / 1e9 / used;
        std::printf("  %s: %.2f Gbit/s, %.1f Gbit/s per full core of bridge\n", address, gbps, per_core);
        EXPECT_GT(gbps, 0.0) << json;
    }
    EXPECT_EQ(far_->run("kill $(cat /tmp/" + far_->name() + ".pid)"), 0);
}

} // namespace
} // namespace culvert::tun_bridge
