#include "control/api/unix_socket.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace culvert::control {
namespace {

using Done = std::expected<void, std::string>;

std::string reason() {
    return std::strerror(errno);
}

class Descriptor {
  public:
    explicit Descriptor(int number) : number_(number) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (number_ >= 0)
            close(number_);
    }
    int number() const { return number_; }
    int release() { return std::exchange(number_, -1); }

  private:
    int number_;
};

sockaddr_un address_of(const std::filesystem::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    return address;
}

int new_socket() {
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/// Removes what an earlier start has left; refuses where somebody answers, or where something else lies.
Done make_way(const std::filesystem::path& path, const sockaddr_un& address) {
    struct stat found{};
    if (lstat(path.c_str(), &found) != 0)
        return errno == ENOENT ? Done{} : std::unexpected(fmt::format("{}: {}", path.native(), reason()));
    if (!S_ISSOCK(found.st_mode))
        return std::unexpected(fmt::format("{0} exists and is no socket; remove it: rm {0}", path.native()));
    const Descriptor probe{new_socket()};
    const int answer = connect(probe.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    if (answer == 0 || errno == EAGAIN) // EAGAIN: a full backlog, so somebody is there
        return std::unexpected(fmt::format("another culvertd answers on {}; stop it, or give this one another "
                                           "socket in [control]",
                                           path.native()));
    if (errno != ECONNREFUSED)
        return std::unexpected(
            fmt::format("cannot tell whether anybody answers on {}: {}", path.native(), reason()));
    if (unlink(path.c_str()) != 0)
        return std::unexpected(fmt::format("cannot remove the stale socket {}: {}", path.native(), reason()));
    return {};
}

Done give_to_group(const std::filesystem::path& path, const std::string& group) {
    std::vector<char> room(16384);
    struct group entry{};
    struct group* found = nullptr;
    if (getgrnam_r(group.c_str(), &entry, room.data(), room.size(), &found) == 0 && found != nullptr &&
        lchown(path.c_str(), static_cast<uid_t>(-1), found->gr_gid) != 0)
        return std::unexpected(fmt::format("cannot give {} to the group {}: {}", path.native(), group, reason()));
    if (chmod(path.c_str(), 0660) != 0)
        return std::unexpected(fmt::format("cannot set the mode of {}: {}", path.native(), reason()));
    return {};
}

} // namespace

std::expected<UnixListener, std::string> UnixListener::bind(const std::filesystem::path& path,
                                                            const std::string& group) {
    if (path.native().size() >= sizeof sockaddr_un::sun_path)
        return std::unexpected(fmt::format("the socket's path is too long (over {} bytes): {}",
                                           sizeof sockaddr_un::sun_path - 1, path.native()));
    const auto folder = std::filesystem::absolute(path).parent_path();
    std::error_code failed;
    std::filesystem::create_directories(folder, failed);
    const Descriptor lock{open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (lock.number() < 0)
        return std::unexpected(fmt::format("cannot open {}: {}", folder.native(), reason()));
    flock(lock.number(), LOCK_EX); // two starts at once must not remove each other's socket; freed with `lock`

    const auto address = address_of(path);
    if (const auto done = make_way(path, address); !done)
        return std::unexpected(done.error());
    Descriptor listener{new_socket()};
    const mode_t former = umask(0177);
    const int bound = ::bind(listener.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    const int bind_error = errno;
    umask(former);
    if (bound != 0)
        return std::unexpected(
            fmt::format("cannot create the socket {}: {}", path.native(), std::strerror(bind_error)));
    struct stat identity{};
    if (lstat(path.c_str(), &identity) != 0 || listen(listener.number(), SOMAXCONN) != 0)
        return std::unexpected(fmt::format("cannot listen on {}: {}", path.native(), reason()));
    UnixListener result(listener.release(), path, identity);
    if (const auto done = give_to_group(path, group); !done)
        return std::unexpected(done.error());
    return result;
}

UnixListener::UnixListener(int descriptor, std::filesystem::path path, const struct stat& identity)
    : descriptor_(descriptor), path_(std::move(path)), device_(identity.st_dev), inode_(identity.st_ino) {}

UnixListener::UnixListener(UnixListener&& from) noexcept
    : descriptor_(std::exchange(from.descriptor_, -1)), path_(std::exchange(from.path_, {})),
      device_(from.device_), inode_(from.inode_) {}

UnixListener& UnixListener::operator=(UnixListener&& from) noexcept {
    if (this != &from) {
        undo();
        descriptor_ = std::exchange(from.descriptor_, -1);
        path_ = std::exchange(from.path_, {});
        device_ = from.device_;
        inode_ = from.inode_;
    }
    return *this;
}

UnixListener::~UnixListener() {
    undo();
}

int UnixListener::release() {
    return std::exchange(descriptor_, -1);
}

void UnixListener::undo() noexcept {
    struct stat found{};
    if (!path_.empty() && lstat(path_.c_str(), &found) == 0 && found.st_dev == device_ && found.st_ino == inode_)
        unlink(path_.c_str());
    if (descriptor_ >= 0)
        close(descriptor_);
}

} // namespace culvert::control
