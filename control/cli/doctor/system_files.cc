#include "control/cli/doctor/system_files.h"

#include "control/configuration/whole_file.h"

#include <algorithm>
#include <charconv>

namespace culvert::control::doctor {

constexpr std::size_t largest_file = 16U << 20; // /proc/net/udp of a busy machine

bool SystemFiles::exists(const std::string& file) const {
    std::error_code ignored;
    return std::filesystem::exists(path(file), ignored);
}

std::string SystemFiles::text(const std::string& file) const {
    return read_whole_file(path(file), largest_file).value_or("");
}

std::optional<std::int64_t> SystemFiles::number(const std::string& file) const {
    const std::string content = text(file);
    std::int64_t value = 0;
    if (std::from_chars(content.data(), content.data() + content.size(), value).ec != std::errc{})
        return std::nullopt;
    return value;
}

std::vector<std::string> SystemFiles::names(const std::string& folder) const {
    std::vector<std::string> names;
    std::error_code error;
    for (std::filesystem::directory_iterator at(path(folder), error), end; !error && at != end;
         at.increment(error))
        names.push_back(at->path().filename().string());
    std::ranges::sort(names);
    return names;
}

std::string SystemFiles::link_name(const std::string& file) const {
    std::error_code error;
    const auto target = std::filesystem::read_symlink(path(file), error);
    return error ? "" : target.filename().string();
}

} // namespace culvert::control::doctor
