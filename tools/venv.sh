#!/bin/sh
# Makes the virtual environment named by $1 with the first Python that is new enough and complete.
# Fails with one line that says what to install.
set -eu

fail() {
    echo "error: $1" >&2
    exit 1
}

incomplete=
for python in python3 python3.14 python3.13 python3.12 python3.11; do
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        echo "making $1 with $("$python" --version) ..."
        exec "$python" -m venv --clear "$1"
    fi
    incomplete="${incomplete:-$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')}"
done

[ -z "$incomplete" ] || fail "$incomplete cannot make virtual environments here; install the missing part (Debian, Ubuntu: apt install $incomplete-venv)"
fail "Forebay needs Python 3.11 or newer, found none (Debian 12+: apt install python3 python3-venv; macOS: brew install python)"
