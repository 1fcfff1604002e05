#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace CLI {
class App;
}

namespace culvert::control {

/// A shell's completion script for a command line, drawn from the parser itself. `shell`: "bash" or "zsh".
std::optional<std::string> completion_script(const CLI::App& app, std::string_view shell);

} // namespace culvert::control
