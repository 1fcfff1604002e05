# The test suites, and one total over all of their runners. Sourced by ./dev.
# shellcheck shell=bash

# Each runner leaves its results here as JUnit XML; totals.py adds them up.
reports=

run_tests() { # [SUITE|NAME…]
    local wanted=("$@") want suites=() unit_names=() system_names=()
    [ "${#wanted[@]}" -gt 0 ] || wanted=(unit system)
    for want in "${wanted[@]}"; do
        case $want in
        unit | system | sanitize | tsan) suites+=("$want") ;;
        all) suites+=(unit system sanitize tsan) ;;
        unit-*) unit_names+=("$want") ;;
        *) system_names+=("$want") ;;
        esac
    done
    if [[ " ${suites[*]} " =~ \ (system|sanitize)\  || ${#system_names[@]} -gt 0 ]]; then
        need_root "The system tests make network namespaces"
    fi

    reports=$(mktemp -d)
    trap 'rm -rf "$reports"' EXIT
    local failed=0 suite
    for suite in "${suites[@]}"; do
        echo "=== suite $suite"
        "suite_$suite" || failed=1
    done
    if [ "${#unit_names[@]}" -gt 0 ]; then suite_unit "${unit_names[@]}" || failed=1; fi
    if [ "${#system_names[@]}" -gt 0 ]; then
        suite_system -k "$(printf '%s\n' "${system_names[@]}" | paste -sd'|' | sed 's/|/ or /g')" || failed=1
    fi
    local results
    mapfile -t results < <(find "$reports" -name '*.xml')
    "$python" dev.d/totals.py "$failed" "${results[@]}"
}

suite_unit() { # [NAME…]
    install_missing build unit
    build && meson_tests build --suite unit "$@"
}

suite_system() { # [PYTEST-ARGUMENT…]
    install_missing build system pytest
    build && system_tests build "$@"
}

# The unit tests, and the two gateways of the smoke test, watched for bad memory and undefined behaviour.
suite_sanitize() {
    install_missing build unit system pytest
    build_sanitize && meson_tests build-sanitize --suite unit && system_tests build-sanitize -m smoke
}

# The tests in which control and workers run side by side, watched for data races.
suite_tsan() {
    install_missing build unit tsan
    build_tsan tests/unit/dataplane/unit-dataplane tests/unit/worker/unit-worker &&
        meson_tests build-tsan --no-rebuild unit-dataplane unit-worker
}

meson_tests() { # BUILD-FOLDER MESON-ARGUMENT…
    local status=0
    ASAN_OPTIONS=halt_on_error=1 UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS=halt_on_error=1 \
        meson test -C "$1" --print-errorlogs --num-processes "$(nproc)" "${@:2}" || status=1
    cp "$1/meson-logs/testlog.junit.xml" "$(mktemp "$reports/meson-XXXXXX.xml")" || status=1
    return "$status"
}

system_tests() { # BUILD-FOLDER PYTEST-ARGUMENT…
    "$python" -m pytest -c tests/system/pytest.ini tests/system --build "$top/$1" \
        --junit-xml="$(mktemp "$reports/pytest-XXXXXX.xml")" "${@:2}"
}
