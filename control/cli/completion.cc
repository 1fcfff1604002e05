#include "control/cli/completion.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace culvert::control {
namespace {

/// "show" → "peers sessions …": the words that may follow, options and the values of positional arguments
/// included.
std::string words_after(const CLI::App& app) {
    std::string words;
    const auto add = [&](const std::string& word) { words += (words.empty() ? "" : " ") + word; };
    for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; }))
        add(command->get_name());
    for (const auto* option : app.get_options()) {
        const std::string kind = option->get_type_name();
        const auto open = kind.find('{');
        if (option->get_positional() && open != std::string::npos)
            for (const auto& value : CLI::detail::split(kind.substr(open + 1, kind.find('}') - open - 1), ','))
                add(value);
        for (const auto& name : option->get_lnames())
            add("--" + name);
    }
    return words;
}

/// One case of the script for each command, longest paths first as the pattern is matched in order.
void add_cases(const CLI::App& app, const std::string& path, std::string& cases) {
    for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; })) {
        const std::string below = path + " " + command->get_name();
        add_cases(*command, below, cases);
        cases += fmt::format("        \"{}\"*) words=\"{}\" ;;\n", below.substr(1), words_after(*command));
    }
}

} // namespace

std::optional<std::string> completion_script(const CLI::App& app, std::string_view shell) {
    if (shell != "bash" && shell != "zsh")
        return std::nullopt;
    std::string cases;
    add_cases(app, "", cases);
    constexpr std::string_view body = R"(_culvertctl() {{
    local words path="" word i
    local current="${{COMP_WORDS[COMP_CWORD]}}"
    local previous="${{COMP_WORDS[COMP_CWORD-1]}}"
    for ((i = 1; i < COMP_CWORD; i++)); do
        word="${{COMP_WORDS[i]}}"
        [[ "$word" == -* || "${{COMP_WORDS[i-1]}}" == --socket ]] || path="$path${{path:+ }}$word"
    done
    case "$previous" in
        --socket|--psk-file|--config) COMPREPLY=($(compgen -f -- "$current")); return ;;
    esac
    case "$path" in
        keygen*|pin*) [[ "$current" == -* ]] || {{ COMPREPLY=($(compgen -f -- "$current")); return; }} ;;
    esac
    case "$path" in
{}        *) words="{}" ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -F _culvertctl culvertctl
)";
    const std::string script = fmt::format(body, cases, words_after(app));
    return shell == "zsh" ? "autoload -U +X bashcompinit && bashcompinit\n" + script : script;
}

} // namespace culvert::control
