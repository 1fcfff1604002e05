#pragma once

#include <expected>
#include <span>
#include <string>
#include <string_view>

namespace culvert::control {

/// What is wrong with one thing, and what would be right; whoever knows where it stands adds that.
struct Complaint {
    std::string problem; ///< "\"10.9.0.1/16\" has host bits set"
    std::string advice;  ///< "write \"10.9.0.0/16\""
    std::string text() const { return problem + "; " + advice; }
};

inline std::unexpected<Complaint> wrong(std::string problem, std::string advice) {
    return std::unexpected(Complaint{std::move(problem), std::move(advice)});
}

/// `"name"`, with quotes and backslashes escaped and control characters made visible.
std::string in_quotes(std::string_view text);
/// As a shell takes it in one word.
std::string shell_quoted(std::string_view text);
/// The one of `names` that was probably meant; empty when none is near.
std::string nearest(std::string_view name, std::span<const std::string> names);
/// "a, b or c"
std::string either(std::span<const std::string> names);

} // namespace culvert::control
