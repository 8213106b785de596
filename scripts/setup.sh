#!/bin/sh
# Creates the virtual environment from the hash-locked requirements: setup.sh PYTHON VENV
# Whatever goes wrong ends in one sentence that says what to do.
set -eu
python=$1 venv=$2

fail() { printf 'onramp: %s\n' "$1" >&2; exit 1; }

command -v "$python" >/dev/null 2>&1 || fail "'$python' was not found: install Python 3.11 or newer, or name one with 'make PYTHON=/path/to/python3'."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
    || fail "Python 3.11 or newer is needed and '$python' is $("$python" -c 'import platform; print(platform.python_version())' 2>/dev/null || echo 'not usable'): name a newer one with 'make PYTHON=/path/to/python3'."
log=$(mktemp); trap 'rm -f "$log"' EXIT

printf 'onramp: setting up %s (once) ... ' "$venv"
"$python" -m venv --clear "$venv" >"$log" 2>&1 || { cat "$log" >&2; fail "the virtual environment could not be made: install your system's 'venv' package for $python (python3-venv on Debian and Ubuntu)."; }
if ! "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt >"$log" 2>&1 \
    || ! "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e . >>"$log" 2>&1; then
    tail -n 5 "$log" >&2
    fail "the packages could not be installed: check the network and pip's package index, then run 'make setup' again."
fi
printf 'done\n'
