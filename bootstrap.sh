#!/bin/sh
# Make .venv from uv.lock. Installs Python's venv with apt where it is missing, with sudo where
# this is not root, and what compiles the binding of libvirt where that is possible without asking.
# Can be run again at any time. With --dev what tests and checks need comes too; all else, such as
# --extra windows, is for uv sync.
set -eu
group=--no-dev
if [ "${1:-}" = --dev ]; then
    group=--dev
    shift
fi
more=$*
cd "$(dirname "$0")"

stop() {
    printf 'error: %s\nto do: %s\n' "$1" "$2" >&2
    exit 2
}

not_fetched() {
    stop 'the packages of Python could not be fetched and installed' \
        'see what is said above; it takes a network and 600 MB of room (behind a mirror: set PIP_INDEX_URL and UV_DEFAULT_INDEX)'
}

works() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$name" >/dev/null && works "$name"; then
            command -v "$name"
            return
        fi
    done
    return 1
}

if ! python=$(find_python); then
    echo 'Python 3.11 or newer with venv is not there: installing it with apt-get' >&2
    as_root=
    [ "$(id -u)" -eq 0 ] || as_root=sudo
    # shellcheck disable=SC2015
    $as_root apt-get update -q &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends \
            python3 python3-venv ||
        stop 'python3 and python3-venv could not be installed' \
            'see that this works, as root: apt-get update && apt-get install python3 python3-venv'
    python=$(find_python) || stop 'this distribution has no Python 3.11 or newer' \
        'take one that has: Debian 12, Ubuntu 24.04 and later do'
fi

# pip brings uv, which does the rest, and goes. One that was interrupted has a Python and neither.
if ! .venv/bin/uv --version 2>/dev/null | grep -q '^uv 0\.13\.'; then
    .venv/bin/python -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear .venv
    .venv/bin/python -m pip install --quiet --retries 1 --disable-pip-version-check 'uv==0.13.9' ||
        not_fetched
fi
.venv/bin/uv pip uninstall --quiet --python .venv pip setuptools

# shellcheck disable=SC2086
sync() {
    UV_PROJECT_ENVIRONMENT=.venv .venv/bin/uv sync --frozen --quiet --inexact "$group" $more "$@"
}

# libvirt's binding asks what KVM guests are. It is compiled here, for it has no wheels; where it
# cannot be had, baremark doctor says so of those guests, and all else works.
bound() {
    .venv/bin/python -c 'import libvirt' 2>/dev/null
}

compiles() {
    pkg-config --exists libvirt && command -v cc && .venv/bin/python -c '
import pathlib, sys, sysconfig
sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists())'
} >/dev/null 2>&1

if bound; then
    sync --extra kvm || not_fetched
    exit
fi
sync || not_fetched
if [ "$(uname -m)" = x86_64 ]; then
    as_root=
    [ "$(id -u)" -eq 0 ] || as_root='sudo -n'
    if ! compiles && command -v apt-get >/dev/null && $as_root true 2>/dev/null; then
        echo 'Installing what compiles the binding of libvirt, with apt-get' >&2
        $as_root apt-get update -q >/dev/null &&
            $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy \
                --no-install-recommends libvirt-dev pkg-config gcc libc6-dev \
                "$(basename "$python")-dev" >/dev/null || true
    fi
    sync --extra kvm || true
    bound || echo 'note: there is no binding of libvirt, so no KVM guest can be measured:' \
        'install libvirt-dev, pkg-config, gcc and python3-dev, then run ./bootstrap.sh again' >&2
fi
