# Building, plain and with sanitizers. Sourced by ./dev.
# shellcheck shell=bash

configure() { # FOLDER MESON-ARGUMENT…
    [ -f "$1/build.ninja" ] || meson setup "$@"
}

build() { # TARGET…
    configure build
    ninja -C build -j "$(nproc)" "$@"
}

# AddressSanitizer and UndefinedBehaviorSanitizer; the first finding ends the program.
build_sanitize() {
    configure build-sanitize --buildtype=debugoptimized -Db_sanitize=address,undefined \
        -Dcpp_args=-fno-sanitize-recover=all
    ninja -C build-sanitize -j "$(nproc)"
}

# DPDK's rings fence by C11 atomics instead of by assembler, because ThreadSanitizer follows only the former.
build_tsan() { # TARGET…
    CXX=clang++-19 configure build-tsan --buildtype=debugoptimized -Db_sanitize=thread -Db_lundef=false \
        -Dcpp_args=-DRTE_USE_C11_MEM_MODEL
    ninja -C build-tsan -j "$(nproc)" "$@"
}
