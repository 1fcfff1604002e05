#include "control/cli/commands.h"
#include "control/cli/completion.h"
#include "control/cli/doctor/doctor.h"
#include "control/cli/keygen.h"
#include "control/cli/show.h"

#include <CLI/CLI.hpp>
#include <csignal>
#include <exception>
#include <functional>
#include <iostream>

namespace culvert::control {
namespace {

/// The command line: options fill the members, the chosen command is left in `run`.
class CommandLine {
  public:
    CommandLine();
    int main(int argc, char** argv);

  private:
    void add_show();
    void add_peer_commands();
    void add_peer_options(CLI::App& command);
    void add_gateway_commands();
    void add_key_commands();
    void add_doctor();
    void add_completion();
    CLI::App& command(CLI::App& parent, const std::string& name, const std::string& about,
                      std::function<int()> run);
    void add_json(CLI::App& command);
    Client client() const { return Client(socket_); }

    CLI::App app_{"culvertctl shows and changes a running culvertd.", "culvertctl"};
    std::string socket_ = "/run/culvert/culvert.sock";
    Printing printing_;
    std::string what_, shell_;
    std::string configuration_ = "/etc/culvert/culvert.toml";
    std::vector<std::string> files_;
    bool psk_ = false;
    PeerArguments peer_;
    std::function<int()> run_;
};

constexpr auto footer = R"(
Exit codes: 0 done; 1 the gateway refused, or the answer is no; 2 wrong usage or a wrong configuration;
            3 no gateway answers.

Examples:
  culvertctl show                                    the gateway and its peers
  culvertctl show drops --all                        every reason for which a packet can be dropped
  culvertctl peer add osaka --pin pin-sha256:... --endpoint osaka.example.org:4433 --prefix 10.7.0.0/16
  culvertctl peer set osaka --lanes 4
  culvertctl keygen /etc/culvert/paris               a key and a certificate, and the pin for the other side
  culvertctl events --json | jq .                    follow what happens

What `peer` changes lasts until the next reload or restart: the configuration file stays as it is.
Shell completion: culvertctl completion bash > /etc/bash_completion.d/culvertctl)";

CommandLine::CommandLine() {
    app_.require_subcommand(0, 1); // none: said below, after unknown words have been named
    app_.set_version_flag("--version", CULVERT_VERSION);
    app_.get_formatter()->column_width(34);
    app_.add_option("--socket", socket_, "The gateway's socket")->envname("CULVERT_SOCKET")->capture_default_str();
    app_.fallthrough(); // --socket may follow the command, too
    add_show();
    add_peer_commands();
    add_gateway_commands();
    add_key_commands();
    add_doctor();
    add_completion();
    // Last: commands inherit what stands when they are added.
    app_.set_help_all_flag("--help-all", "Help for all commands");
    app_.footer(footer);
}

CLI::App& CommandLine::command(CLI::App& parent, const std::string& name, const std::string& about,
                               std::function<int()> run) {
    CLI::App* added = parent.add_subcommand(name, about);
    if (run)
        added->final_callback([this, run = std::move(run)] { run_ = run; });
    return *added;
}

void CommandLine::add_json(CLI::App& command) {
    command.add_flag("--json", printing_.json, "Print the API's JSON");
}

void CommandLine::add_show() {
    std::string about = "One of:";
    std::vector<std::string> names;
    for (const auto& kind : shown()) {
        names.emplace_back(kind.name);
        about += "\n" + names.back() + std::string(10 - names.back().size(), ' ') + std::string(kind.about);
    }
    auto& show_command = command(app_, "show", "Show the gateway and its peers, or one part of it",
                                 [this] { return show(client(), what_, printing_); });
    show_command.add_option("what", what_, about)->check(CLI::IsMember(names))->type_name("WHAT");
    show_command.add_flag("--all", printing_.all, "Counters that are zero as well");
    add_json(show_command);
}

void CommandLine::add_peer_options(CLI::App& command) {
    const auto text = [&](const char* key, const std::string& option, const char* about) {
        command.add_option_function<std::string>(
            option, [this, key](const std::string& value) { peer_.texts[key] = value; }, about);
    };
    const auto list = [&](const char* key, const std::string& option, const char* about) {
        command
            .add_option_function<std::vector<std::string>>(
                option, [this, key](const std::vector<std::string>& values) { peer_.lists[key] = values; }, about)
            ->allow_extra_args(false);
    };
    const auto number = [&](const char* key, const std::string& option, const char* about) {
        command
            .add_option_function<std::string>(
                option, [this, key](const std::string& value) { peer_.numbers[key] = value; }, about)
            ->type_name("N");
    };
    command.add_option("name", peer_.name, "The peer's name")->required();
    text("endpoint", "--endpoint", "HOST:PORT to call; '' to wait to be called");
    list("pin", "--pin", "Pin of the peer's key, pin-sha256:...; may be repeated");
    text("psk_file", "--psk-file", "File with a shared key instead of pins");
    list("prefixes", "--prefix", "Inner network of the peer; may be repeated, and replaces all former ones");
    text("tun", "--tun", "TUN device where its packets leave to the kernel");
    number("lanes", "--lanes", "Parallel sessions, 1 to 64");
    number("mtu", "--mtu", "Outer path MTU to start from; '' for the port's");
    number("dscp", "--dscp", "DSCP of outer packets, 0 to 63, or copy");
    number("keepalive", "--keepalive", "Seconds between keepalives");
    number("rekey_time", "--rekey-time", "Seconds until a new key");
    number("rekey_packets", "--rekey-packets", "Packets until a new key");
    add_json(command);
}

void CommandLine::add_peer_commands() {
    auto& peer = command(app_, "peer", "Add, change or remove a peer until the next reload", {});
    peer.require_subcommand(0, 1);
    add_peer_options(command(peer, "add", "Add a peer", [this] { return add_peer(client(), peer_, printing_); }));
    add_peer_options(command(peer, "set", "Change what is given of a peer; the rest stays",
                             [this] { return set_peer(client(), peer_, printing_); }));
    auto& remove = command(peer, "remove", "Remove a peer and end its sessions",
                           [this] { return remove_peer(client(), peer_.name, printing_); });
    remove.add_option("name", peer_.name, "The peer's name")->required();
    add_json(remove);
}

void CommandLine::add_gateway_commands() {
    add_json(command(app_, "reload",
                     "Read the configuration file again and apply the difference; on any error nothing changes",
                     [this] { return reload(client(), printing_); }));
    add_json(command(app_, "events", "Follow what happens, a line each",
                     [this] { return follow_events(client(), printing_); }));
}

void CommandLine::add_key_commands() {
    auto& keygen = command(app_, "keygen", "Make keys: NAME.key and NAME.crt, whose pin is printed", [this] {
        return psk_ ? keygen_psks(files_, std::cout, std::cerr)
                    : keygen_certificates(files_, std::cout, std::cerr);
    });
    keygen.add_option("name", files_, "Name, with a folder or without; with --psk the file itself")->required();
    keygen.add_flag("--psk", psk_, "Write 32 random bytes for both gateways instead");
    auto& pin = command(app_, "pin", "Print the pin of a certificate, for the other gateway's configuration",
                        [this] { return show_pins(files_, std::cout, std::cerr); });
    pin.add_option("certificate", files_, "Certificate file")->required();
}

void CommandLine::add_doctor() {
    auto& examine = command(app_, "doctor", "Say what is wrong with this host, and the command that mends it",
                            [this] { return doctor::run(configuration_, printing_.json, std::cout); });
    examine.add_option("--config", configuration_, "The gateway's configuration")->capture_default_str();
    add_json(examine);
}

void CommandLine::add_completion() {
    auto& completion = command(app_, "completion", "Print a shell's completion script", [this] {
        std::cout << *completion_script(app_, shell_);
        return exit_code::good;
    });
    completion.add_option("shell", shell_, "The shell")->required()->check(CLI::IsMember({"bash", "zsh"}));
}

int CommandLine::main(int argc, char** argv) {
    try {
        app_.parse(argc, argv);
    } catch (const CLI::ParseError& outcome) { // --help and --version, too
        return app_.exit(outcome) == 0 ? exit_code::good : exit_code::usage;
    }
    if (!run_) {
        const auto chosen = app_.get_subcommands();
        std::cerr << (chosen.empty() ? app_ : *chosen.front()).help();
        return exit_code::usage;
    }
    return run_();
}

} // namespace
} // namespace culvert::control

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN); // a closed pipe ends `events` by its stream's state
    try {
        return culvert::control::CommandLine().main(argc, argv);
    } catch (const std::exception& failure) {
        std::cerr << "culvertctl: " << failure.what() << '\n';
        return culvert::control::exit_code::refused;
    }
}
