"""One verification: the promises, the facts, the cleanup, in this order. The cleanup runs after any error too."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from onramp.domain.errors import RetryableError
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.errors import UsageError, reason
from onramp.ops.verify.facts import measure
from onramp.ops.verify.promises import PROMISES, Broken
from onramp.ops.verify.report import Promise, VerifyReport
from onramp.ops.verify.wiring import PREFIX, VerifyWiring


def plan_of(wiring: VerifyWiring, chosen: Sequence[str]) -> str:
    return (
        f"Verifies {', '.join(chosen)} with synthetic users {PREFIX}-{wiring.run}-*@{wiring.domain} and deletes them."
        f" Consumers of {wiring.outputs['EventBusName']} receive their events, and UserForgotten. Alarms on"
        " rejections and dead letters may fire."
    )


def verify_stack(context: OperatorContext, wiring: VerifyWiring, chosen: Sequence[str]) -> VerifyReport:
    report = VerifyReport(context.name, wiring.run)
    with _termination_interrupts(), context.audited("verify", run=wiring.run, promises=" ".join(chosen)) as entry:
        try:
            for name in chosen:
                context.out.say(f"verifying {name} ...")
                report.promises.append(_check(wiring, name))
            context.out.say("measuring ...")
            report.facts += measure(wiring)
        finally:
            context.out.say("deleting what this run created ...")
            report.cleanup += wiring.cleanup.run()
            _say_left(context, report)
            entry.count = len(report.promises)
            entry.outcome = {"broken": report.broken, "not_deleted": len(report.left)}
    return report


def _check(wiring: VerifyWiring, name: str) -> Promise:
    start = wiring.monotonic()
    try:
        kept, what = True, PROMISES[name](wiring)
    except Broken as seen:
        kept, what = False, str(seen)
    except (ClientError, BotoCoreError, RetryableError, UsageError) as error:
        kept, what = False, f"{reason(error)} failed."
    return Promise(name, kept, what, wiring.monotonic() - start)


def _say_left(context: OperatorContext, report: VerifyReport) -> None:
    """On stderr too: an interrupted run prints no report."""
    for step in report.left:
        context.out.say(f"Not deleted: {step.what} ({step.error}). By hand: {step.by_hand}", "red")


@contextmanager
def _termination_interrupts() -> Iterator[None]:
    """SIGTERM, with which a delivery pipeline cancels a job, ends the run as Ctrl-C does: with the cleanup."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
