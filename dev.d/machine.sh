# What this machine has and lacks. Sourced by ./dev.
# shellcheck shell=bash

# The system's own: another python3 earlier on PATH would not see Debian's pytest.
# shellcheck disable=SC2034
python=/usr/bin/python3

need_root() { # WHY
    [ "$(id -u)" -eq 0 ] && return
    echo "$1, and that needs root: run it as \"sudo ./dev …\"." >&2
    exit 2
}

packages_for() { # PURPOSE…
    local purpose
    for purpose; do sed -n "s/^$purpose: //p" dev.d/packages; done | tr ' ' '\n' | sort -u
}

install_missing() { # PURPOSE…
    local wanted missing
    wanted=$(packages_for "$@")
    # shellcheck disable=SC2086 # a list of words
    missing=$(comm -23 <(echo "$wanted") \
        <(dpkg-query -W -f='${db:Status-Status} ${Package}\n' $wanted 2>/dev/null | sed -n 's/^installed //p' | sort -u))
    [ -z "$missing" ] && return
    missing=$(echo "$missing" | paste -sd' ')
    if [ "$(id -u)" -ne 0 ]; then
        printf 'This machine lacks packages, and only root may install them:\n    sudo apt-get install %s\n' "$missing" >&2
        exit 2
    fi
    echo "Installing what is missing: $missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -o DPkg::Lock::Timeout=300 update
    # shellcheck disable=SC2086
    apt-get -o DPkg::Lock::Timeout=300 -y --no-install-recommends install $missing
}
