#include "control/configuration/table_reader.h"

#include <algorithm>
#include <utility>

namespace culvert::control {
namespace {

std::uint32_t line_of(const toml::node& node) {
    return node.source().begin.line;
}

} // namespace

void Problems::add(std::uint32_t line, std::string key, std::string problem, std::string advice) {
    errors_.push_back({{file_, line}, std::move(key), std::move(problem), std::move(advice)});
}

std::vector<ConfigurationError> Problems::take() {
    std::ranges::stable_sort(errors_, {}, [](const ConfigurationError& e) { return e.position.line; });
    return std::exchange(errors_, {});
}

std::uint32_t TableReader::line() const {
    return line_of(*table_);
}

std::uint32_t TableReader::line(std::string_view key) const {
    const toml::node* value = table_->get(key);
    return value == nullptr ? line() : line_of(*value);
}

std::uint32_t TableReader::line(std::string_view key, std::size_t index) const {
    const toml::node* value = table_->get(key);
    const toml::array* list = value == nullptr ? nullptr : value->as_array();
    return list == nullptr || index >= list->size() ? line(key) : line_of((*list)[index]);
}

std::optional<std::string> TableReader::string(std::string_view key) {
    const toml::node* value = any(key);
    if (value == nullptr)
        return std::nullopt;
    if (const auto* text = value->as_string())
        return text->get();
    complain_of_type(key, *value, "a string", "put it in quotes");
    return std::nullopt;
}

std::optional<std::string> TableReader::required_string(std::string_view key, std::string_view advice) {
    if (any(key) == nullptr)
        complain(key, "is missing", std::string(advice));
    return string(key);
}

std::optional<std::string> TableReader::choice(std::string_view key, std::span<const std::string_view> choices) {
    auto text = string(key);
    if (!text || std::ranges::find(choices, *text) != choices.end())
        return text;
    std::vector<std::string> names;
    for (const auto choice : choices)
        names.push_back(in_quotes(choice));
    complain(key, in_quotes(*text) + " is not known", "write " + either(names));
    return std::nullopt;
}

std::optional<bool> TableReader::boolean(std::string_view key) {
    const toml::node* value = any(key);
    if (value == nullptr)
        return std::nullopt;
    if (const auto* flag = value->as_boolean())
        return flag->get();
    complain_of_type(key, *value, "a boolean", "write true or false, without quotes");
    return std::nullopt;
}

std::optional<std::int64_t> TableReader::integer(std::string_view key, std::int64_t least, std::int64_t most) {
    const toml::node* value = any(key);
    if (value == nullptr)
        return std::nullopt;
    const std::string range = std::to_string(least) + " to " + std::to_string(most);
    const auto* number = value->as_integer();
    if (number == nullptr) {
        complain_of_type(key, *value, "an integer", "write a number from " + range + ", without quotes");
        return std::nullopt;
    }
    if (number->get() >= least && number->get() <= most)
        return number->get();
    complain(key, std::to_string(number->get()) + " is out of range", "write a number from " + range);
    return std::nullopt;
}

std::vector<ListElement> TableReader::strings(std::string_view key) {
    const toml::node* value = any(key);
    if (value == nullptr)
        return {};
    if (const auto* text = value->as_string())
        return {{0, text->get()}};
    const toml::array* list = value->as_array();
    if (list == nullptr) {
        complain_of_type(key, *value, "a list of strings", "write " + std::string(key) + " = [\"…\", \"…\"]");
        return {};
    }
    std::vector<ListElement> elements;
    for (std::size_t i = 0; i < list->size(); ++i) {
        if (const auto* text = (*list)[i].as_string())
            elements.push_back({i, text->get()});
        else
            complain(key, i, "is " + std::string(type_name((*list)[i])) + ", but should be a string",
                     "put it in quotes");
    }
    return elements;
}

const toml::node* TableReader::any(std::string_view key) {
    known_.emplace(key);
    return table_->get(key);
}

void TableReader::refuse_unknown_keys() {
    const std::vector<std::string> known(known_.begin(), known_.end());
    for (const auto& [key, value] : *table_) {
        if (known_.contains(key.str()))
            continue;
        const std::string meant = nearest(key.str(), known);
        problems_->add(key.source().begin.line, below(key.str()), "is not a key of the configuration",
                       meant.empty() ? "the keys here are " + either(known) : "did you mean " + meant + "?");
    }
}

std::string TableReader::below(std::string_view key) const {
    return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

void TableReader::complain(std::string problem, std::string advice) const {
    problems_->add(line(), path_, std::move(problem), std::move(advice));
}

void TableReader::complain(std::string_view key, std::string problem, std::string advice) const {
    problems_->add(line(key), below(key), std::move(problem), std::move(advice));
}

void TableReader::complain(std::string_view key, std::size_t index, std::string problem,
                           std::string advice) const {
    const toml::node* value = table_->get(key);
    const bool listed = value != nullptr && value->is_array();
    problems_->add(line(key, index), below(key) + (listed ? "[" + std::to_string(index) + "]" : ""),
                   std::move(problem), std::move(advice));
}

void TableReader::complain_of_type(std::string_view key, const toml::node& found, std::string_view expected,
                                   std::string advice) const {
    complain(key, "is " + std::string(type_name(found)) + ", but should be " + std::string(expected),
             std::move(advice));
}

std::string_view type_name(const toml::node& node) {
    switch (node.type()) {
    case toml::node_type::table:
        return "a table";
    case toml::node_type::array:
        return node.is_array_of_tables() ? "a list of tables" : "a list";
    case toml::node_type::string:
        return "a string";
    case toml::node_type::integer:
        return "an integer";
    case toml::node_type::floating_point:
        return "a floating-point number";
    case toml::node_type::boolean:
        return "a boolean";
    case toml::node_type::date:
    case toml::node_type::time:
    case toml::node_type::date_time:
        return "a date or time";
    case toml::node_type::none:
        break;
    }
    return "nothing";
}

} // namespace culvert::control
