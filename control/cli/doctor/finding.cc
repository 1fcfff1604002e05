#include "control/cli/doctor/finding.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace culvert::control::doctor {
namespace {

std::string name_of(Finding::Grade grade) {
    return grade == Finding::Grade::ok ? "ok" : grade == Finding::Grade::warning ? "warning" : "problem";
}

std::string padded(std::string text, std::size_t width) {
    text.resize(std::max(width, text.size()), ' ');
    return text;
}

std::string counted(std::size_t count, const std::string& what) {
    return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

} // namespace

void Findings::ok(std::string area, std::string text) {
    findings_.push_back({Finding::Grade::ok, std::move(area), std::move(text), ""});
}

void Findings::warning(std::string area, std::string text, std::string remedy) {
    findings_.push_back({Finding::Grade::warning, std::move(area), std::move(text), std::move(remedy)});
}

void Findings::problem(std::string area, std::string text, std::string remedy) {
    findings_.push_back({Finding::Grade::problem, std::move(area), std::move(text), std::move(remedy)});
}

std::size_t Findings::count(Finding::Grade grade) const {
    return static_cast<std::size_t>(std::ranges::count(findings_, grade, &Finding::grade));
}

std::string Findings::text() const {
    std::size_t width = 0;
    for (const auto& finding : findings_)
        width = std::max(width, finding.area.size());
    std::string out;
    for (const auto& finding : findings_) {
        out += padded(name_of(finding.grade), 8) + padded(finding.area, width) + "  " + finding.text + "\n";
        if (!finding.remedy.empty())
            out += std::string(8 + width, ' ') + "  → " + finding.remedy + "\n";
    }
    return out + "\n" + counted(count(Finding::Grade::problem), "problem") + ", " +
           counted(count(Finding::Grade::warning), "warning") + "\n";
}

nlohmann::json Findings::json() const {
    nlohmann::json list = nlohmann::json::array();
    for (const auto& finding : findings_)
        list.push_back({{"grade", name_of(finding.grade)},
                        {"area", finding.area},
                        {"text", finding.text},
                        {"remedy", finding.remedy}});
    return {{"findings", std::move(list)},
            {"problems", count(Finding::Grade::problem)},
            {"warnings", count(Finding::Grade::warning)}};
}

} // namespace culvert::control::doctor
