#pragma once

#include <expected>
#include <filesystem>
#include <string>
#include <sys/stat.h>

namespace culvert::control {

/// A bound, listening Unix socket that only its owner and one group may open. Its file goes with it.
class UnixListener {
  public:
    /// Mode 0660, of `group` where that group exists. Replaces a socket that nobody answers on. The error is one
    /// sentence that says what to do.
    static std::expected<UnixListener, std::string> bind(const std::filesystem::path& path,
                                                         const std::string& group);

    UnixListener(UnixListener&& from) noexcept;
    UnixListener& operator=(UnixListener&& from) noexcept;
    ~UnixListener();

    /// The descriptor, now the caller's; the file still goes with this object.
    int release();

  private:
    UnixListener(int descriptor, std::filesystem::path path, const struct stat& identity);
    void undo() noexcept;

    int descriptor_ = -1;
    std::filesystem::path path_;
    dev_t device_ = 0;
    ino_t inode_ = 0; ///< another start may have put its own socket there
};

} // namespace culvert::control
