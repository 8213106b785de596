#!/bin/sh
# Creates the virtual environment from the hash-locked requirements: setup.sh VENV [PYTHON]
# Without PYTHON it uses the first interpreter that is new enough. Each error is one sentence with the next step.
set -eu
venv=$1 python=${2:-}

fail() { printf 'onramp: %s\n' "$1" >&2; exit 1; }
new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

if [ -z "$python" ]; then
    for python in python3 python python3.14 python3.13 python3.12 python3.11 ''; do
        [ -n "$python" ] && new_enough "$python" && break
    done
    [ -n "$python" ] || fail "no Python 3.11 or newer found: install one, or name it with 'make PYTHON=/path/to/python3'."
fi
new_enough "$python" \
    || fail "'$python' is not a working Python 3.11 or newer: name one with 'make PYTHON=/path/to/python3'."
log=$(mktemp); trap 'rm -f "$log"' EXIT

printf 'onramp: setting up %s (once) ... ' "$venv"
"$python" -m venv --clear "$venv" >"$log" 2>&1 || { cat "$log" >&2; fail "the virtual environment could not be created: install your system's 'venv' package for $python (python3-venv on Debian and Ubuntu)."; }
if ! "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt >"$log" 2>&1 \
    || ! "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e . >>"$log" 2>&1; then
    tail -n 5 "$log" >&2
    fail "the packages could not be installed: check the network and pip's index settings, then run 'make setup' again."
fi
printf 'done\n'
