"""Every five minutes: does what is due, sweeps the pool, and says how much is owed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from onramp.domain.errors import RetryableError
from onramp.domain.users import Owed
from onramp.observability import count, gauge, logger, place_of
from onramp.usecases.heal import HealOutcome
from onramp.usecases.reconcile import Survey
from onramp.wiring import clients, reconcile

reconciler = reconcile.build()
# Enough for the slowest call under way with its repeats: who starts nothing new after that is not killed in the middle.
LAST_START_MILLIS = 30_000


@logger.inject_lambda_context(log_event=False)
def handler(event: Any, context: LambdaContext) -> None:
    """Each part for itself: what one cannot do now the next run repairs, and the others go on."""

    def may_go_on() -> bool:
        return context.get_remaining_time_in_millis() > LAST_START_MILLIS

    how = {"correlation_id": context.aws_request_id, "may_go_on": may_go_on}
    done = [_attempt(partial(_reconcile, how)), *(_attempt(partial(_sweep, pool, how)) for pool in reconciler.pools)]
    if all(done):
        count("ReconcileCompleted")


def _attempt(part: Callable[[], bool | None]) -> bool:
    try:
        return part() is not False
    except RetryableError as error:
        logger.error("part of the run failed", code=error.code)
        count("ReconcileFailed", code=error.code)
    except Exception as error:  # noqa: BLE001  # the edge: Lambda would write the text of it, and what it quotes
        _bug(error)
    return False


def _bug(error: Exception) -> None:
    logger.error("bug", place=place_of(error))
    count("ReconcileFailed", code=type(error).__name__)


def _reconcile(how: dict[str, Any]) -> bool:
    survey = reconciler.reconcile.survey()
    _say(survey)
    work = reconciler.reconcile
    jobs: list[Callable[[], None]] = [
        lambda: count("EmittedAgain", work.emit(survey.emit, **how)),
        lambda: count("QueuedAgain", work.queue_again(survey.queue, **how)),
        lambda: count("QueuedAgain", work.heal_ready(survey.look_at, **how)),
    ]
    done = [_attempt(job) for job in jobs]
    return all(done)


def _say(survey: Survey) -> None:
    for kind in Owed:
        gauge(f"Owed{kind.title()}", survey.owed[kind])
    age = 0 if survey.oldest is None else max(0, clients.now_millis() - survey.oldest) // 1000
    gauge("OldestOwedSeconds", age)
    logger.info("owed", owed=survey.owed, oldest_owed_seconds=age, held_back=survey.held_back)


def _sweep(pool: str, how: dict[str, Any]) -> bool:
    bugs: list[Exception] = []

    def on_bug(error: Exception) -> None:
        _bug(error)
        bugs.append(error)

    swept = reconciler.sweep(pool, **how, on_bug=on_bug)
    count("Healed", swept.healed)
    if (found := swept.whole_pool) is not None:
        # Found again by every sweep, so a gauge: the alarm on refusals counts each signup once, in the trigger.
        gauge("RefusedInPool", sum(number for cause, number in found.items() if cause.startswith("refused_")))
        gauge("EmailChangedInPool", found.get(HealOutcome.EMAIL_CHANGED, 0))
        logger.info("swept", found=dict(found))
    return not bugs
