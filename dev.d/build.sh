# Building, plain and with sanitizers. Sourced by ./dev.
# shellcheck shell=bash

configure() { # FOLDER MESON-ARGUMENT…
    [ -f "$1/build.ninja" ] || meson setup "$@"
}

build() { # TARGET…
    configure build
    ninja -C build -j "$(nproc)" "$@"
}

# AddressSanitizer and UndefinedBehaviorSanitizer; the first finding ends the program. What g++ 12 then takes for
# uninitialised, inside its own <regex>, is not.
build_sanitize() {
    configure build-sanitize -Doptimization=1 -Db_sanitize=address,undefined \
        -Dcpp_args="['-g1', '-fno-sanitize-recover=all', '-Wno-maybe-uninitialized']"
    ninja -C build-sanitize -j "$(nproc)"
}

# DPDK's rings fence by C11 atomics instead of by assembler, because ThreadSanitizer follows only the former.
build_tsan() { # TARGET…
    CXX="$(command -v ccache || true) clang++-19" configure build-tsan -Doptimization=1 -Db_sanitize=thread -Db_lundef=false \
        -Dcpp_args="['-g1', '-DRTE_USE_C11_MEM_MODEL']"
    ninja -C build-tsan -j "$(nproc)" "$@"
}
