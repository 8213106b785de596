"""The `onramp` command: its sub-commands, and the one place where an error becomes a sentence."""

from __future__ import annotations

import os
import sys

import typer

from onramp.local.errors import LocalStackError
from onramp.ops import local_commands
from onramp.ops.demo import demo

DEBUG = "ONRAMP_DEBUG"

app = typer.Typer(
    help="Turns every confirmed Amazon Cognito signup into a provisioned user.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(local_commands.app, name="local")
app.command()(demo)


def main() -> None:
    try:
        app()
    except LocalStackError as error:
        _fail(str(error), exit_code=2)
    except Exception as error:  # the outermost edge: a user never sees a traceback unasked
        if os.environ.get(DEBUG):
            raise
        _fail(f"{type(error).__name__}: {error} (set {DEBUG}=1 to see where)", exit_code=1)


def _fail(sentence: str, exit_code: int) -> None:
    sys.stderr.write(f"onramp: {sentence}\n")
    sys.exit(exit_code)
