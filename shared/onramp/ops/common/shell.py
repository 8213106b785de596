"""Commands that an operator is told to run: each value in them is quoted, so that a paste runs nothing else.

Values come from AWS, files and arguments: an identity provider may be named `A$(touch /tmp/x)`.
"""

from __future__ import annotations

import shlex


def command(template: str, *values: object, **named: object) -> str:
    """`template` with each `{}` and `{name}` replaced by a value, quoted for the shell."""
    return template.format(*map(_quoted, values), **{name: _quoted(value) for name, value in named.items()})


def _quoted(value: object) -> str:
    return shlex.quote(str(value))


def make_command(target: str, **variables: str) -> str:
    """`make target NAME=VALUE ...`. scripts/build.mk reads the variables literally, so `$` needs no escape."""
    return " ".join(["make", target, *(f"{name}={shlex.quote(value)}" for name, value in variables.items())])
