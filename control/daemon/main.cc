#include "control/daemon/daemon.h"
#include "control/daemon/log.h"
#include "control/daemon/version.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <sys/resource.h>

namespace {

using namespace culvert::control;

constexpr int exit_failed = 1, exit_configuration = 2;

/// Keys must not end up in a core file.
void forbid_core_dumps() {
    const rlimit none{0, 0};
    setrlimit(RLIMIT_CORE, &none);
}

int run(const std::string& file, bool only_check) {
    const auto configuration = read_configuration(file);
    if (!configuration) {
        for (const ConfigurationError& error : configuration.error())
            std::fprintf(stderr, "culvertd: %s\n", error.text().c_str());
        return exit_configuration;
    }
    if (only_check) {
        std::printf("%s: fine\n", file.c_str());
        return 0;
    }
    start_log();
    set_log_level(configuration->control.log_level);
    auto daemon = Daemon::start(file, *configuration);
    if (!daemon) {
        std::fprintf(stderr, "culvertd: %s\n", daemon.error().c_str());
        return exit_failed;
    }
    (*daemon)->run();
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app{"Culvert, a VPN gateway whose data plane runs in user space"};
    std::string file = "/etc/culvert/culvert.toml";
    bool only_check = false;
    app.add_option("-c,--config", file, "configuration file")->capture_default_str();
    app.add_flag("--check", only_check,
                 "read and check the configuration, then end: 0 when it is fine, 2 when not");
    app.set_version_flag("--version", std::string("culvertd ") + version);
    app.footer("Exit status: 0 ended as told, 1 could not start, 2 wrong usage or configuration.\n"
               "Signals: TERM and INT end it orderly, HUP reloads the configuration.");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : exit_configuration;
    }
    forbid_core_dumps();
    try {
        return run(file, only_check);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "culvertd: %s\n", error.what());
        return exit_failed;
    }
}
