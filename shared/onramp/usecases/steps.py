"""Runs the enrichers of one user in parallel and records each as a step. Called by `enrich.py` for every message.

Each step's result is saved as soon as it is known, so a retry only repeats what did not finish.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, wait
from dataclasses import dataclass
from typing import Any, Protocol

from onramp.domain.errors import PermanentError, RetryableError, Skipped
from onramp.domain.users import Profile, User
from onramp.enrichers import Enricher


class StepRecords(Protocol):
    def save_step(self, sub: str, step: str, record: dict[str, Any], found: Mapping[str, str]) -> Profile: ...
    def note_failure(self, sub: str, step: str, record: dict[str, Any]) -> None: ...


@dataclass(frozen=True, slots=True)
class Steps:
    enrichers: Sequence[Enricher]
    records: StepRecords
    executor: Executor
    clock: Callable[[], int]
    code_version: str

    def run(self, user: User, profile: Profile) -> None:
        """Returns when every step is done or skipped. Raises the failed step's error, a permanent one first.

        All steps run to their end first: the result of one is kept even if another fails.
        """
        pending = [enricher for enricher in self.enrichers if not profile.done(enricher.name)]
        futures = [self.executor.submit(self._run_one, enricher, user, profile) for enricher in pending]
        wait(futures)
        failures = [failure for future in futures if (failure := future.result()) is not None]
        if failures:
            raise max(failures, key=_weight)

    def _run_one(self, enricher: Enricher, user: User, profile: Profile) -> RetryableError | PermanentError | None:
        step = enricher.name
        try:
            found = enricher.enrich(user, profile)
            self.records.save_step(profile.sub, step, self._record(profile, step, "done"), found)
        except Skipped:
            self.records.save_step(profile.sub, step, self._record(profile, step, "skipped"), {})
        except (RetryableError, PermanentError) as error:
            record = self._record(profile, step, "retrying", error.code)
            if isinstance(error, PermanentError):
                record |= {"state": "failed", "reason": error.reason}
            self.records.note_failure(profile.sub, step, record)
            error.step = step
            return error
        return None

    def _record(self, profile: Profile, step: str, state: str, error_code: str | None = None) -> dict[str, Any]:
        attempts = int(profile.steps.get(step, {}).get("attempts", 0)) + 1
        record = {"state": state, "attempts": attempts, "at": self.clock(), "codeVersion": self.code_version}
        return record | ({"errorCode": error_code} if error_code else {})


def _weight(error: RetryableError | PermanentError) -> tuple[bool, float]:
    """A permanent failure comes first, then the retryable one with the longest requested delay."""
    return (True, 0.0) if isinstance(error, PermanentError) else (False, error.delay or 0.0)
