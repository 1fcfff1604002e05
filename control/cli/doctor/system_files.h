#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace culvert::control::doctor {

/// The files below /proc, /sys and /dev in which the kernel describes the machine. A test may give another root.
class SystemFiles {
  public:
    explicit SystemFiles(std::filesystem::path root = "/") : root_(std::move(root)) {}

    std::filesystem::path path(const std::string& file) const {
        return root_ / std::filesystem::path(file).relative_path();
    }
    bool exists(const std::string& file) const;
    std::string text(const std::string& file) const; ///< empty when it can't be read
    std::optional<std::int64_t> number(const std::string& file) const;
    std::vector<std::string> names(const std::string& folder) const; ///< sorted
    /// The last part of what a symbolic link points to; empty where there is none.
    std::string link_name(const std::string& file) const;

  private:
    std::filesystem::path root_;
};

} // namespace culvert::control::doctor
