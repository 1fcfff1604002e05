# Benchmarks. Sourced by ./dev.
# shellcheck shell=bash

run_benchmarks() { # ARGUMENT…
    install_missing build bench
    build perf/culvert-bench
    exec build/perf/culvert-bench "$@"
}
