#include "control/kernel/service_notify.h"

#include "tun_bridge/file_descriptor.h"

#include <array>
#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace culvert::control {
namespace {

/// Stands where systemd would: a datagram socket in the abstract namespace.
class Manager {
  public:
    Manager() : name_("culvert-notify-" + std::to_string(getpid())) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::ranges::copy(name_, address.sun_path + 1);
        const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name_.size());
        EXPECT_EQ(bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), length), 0);
        setenv("NOTIFY_SOCKET", ("@" + name_).c_str(), 1);
    }
    ~Manager() { unsetenv("NOTIFY_SOCKET"); }
    std::string heard() const {
        std::array<char, 512> text{};
        const ssize_t length = recv(socket_.get(), text.data(), text.size(), MSG_DONTWAIT);
        return {text.data(), static_cast<std::size_t>(std::max<ssize_t>(length, 0))};
    }

  private:
    tun_bridge::FileDescriptor socket_{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    std::string name_;
};

TEST(ServiceNotify, TellsTheManager) {
    const Manager manager;
    EXPECT_TRUE(notify_ready("2 peers\nup"));
    EXPECT_EQ(manager.heard(), "READY=1\nSTATUS=2 peers up");
    EXPECT_TRUE(notify_reloading());
    EXPECT_THAT(manager.heard(), ::testing::MatchesRegex("RELOADING=1\nMONOTONIC_USEC=[0-9]+"));
    EXPECT_TRUE(notify_status("busy"));
    EXPECT_EQ(manager.heard(), "STATUS=busy");
    EXPECT_TRUE(notify_stopping());
    EXPECT_EQ(manager.heard(), "STOPPING=1");
}

TEST(ServiceNotify, DoesNothingWithoutAManager) {
    unsetenv("NOTIFY_SOCKET");
    EXPECT_FALSE(notify_ready("up"));
    setenv("NOTIFY_SOCKET", std::string(200, 'x').c_str(), 1);
    EXPECT_FALSE(notify_ready("up"));
    unsetenv("NOTIFY_SOCKET");
}

} // namespace
} // namespace culvert::control
