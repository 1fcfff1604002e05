#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace culvert::control::doctor {

/// What one check says.
struct Finding {
    enum class Grade : std::uint8_t {
        ok,
        warning, ///< works, but not as well as it could, or not for long
        problem, ///< doesn't work
    };
    Grade grade{};
    std::string area;   ///< "hugepages"
    std::string text;   ///< one sentence
    std::string remedy; ///< the command or change that mends it; empty when ok
    bool operator==(const Finding&) const = default;
};

class Findings {
  public:
    void ok(std::string area, std::string text);
    void warning(std::string area, std::string text, std::string remedy);
    void problem(std::string area, std::string text, std::string remedy);

    const std::vector<Finding>& all() const { return findings_; }
    std::size_t count(Finding::Grade grade) const;
    std::string text() const; ///< for people, with a summary in the last line
    nlohmann::json json() const;

  private:
    std::vector<Finding> findings_;
};

} // namespace culvert::control::doctor
