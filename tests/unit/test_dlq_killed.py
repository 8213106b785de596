"""A redrive killed, lied to or doubled at every one of its remote calls: nothing is lost, nothing is doubled.

Three users of one cause (one of them with two letters) and one of another, whose cause stays. A message may be sent
twice only where a crash, or a lost answer, fell between its send and its delete.
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
Way = Callable[..., Any]


@contextmanager
def prepared(*, copies: bool = False) -> Iterator[tuple[DlqScenario, Sends]]:
    with DlqScenario(validate=False) as scenario:  # the requests are checked in test_dlq_redrive.py
        for email, sub in SUBS.items():
            scenario.refused(email, sub)
        if copies:
            scenario.copy("ben@example.com")
        scenario.unknown_to_revenuecat(OTHER, OTHER_SUB)
        scenario.stripe.faults.clear()
        yield scenario, Sends(scenario)


def by_letters(scenario: DlqScenario, plan: Any = None) -> Any:
    return scenario.redrive(plan, reasons=REASON)


def by_table(scenario: DlqScenario, plan: Any = None) -> Any:
    return scenario.redrive(plan, steps=("stripe",), from_table=True)


def calls_of(way: Way, *, copies: bool = False) -> list[str]:
    """The operations of an undisturbed run, in their order."""
    seen: list[str] = []
    with prepared(copies=copies) as (scenario, _):
        expire(scenario, way)
        way(scenario, lambda _call, _service, operation: seen.append(operation))
    return seen


def expire(scenario: DlqScenario, way: Way) -> None:
    if way is by_table:
        scenario.clock.advance(15 * 86_400)


def nobody_is_lost(scenario: DlqScenario) -> None:
    """Whoever is not ready yet has a letter, a message, or is owed something that reconciler or desk look at."""
    for email in SUBS:
        queued = any(email in message.body for message in scenario.sqs.messages(QUEUE))
        assert (
            scenario.letters_of(email) or queued or "owed" in (scenario.user(email) or {}) or scenario.is_ready(email)
        ), email


def all_are_well(scenario: DlqScenario) -> None:
    for email, sub in SUBS.items():
        assert scenario.is_ready(email), email
        assert scenario.letters_of(email) == 0, f"a letter of {email} is left"
        assert scenario.customers_of(sub) == 1
    assert (scenario.user(OTHER) or {})["owed"].startswith("operator#")
    assert scenario.letters_of(OTHER) <= 1


def again(scenario: DlqScenario, way: Way) -> None:
    """The operator comes back; what a flip without a send left behind is queued by the reconciler in half a day."""
    scenario.run_worker()
    with suppress(UsageError):  # nothing is left of that reason
        way(scenario)
    if way is by_table:
        scenario.clock.advance(13 * 3600)
        scenario.reconcile()
    scenario.run_worker()


@pytest.mark.parametrize("way", [by_letters, by_table])
@pytest.mark.parametrize("mode", ["killed_before", "killed_after"])
def test_a_kill_at_any_call(way: Way, mode: str) -> None:
    calls = calls_of(way, copies=True)
    for place in range(1, len(calls) + 1):
        with prepared(copies=True) as (scenario, sends):
            expire(scenario, way)
            count = 0

            def plan(_call: int, _service: str, _operation: str, place: int = place) -> str | None:
                nonlocal count
                count += 1
                return None if count < place else mode if count == place else "killed_before"

            with pytest.raises(ProcessKilled):
                way(scenario, plan)
            nobody_is_lost(scenario)
            scenario.clock.advance(WORKING_SECONDS + 1)
            again(scenario, way)
            all_are_well(scenario)
            assert max(sends.by_email.values()) == 1, (calls[place - 1], place)


def test_a_kill_and_no_worker_until_the_operator_comes_back() -> None:
    """The harder half: who was sent is not ready when the letters are seen again."""
    calls = calls_of(by_letters)
    for place in range(1, len(calls) + 1):
        for mode in ("killed_before", "killed_after"):
            with prepared() as (scenario, sends):
                count = 0

                def plan(_call: int, _service: str, _op: str, place: int = place, mode: str = mode) -> str | None:
                    nonlocal count
                    count += 1
                    return None if count < place else mode if count == place else "killed_before"

                with pytest.raises(ProcessKilled):
                    by_letters(scenario, plan)
                scenario.clock.advance(WORKING_SECONDS + 1)
                with suppress(UsageError):
                    by_letters(scenario)
                scenario.run_worker()
                all_are_well(scenario)
                between = (calls[place - 1], mode) in (
                    ("send_message_batch", "killed_after"),
                    ("delete_message_batch", "killed_before"),
                )
                assert max(sends.by_email.values()) <= (2 if between else 1), (calls[place - 1], mode)


@pytest.mark.parametrize("way", [by_letters, by_table])
def test_a_fault_at_any_call(way: Way) -> None:
    """What is no kill, each at every call: the command ends with a sentence or goes on."""
    calls = calls_of(way)
    for place, operation in enumerate(calls, start=1):
        if calls[:place].count(operation) > 4:
            continue  # the receivers make the same call again and again
        for fault in set(faults_for(operation)) & FAULTS:
            with prepared() as (scenario, sends):
                expire(scenario, way)
                count = 0

                def plan(
                    _call: int, _service: str, operation: str, place: int = place, fault: str = fault
                ) -> str | None:
                    nonlocal count
                    count += 1
                    return fault if count == place and fault in faults_for(operation) else None

                with suppress(ClientError, BotoCoreError, RetryableError, UsageError):
                    way(scenario, plan)
                nobody_is_lost(scenario)
                scenario.clock.advance(WORKING_SECONDS + 1)
                again(scenario, way)
                again(scenario, way)
                all_are_well(scenario)
                assert max(sends.by_email.values()) <= 2


@pytest.mark.parametrize("way", [by_letters, by_table])
def test_two_operators_at_once(way: Way) -> None:
    """The second one runs from end to end at each call of the first."""
    calls = calls_of(way)
    for place in range(1, len(calls) + 1):
        with prepared() as (scenario, sends):
            expire(scenario, way)
            count = 0

            def plan(_call: int, _service: str, _operation: str, place: int = place) -> None:
                nonlocal count
                count += 1
                if count == place:
                    with suppress(UsageError):
                        way(scenario)

            with suppress(UsageError):  # the colleague has done everything meanwhile
                way(scenario, plan)
            again(scenario, way)
            all_are_well(scenario)
            assert set(sends.by_email.values()) == {1}, (calls[place - 1], place)


def test_two_operators_and_one_of_them_sleeps_longer_than_its_hold() -> None:
    calls = calls_of(by_letters)
    for place, operation in enumerate(calls, start=1):
        with prepared() as (scenario, sends):
            count = 0

            def plan(_call: int, _service: str, _operation: str, place: int = place) -> None:
                nonlocal count
                count += 1
                if count == place:
                    scenario.clock.advance(WORKING_SECONDS + 1)
                    with suppress(UsageError):
                        by_letters(scenario)

            with suppress(UsageError):
                by_letters(scenario, plan)
            again(scenario, by_letters)
            all_are_well(scenario)
            assert max(sends.by_email.values()) <= (2 if operation in SENT_OR_NOT else 1), (operation, place)
