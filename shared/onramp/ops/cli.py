"""The `onramp` command: its sub-commands, and the one place where an error becomes a sentence.

Exit codes: 0 success, 1 something needs a person, 2 usage or environment, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError
from typer.exceptions import TyperException

from onramp.domain.errors import RetryableError
from onramp.local.errors import LocalStackError
from onramp.ops import local
from onramp.ops.attach.commands import attach, detach
from onramp.ops.audit import audit
from onramp.ops.backfill.commands import backfill
from onramp.ops.common.context import OperatorContext, tune_for_long_runs
from onramp.ops.common.errors import UsageError, as_usage_error
from onramp.ops.common.output import Output
from onramp.ops.common.shell import CallOptions, call_options
from onramp.ops.common.text import visible
from onramp.ops.demo import demo
from onramp.ops.dlq import commands as dlq
from onramp.ops.doctor.commands import doctor
from onramp.ops.replay.commands import replay
from onramp.ops.status.commands import status
from onramp.ops.user import commands as user
from onramp.ops.verify.commands import verify

DEBUG, STACK = "ONRAMP_DEBUG", "ONRAMP_STACK"
GLOBAL_OPTIONS = ("--stack", "--profile", "--region")
GLOBAL_FLAGS = ("--json",)
GLOBAL_HELP = "Also: --stack NAME, --profile NAME, --region NAME, --json. See `onramp --help`."

app = typer.Typer(
    help="Turn every confirmed Amazon Cognito signup into a provisioned user.",
    epilog="Exit codes: 0 success, 1 something needs a person, 2 usage or environment, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(local.app, name="local")
app.command()(demo)
app.command(epilog=GLOBAL_HELP)(doctor)
app.command(epilog=GLOBAL_HELP)(status)
app.command(epilog=GLOBAL_HELP)(replay)
app.command(epilog=GLOBAL_HELP)(attach)
app.command(epilog=GLOBAL_HELP)(detach)
app.add_typer(dlq.app, name="dlq", epilog=GLOBAL_HELP)
app.add_typer(user.app, name="user", epilog=GLOBAL_HELP)
app.command(epilog=GLOBAL_HELP)(backfill)
app.command(epilog=GLOBAL_HELP)(verify)
app.command(epilog=GLOBAL_HELP)(audit)


@app.callback()
def _context(
    ctx: typer.Context,
    stack: Annotated[
        str | None, typer.Option(envvar=STACK, help="The stack's name.", show_default="the local stack")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="The AWS profile.")] = None,
    region: Annotated[str | None, typer.Option(help="The AWS region.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")] = False,
) -> None:
    exported = os.environ.get(STACK)  # a pasted command reads it, too
    ctx.with_resource(call_options(CallOptions(None if stack == exported else stack, profile, region)))
    ctx.obj = OperatorContext(Output(as_json=as_json), stack or None, profile, region)


def main(arguments: list[str] | None = None) -> None:
    tune_for_long_runs()
    try:
        command = typer.main.get_command(app)
        ordered = move_global_options_first(sys.argv[1:] if arguments is None else arguments)
        sys.exit(command.main(ordered, prog_name="onramp", standalone_mode=False) or 0)
    except TyperException as error:
        _make_visible(error)
        error.show()  # type: ignore[attr-defined]  # every exception that typer raises has it
        sys.exit(error.exit_code)
    except (UsageError, LocalStackError) as error:
        _fail(str(error), getattr(error, "exit_code", 2))
    except (ClientError, BotoCoreError) as error:
        _fail(str(as_usage_error(error)), 2)
    except RetryableError as error:
        cause = error.__cause__
        _fail(str(as_usage_error(cause)) if isinstance(cause, ClientError | BotoCoreError) else error.code, 2)
    except (KeyboardInterrupt, typer.Abort):
        _fail("interrupted; what was done stays done. Run the command again to continue.", 130)
    except Exception as error:  # the outermost edge: a traceback is shown only where DEBUG is set
        if os.environ.get(DEBUG):
            raise
        _fail(f"{type(error).__name__}: {error} (set {DEBUG}=1 for the traceback)", 1)


def move_global_options_first(arguments: list[str]) -> list[str]:
    """Typer reads them before the command only; operators give them at any place: `onramp dlq list --stack prod`."""
    first: list[str] = []
    rest: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        name = argument.partition("=")[0]
        if argument == "--":
            return [*first, *rest, argument, *remaining]
        if argument in GLOBAL_FLAGS or (name in GLOBAL_OPTIONS and "=" in argument):
            first.append(argument)
        elif argument in GLOBAL_OPTIONS:
            first += [argument, *([value] if (value := next(remaining, None)) is not None else [])]
        else:
            rest.append(argument)
    return first + rest


def _make_visible(error: TyperException) -> None:
    """Typer repeats arguments as they were given. Where there are none, its message is the help."""
    if type(error).__name__ != "NoArgsIsHelpError":
        vars(error)["format_message"] = partial(visible, error.format_message())


def _fail(sentence: str, exit_code: int) -> None:
    """On one line: the sentence may repeat text of a file, an argument or AWS."""
    sys.stderr.write(f"onramp: {visible(sentence)}\n")
    sys.exit(exit_code)
