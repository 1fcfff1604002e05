# Formatting, static analysis, and the rules of the house. Sourced by ./dev.
# shellcheck shell=bash

run_lint() { # [fix|FOLDER…]
    install_missing build lint
    local sources failed=0
    mapfile -t sources < <(find crypto dataplane tun_bridge control tests perf -name '*.cc' -o -name '*.h' | sort)
    if [ "${1:-}" = fix ]; then
        clang-format-19 -i "${sources[@]}"
        return
    fi
    echo "== clang-format"
    clang-format-19 --dry-run -Werror --ferror-limit=2 "${sources[@]}" || {
        echo "\"dev lint fix\" mends that."
        failed=1
    }
    echo "== rules of the house"
    "$python" dev.d/house_rules.py || failed=1
    echo "== shellcheck and pyflakes"
    shellcheck -x -a dev .ci/run || failed=1
    find . -name '*.py' -not -path './build*' -print0 | xargs -0 "$python" -m pyflakes || failed=1
    echo "== clang-tidy"
    configure build
    ninja -C build build.ninja > /dev/null # makes compile_commands.json follow the meson.build files
    "$python" dev.d/tidy.py build "$@" || failed=1
    [ "$failed" -eq 0 ] && echo "lint: nothing to complain of"
    return "$failed"
}
