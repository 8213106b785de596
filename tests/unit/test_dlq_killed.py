"""A redrive killed, faulted or run twice at once, at each of its AWS calls: no user is lost, none is sent twice.

Three users have one cause (one of them has two letters); a fourth has another cause, which stays. A message may be sent
twice only where a crash, or a lost reply, falls between its send and its delete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from onramp.domain.errors import RetryableError
from onramp.ops.common.errors import UsageError
from onramp.ops.common.queue_reader import WORKING_SECONDS
from tests.dlq_scenario import DlqScenario, Sends
from tests.fakes import ProcessKilled, faults_for
from tests.pipeline import QUEUE

SUBS = {
    f"{name}@example.com": f"7d1f3a52-90b1-70c4-5e0f-2b8c1a6d4e0{n}" for n, name in enumerate(("ada", "ben", "cyd"))
}
OTHER, OTHER_SUB = "dan@example.com", "7d1f3a52-90b1-70c4-5e0f-2b8c1a6d4e09"
REASON = ("stripe_refused_400",)
SENT_OR_NOT = ("send_message_batch", "delete_message_batch")
FAULTS = {"lost_reply", "partial", "malformed", "throttled", "retried"}
RunRedrive = Callable[..., Any]


@contextmanager
def two_causes(*, copies: bool = False) -> Iterator[tuple[DlqScenario, Sends]]:
    with DlqScenario(validate=False) as scenario:  # the requests are checked in test_dlq_redrive.py
        for email, sub in SUBS.items():
            scenario.refuse(email, sub)
        if copies:
            scenario.copy("ben@example.com")
        scenario.refuse_by_revenuecat(OTHER, OTHER_SUB)
        scenario.stripe.faults.clear()
        yield scenario, Sends(scenario)


def redrive_letters(scenario: DlqScenario, plan: Any = None) -> Any:
    return scenario.redrive(plan, reasons=REASON)


def redrive_from_table(scenario: DlqScenario, plan: Any = None) -> Any:
    return scenario.redrive(plan, steps=("stripe",), from_table=True)


def calls_of(run: RunRedrive, *, copies: bool = False) -> list[str]:
    """The operations of a run without faults, in their order."""
    seen: list[str] = []
    with two_causes(copies=copies) as (scenario, _):
        expire(scenario, run)
        run(scenario, lambda _call, _service, operation: seen.append(operation))
    return seen


def expire(scenario: DlqScenario, run: RunRedrive) -> None:
    if run is redrive_from_table:
        scenario.clock.advance(15 * 86_400)


def assert_no_user_is_lost(scenario: DlqScenario) -> None:
    """A user who is not ready has a letter, a message, or is owed what the reconciler or an operator reads."""
    for email in SUBS:
        queued = any(email in message.body for message in scenario.sqs.messages(QUEUE))
        assert (
            scenario.letters_of(email) or queued or "owed" in (scenario.user(email) or {}) or scenario.is_ready(email)
        ), email


def assert_all_are_ready_once(scenario: DlqScenario) -> None:
    for email, sub in SUBS.items():
        assert scenario.is_ready(email), email
        assert scenario.letters_of(email) == 0, f"{email} still has a letter"
        assert scenario.customers_of(sub) == 1
    assert (scenario.user(OTHER) or {})["owed"].startswith("operator#")
    assert scenario.letters_of(OTHER) <= 1


def run_again(scenario: DlqScenario, run: RunRedrive) -> None:
    """A later run by the operator. Where a record was flipped but not sent, the reconciler queues it after 12 hours."""
    scenario.run_worker()
    with suppress(UsageError):  # no letter has that reason any more
        run(scenario)
    if run is redrive_from_table:
        scenario.clock.advance(13 * 3600)
        scenario.reconcile()
    scenario.run_worker()


@pytest.mark.parametrize("run", [redrive_letters, redrive_from_table])
@pytest.mark.parametrize("mode", ["killed_before", "killed_after"])
def test_a_kill_at_any_call(run: RunRedrive, mode: str) -> None:
    calls = calls_of(run, copies=True)
    for place in range(1, len(calls) + 1):
        with two_causes(copies=True) as (scenario, sends):
            expire(scenario, run)
            count = 0

            def plan(_call: int, _service: str, _operation: str, place: int = place) -> str | None:
                nonlocal count
                count += 1
                return None if count < place else mode if count == place else "killed_before"

            with pytest.raises(ProcessKilled):
                run(scenario, plan)
            assert_no_user_is_lost(scenario)
            scenario.clock.advance(WORKING_SECONDS + 1)
            run_again(scenario, run)
            assert_all_are_ready_once(scenario)
            assert max(sends.by_email.values()) == 1, (calls[place - 1], place)


def test_a_kill_at_any_call_and_the_worker_runs_only_after_the_next_run() -> None:
    """The harder case: a user who was sent is not ready when the letters are read again."""
    calls = calls_of(redrive_letters)
    for place in range(1, len(calls) + 1):
        for mode in ("killed_before", "killed_after"):
            with two_causes() as (scenario, sends):
                count = 0

                def plan(_call: int, _service: str, _op: str, place: int = place, mode: str = mode) -> str | None:
                    nonlocal count
                    count += 1
                    return None if count < place else mode if count == place else "killed_before"

                with pytest.raises(ProcessKilled):
                    redrive_letters(scenario, plan)
                scenario.clock.advance(WORKING_SECONDS + 1)
                with suppress(UsageError):
                    redrive_letters(scenario)
                scenario.run_worker()
                assert_all_are_ready_once(scenario)
                between = (calls[place - 1], mode) in (
                    ("send_message_batch", "killed_after"),
                    ("delete_message_batch", "killed_before"),
                )
                assert max(sends.by_email.values()) <= (2 if between else 1), (calls[place - 1], mode)


@pytest.mark.parametrize("run", [redrive_letters, redrive_from_table])
def test_a_fault_at_any_call(run: RunRedrive) -> None:
    """Every other fault, at every call: the command ends with an error message or continues."""
    calls = calls_of(run)
    for place, operation in enumerate(calls, start=1):
        if calls[:place].count(operation) > 4:
            continue  # the receivers repeat the same call
        for fault in set(faults_for(operation)) & FAULTS:
            with two_causes() as (scenario, sends):
                expire(scenario, run)
                count = 0

                def plan(
                    _call: int, _service: str, operation: str, place: int = place, fault: str = fault
                ) -> str | None:
                    nonlocal count
                    count += 1
                    return fault if count == place and fault in faults_for(operation) else None

                with suppress(ClientError, BotoCoreError, RetryableError, UsageError):
                    run(scenario, plan)
                assert_no_user_is_lost(scenario)
                scenario.clock.advance(WORKING_SECONDS + 1)
                run_again(scenario, run)
                run_again(scenario, run)
                assert_all_are_ready_once(scenario)
                assert max(sends.by_email.values()) <= 2


@pytest.mark.parametrize("run", [redrive_letters, redrive_from_table])
def test_two_operators_at_once(run: RunRedrive) -> None:
    """The second one runs to its end at each call of the first."""
    calls = calls_of(run)
    for place in range(1, len(calls) + 1):
        with two_causes() as (scenario, sends):
            expire(scenario, run)
            count = 0

            def plan(_call: int, _service: str, _operation: str, place: int = place) -> None:
                nonlocal count
                count += 1
                if count == place:
                    with suppress(UsageError):
                        run(scenario)

            with suppress(UsageError):  # the other operator has sent them all
                run(scenario, plan)
            run_again(scenario, run)
            assert_all_are_ready_once(scenario)
            assert set(sends.by_email.values()) == {1}, (calls[place - 1], place)


def test_two_operators_and_one_pauses_longer_than_its_hold() -> None:
    calls = calls_of(redrive_letters)
    for place, operation in enumerate(calls, start=1):
        with two_causes() as (scenario, sends):
            count = 0

            def plan(_call: int, _service: str, _operation: str, place: int = place) -> None:
                nonlocal count
                count += 1
                if count == place:
                    scenario.clock.advance(WORKING_SECONDS + 1)
                    with suppress(UsageError):
                        redrive_letters(scenario)

            with suppress(UsageError):
                redrive_letters(scenario, plan)
            run_again(scenario, redrive_letters)
            assert_all_are_ready_once(scenario)
            assert max(sends.by_email.values()) <= (2 if operation in SENT_OR_NOT else 1), (operation, place)
