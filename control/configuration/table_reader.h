#pragma once

#include "control/configuration/complaint.h"
#include "control/configuration/configuration.h"

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <toml++/toml.h>
#include <vector>

namespace culvert::control {

/// Everything found wrong in one file, so that all of it is told at once.
class Problems {
  public:
    explicit Problems(std::string file) : file_(std::move(file)) {}

    void add(std::uint32_t line, std::string key, std::string problem, std::string advice);
    bool none() const { return errors_.empty(); }
    /// In the order of lines; leaves nothing behind.
    std::vector<ConfigurationError> take();

  private:
    std::string file_;
    std::vector<ConfigurationError> errors_;
};

/// One string of a list (or the only one, where a list of one may be written without brackets).
struct ListElement {
    std::size_t index = 0;
    std::string text;
};

/// Reads one TOML table. A getter returns nothing where the key is absent or its value wrong, and in the latter
/// case has told so. Keys that were never asked for are unknown keys: `refuse_unknown_keys()`. Refers to the
/// table.
class TableReader {
  public:
    TableReader(const toml::table& table, std::string path, Problems& problems)
        : table_(&table), path_(std::move(path)), problems_(&problems) {}

    bool has(std::string_view key) const { return table_->contains(key); }
    const std::string& path() const { return path_; }
    /// Once the section's name is known: "peer[0]" becomes "peer.tokyo".
    void rename(std::string path) { path_ = std::move(path); }
    std::uint32_t line() const;
    std::uint32_t line(std::string_view key) const;
    std::uint32_t line(std::string_view key, std::size_t index) const;

    std::optional<std::string> string(std::string_view key);
    /// As `string`, but its absence is an error with this advice.
    std::optional<std::string> required_string(std::string_view key, std::string_view advice);
    std::optional<std::string> choice(std::string_view key, std::span<const std::string_view> choices);
    std::optional<bool> boolean(std::string_view key);
    std::vector<ListElement> strings(std::string_view key);
    template <typename Number>
    std::optional<Number> number(std::string_view key, std::int64_t least, std::int64_t most) {
        const auto value = integer(key, least, most);
        return value ? std::optional(static_cast<Number>(*value)) : std::nullopt;
    }
    /// The value as it is, for keys of more than one type.
    const toml::node* any(std::string_view key);

    void refuse_unknown_keys();

    void complain(std::string problem, std::string advice) const; ///< about the table itself
    void complain(std::string_view key, std::string problem, std::string advice) const;
    void complain(std::string_view key, std::size_t index, std::string problem, std::string advice) const;
    void complain_of_type(std::string_view key, const toml::node& found, std::string_view expected,
                          std::string advice) const;

  private:
    std::optional<std::int64_t> integer(std::string_view key, std::int64_t least, std::int64_t most);
    std::string below(std::string_view key) const; ///< its key path

    const toml::table* table_;
    std::string path_;
    Problems* problems_;
    std::set<std::string, std::less<>> known_;
};

/// "a string", "an integer", …
std::string_view type_name(const toml::node& node);

} // namespace culvert::control
