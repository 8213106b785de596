"""Runs every five minutes: does what is due, checks and sweeps the pools, and publishes how much is owed."""

from __future__ import annotations

from functools import partial
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from onramp.observability import count, gauge, logger, report_failure
from onramp.usecases.heal import HealOutcome
from onramp.usecases.reconcile import Repeated, Survey
from onramp.usecases.reconciler import Report
from onramp.usecases.runs import Run
from onramp.usecases.trigger_check import Detached
from onramp.wiring import clients, reconcile

reconciler = reconcile.build()
on_failure = partial(report_failure, "ReconcileFailed", "part of the run failed")


@logger.inject_lambda_context(log_event=False)
def handler(event: Any, context: LambdaContext) -> None:
    run = Run(context.aws_request_id, context.get_remaining_time_in_millis, clients.LAST_START_MILLIS, on_failure)
    for report in reconciler(run):
        _publish(report)
    gauge("ReconcileCompleted", int(not run.failures))


def _publish(report: Report) -> None:
    match report:
        case Survey():
            for kind, users in report.owed.items():
                gauge(f"Owed{kind.title()}", users)
            gauge("OldestOwedSeconds", age := report.oldest_seconds(clients.now_millis()))
            logger.info("owed", owed=report.owed, oldest_owed_seconds=age, held_back=report.held_back)
        case Repeated():
            count("EmittedAgain", report.emitted)
            count("QueuedAgain", report.queued)
            count("RepeatRefused", len(report.refused))
            if report.refused:
                logger.error("events refused", users=dict(report.refused))
        case Detached(pools):
            gauge("TriggerDetached", len(pools))
            if pools:
                logger.error("the trigger is detached", pools=dict(pools))
        case _:
            gauge("SweepAgeSeconds", report.age // 1000)
            count("Healed", report.healed)
            if (found := report.whole_pool) is not None:
                gauge("RefusedInPool", report.refused)
                gauge("EmailChangedInPool", found.get(HealOutcome.EMAIL_CHANGED, 0))
                logger.info("swept", found=dict(found))
