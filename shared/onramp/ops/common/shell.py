"""Commands that an operator is told to run: each value in them is quoted, so that a paste runs nothing else.

Values come from AWS, files and arguments: an identity provider may be named `A$(touch /tmp/x)`.

A printed command acts on the stack of the call that prints it: it repeats the call's --stack, --profile and --region.
The environment and the file of the local stack apply to a pasted command as they do to the call.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_PROGRAM = re.compile(r"\b(onramp|aws) (?=[a-z])")


@dataclass(frozen=True, slots=True)
class CallOptions:
    """What the command line of this call says; None where it says nothing."""

    stack: str | None = None
    profile: str | None = None
    region: str | None = None

    @property
    def of_aws(self) -> list[str]:
        return _options(profile=self.profile, region=self.region)

    @property
    def of_onramp(self) -> list[str]:
        return _options(stack=self.stack) + self.of_aws

    @property
    def of_make(self) -> list[str]:
        """Assignments before the command: scripts/deploy.py and the SAM CLI read the environment."""
        variables = {"AWS_PROFILE": self.profile, "AWS_DEFAULT_REGION": self.region}
        return [f"{name}={shlex.quote(value)}" for name, value in variables.items() if value]


_calls = [CallOptions()]
"""The last one is of the running command: `onramp verify` runs another one inside itself. Of all threads."""


@contextmanager
def call_options(options: CallOptions) -> Iterator[None]:
    """Commands that are rendered in the block repeat these options."""
    _calls.append(options)
    try:
        yield
    finally:
        _calls.pop()


def command(template: str, *values: object, **named: object) -> str:
    """`template` with each `{}` and `{name}` replaced by a value, quoted for the shell.

    It may have words around its commands. Each `onramp` and `aws` in it gets the options of the call.
    """
    programs = {"_onramp": ["onramp", *_calls[-1].of_onramp], "_aws": ["aws", *_calls[-1].of_aws]}
    joined = {name: shlex.join(words) for name, words in programs.items()}
    quoted = {name: _quoted(value) for name, value in named.items()}
    return _PROGRAM.sub(r"{_\1} ", template).format(*map(_quoted, values), **quoted, **joined)


def onramp_command(*words: str) -> str:
    """An `onramp` command of words that are quoted each."""
    return shlex.join(["onramp", *_calls[-1].of_onramp, *words])


def make_command(target: str, **variables: str) -> str:
    """`make target NAME=VALUE ...`. scripts/build.mk reads the variables literally, so `$` needs no escape."""
    assignments = (f"{name}={shlex.quote(value)}" for name, value in variables.items())
    return " ".join([*_calls[-1].of_make, "make", target, *assignments])


def _options(**options: str | None) -> list[str]:
    return [word for name, value in options.items() if value for word in (f"--{name}", value)]


def _quoted(value: object) -> str:
    return shlex.quote(str(value))
