#pragma once

#include <cstddef>
#include <expected>
#include <filesystem>
#include <string>

namespace culvert::control {

/// A file's content, or the errno: EFBIG when it has more than `limit` bytes. Never waits, not for a FIFO either,
/// and leaves no copy of a small file behind in memory that was given back.
std::expected<std::string, int> read_whole_file(const std::filesystem::path& file, std::size_t limit);

} // namespace culvert::control
