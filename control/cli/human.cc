#include "control/cli/human.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace culvert::control {

std::string human_bytes(std::uint64_t bytes) {
    constexpr std::array units{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 1024)
        return fmt::format("{} B", bytes);
    double value = static_cast<double>(bytes) / 1024;
    std::size_t unit = 0;
    while (value >= 1023.995 && unit + 1 < units.size()) {
        value /= 1024;
        ++unit;
    }
    return fmt::format("{:.2f} {}", value, units[unit]);
}

std::string human_span(std::int64_t milliseconds) {
    const auto seconds = milliseconds / 1000;
    if (milliseconds < 1000)
        return fmt::format("{} ms", milliseconds);
    if (seconds < 10)
        return fmt::format("{}.{} s", seconds, milliseconds % 1000 / 100);
    if (seconds < 60)
        return fmt::format("{} s", seconds);
    if (seconds < 3600)
        return fmt::format("{} min {} s", seconds / 60, seconds % 60);
    if (seconds < 86400)
        return fmt::format("{} h {} min", seconds / 3600, seconds % 3600 / 60);
    return fmt::format("{} d {} h", seconds / 86400, seconds % 86400 / 3600);
}

std::string human_time(std::string_view iso_time) {
    if (iso_time.size() != 20)
        return std::string(iso_time);
    return fmt::format("{} {} UTC", iso_time.substr(0, 10), iso_time.substr(11, 8));
}

Table::Table(std::vector<std::string> headings) {
    for (auto& heading : headings) {
        right_.push_back(heading.starts_with('>'));
        if (right_.back())
            heading.erase(0, 1);
    }
    rows_.push_back(std::move(headings));
}

void Table::add(std::vector<std::string> row) {
    row.resize(right_.size());
    rows_.push_back(std::move(row));
}

std::string Table::text() const {
    std::vector<std::size_t> widths(right_.size());
    for (const auto& row : rows_)
        for (std::size_t column = 0; column < row.size(); ++column)
            widths[column] = std::max(widths[column], row[column].size());
    std::string text;
    for (const auto& row : rows_) {
        std::string line;
        for (std::size_t column = 0; column < row.size(); ++column) {
            const std::string space(widths[column] - row[column].size(), ' ');
            line += (column > 0 ? "  " : "") + (right_[column] ? space + row[column] : row[column] + space);
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + '\n';
    }
    return text;
}

} // namespace culvert::control
