"""The steps of one user: all of them end before `run` does, also where one of them raises."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from onramp.domain.errors import PermanentError, RetryableError, Skipped
from onramp.domain.users import Profile, Status, User
from onramp.enrichers import Enricher
from onramp.usecases.steps import Steps
from tests.pipeline import EMAIL, SUB

NIA = User(EMAIL)
PENDING = Profile(SUB, Status.PENDING)
STEPS: dict[str, dict[str, Any]] = {"again": {"state": "retrying", "attempts": 2}, "done": {"state": "done"}}


@dataclass
class Records:
    saved: dict[str, dict[str, Any]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def save_step(self, sub: str, step: str, record: dict[str, Any], found: Mapping[str, str]) -> Profile:
        with self.lock:
            self.saved[step] = record
        return PENDING

    def note_failure(self, sub: str, step: str, record: dict[str, Any]) -> None:
        self.save_step(sub, step, record, {})


@dataclass
class Step:
    """Waits for `after`, then raises `error` or succeeds."""

    name: str
    error: Exception | None = None
    after: threading.Event | None = None

    def enrich(self, user: User, profile: Profile) -> Mapping[str, str]:
        if self.after:
            self.after.wait(10)
        if self.error:
            raise self.error
        return {}


def run(*enrichers: Enricher, profile: Profile | None = None) -> dict[str, dict[str, Any]]:
    records = Records()
    with ThreadPoolExecutor(len(enrichers)) as pool:
        Steps(enrichers, records, pool, lambda: 5, "test-1").run(NIA, profile or PENDING)
        return dict(records.saved)


def test_a_bug_in_one_step_does_not_leave_the_other_at_work() -> None:
    """The next invocation must find no thread of this one: Lambda freezes the process between the two."""
    broken, slow, go_on = Step("broken", IndexError("bug")), Step("slow"), threading.Event()
    slow.after = go_on
    records = Records()
    with ThreadPoolExecutor(3) as pool:
        steps = Steps([broken, slow], records, pool, lambda: 5, "test-1")
        running = pool.submit(steps.run, NIA, PENDING)
        with pytest.raises(TimeoutError):
            running.result(0.2)
        go_on.set()
        with pytest.raises(IndexError):
            running.result(10)
        assert records.saved.keys() == {"slow"}


def test_a_permanent_failure_is_raised_before_a_retryable_one() -> None:
    for steps in (
        [Step("a", PermanentError("refused")), Step("b", RetryableError("busy", delay=900.0))],
        [Step("a", RetryableError("busy", delay=900.0)), Step("b", PermanentError("refused"))],
    ):
        with pytest.raises(PermanentError):
            run(*steps)


def test_the_longest_requested_delay_is_raised() -> None:
    delays = (None, 30.0, 5.0)
    with pytest.raises(RetryableError) as raised:
        run(*(Step(str(delay), RetryableError("busy", delay=delay)) for delay in delays))
    assert (raised.value.delay, raised.value.step) == (30.0, "30.0")


def test_each_step_has_its_record() -> None:
    profile = Profile(SUB, Status.PENDING, steps=STEPS)
    saved = run(Step("first"), Step("again"), Step("skipped", Skipped()), Step("done"), profile=profile)
    common = {"at": 5, "codeVersion": "test-1"}
    assert saved == {
        "first": {"state": "done", "attempts": 1, **common},
        "again": {"state": "done", "attempts": 3, **common},
        "skipped": {"state": "skipped", "attempts": 1, **common},
    }


@pytest.mark.parametrize(
    ("error", "more"),
    [
        (RetryableError("busy"), {"state": "retrying", "errorCode": "busy"}),
        (PermanentError("refused", code="email_invalid"), {"state": "failed", "errorCode": "email_invalid"}),
    ],
)
def test_a_failure_has_its_record(error: RetryableError | PermanentError, more: dict[str, str]) -> None:
    records = Records()
    with ThreadPoolExecutor(1) as pool, pytest.raises(type(error)):
        Steps([Step("stripe", error)], records, pool, lambda: 5, "test-1").run(NIA, PENDING)
    reason = {"reason": "refused"} if more["state"] == "failed" else {}
    assert records.saved == {"stripe": {"attempts": 1, "at": 5, "codeVersion": "test-1", **more, **reason}}
