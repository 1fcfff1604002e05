#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// Figures as people read them.
namespace culvert::control {

std::string human_bytes(std::uint64_t bytes);      ///< "1.46 KiB"
std::string human_span(std::int64_t milliseconds); ///< "180 ms", "2.1 s", "3 min 5 s", "4 d 2 h"
std::string human_time(std::string_view iso_time); ///< "2026-11-20 23:41:05 UTC"

/// Rows under headings, each column as wide as it must be; columns of numbers to the right.
class Table {
  public:
    /// A heading that begins with '>' stands over a column of numbers.
    explicit Table(std::vector<std::string> headings);
    void add(std::vector<std::string> row); ///< as many cells as headings
    std::size_t rows() const { return rows_.size() - 1; }
    std::string text() const;

  private:
    std::vector<bool> right_;
    std::vector<std::vector<std::string>> rows_;
};

} // namespace culvert::control
