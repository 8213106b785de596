"""`onramp local up`: runs the stack in the foreground until Ctrl-C."""

from __future__ import annotations

import shlex
import signal
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from onramp.local.stack import LocalStack

DEFAULT_PORT = 4566
FOREIGN_STRIPE = (
    "Stripe is {url}. If it ignores the header Idempotency-Key, as localstripe does, it creates a second customer"
    " wherever a request is repeated."
)

app = typer.Typer(help="Run the whole pipeline on this machine.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """With a callback, typer keeps `up` as a sub-command although it is the only one."""


def _http_url(value: str | None) -> str | None:
    if value is not None and (urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).netloc):
        raise typer.BadParameter("give a URL such as http://127.0.0.1:12111")
    return value


@app.command()
def up(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 = any free port.")] = DEFAULT_PORT,
    stripe_url: Annotated[
        str | None, typer.Option(callback=_http_url, help="The URL to use instead of the built-in Stripe fake.")
    ] = None,
    revenuecat_url: Annotated[
        str | None, typer.Option(callback=_http_url, help="The URL to use instead of the built-in RevenueCat fake.")
    ] = None,
    enforce_iam: Annotated[
        bool, typer.Option("--enforce-iam", help="Check every AWS call against the caller's IAM policies.")
    ] = False,
) -> None:
    """Start the AWS emulator, deploy template.yaml to it and run until Ctrl-C."""
    from onramp.local.stack import LocalStack
    from onramp.local.state import STATE_FILE, exclusive, state_file

    console = Console()
    if stripe_url:
        console.print(FOREIGN_STRIPE.format(url=stripe_url), style="yellow")
    for signal_number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signal_number, _interrupt)
    try:
        with (
            exclusive(),
            LocalStack.start(
                port, enforce_iam=enforce_iam, stripe_url=stripe_url, revenuecat_url=revenuecat_url
            ) as stack,
            state_file(stack),
        ):
            _print_connection(console, stack, STATE_FILE)
            stack.wait()
    except KeyboardInterrupt:
        console.print("\nStopped: all processes have ended, no data was kept.")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _print_connection(console: Console, stack: LocalStack, state_file: Path) -> None:
    table = Table(title=f"Onramp on {stack.endpoint}", title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")  # never truncated, so that it can be copied
    for name, value in {**stack.outputs, **{f"fake {name}": url for name, url in stack.fakes.items()}}.items():
        table.add_row(name, value)
    console.print(table)
    console.print("To use it with any AWS client:\n")
    assignments = " ".join(f"{name}={shlex.quote(value)}" for name, value in stack.environment().items())
    console.print(f"  export {assignments}\n", soft_wrap=True, highlight=False)
    console.print(f"{state_file} contains the same values. Ctrl-C stops the stack.", soft_wrap=True, highlight=False)
