"""The tests that judge a mutant, as pytest plugins: one records what each test calls, one runs those of one mutant."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest
from hypothesis import Phase, settings

from tests.mutation.mutants import ROOT, Mutant

FAST = ["tests/unit", "tests/fuzz", "tests/contracts/test_tables.py"]
LEFT_OUT = ("test_layers.py", "test_walks.py", "test_mutants.py", "[moto", "[emulator")
QUICK = 1.0  # seconds
PREFIXES = (str(ROOT / "shared/onramp"), str(ROOT / "functions"))


@dataclass(frozen=True, slots=True)
class Judge:
    """One test: the seconds of processor time that it takes, and the functions it calls as `path owner`."""

    test: str
    passed: bool
    seconds: float
    calls: frozenset[str]


def judges_of(mutant: Mutant, judges: Sequence[Judge]) -> list[Judge]:
    """The quickest first; for an error outside a function also those that may see it from another module."""
    relative = str(mutant.path.relative_to(ROOT))

    def calls_it(judge: Judge) -> bool:
        if mutant.owner:
            return f"{relative} {mutant.owner}" in judge.calls
        return any(call.startswith(f"{relative} ") for call in judge.calls)

    near = [judge for judge in judges if calls_it(judge)]
    far = [judge for judge in judges if not mutant.owner and judge not in near and judge.seconds < QUICK]
    return [*sorted(near, key=lambda judge: judge.seconds), *sorted(far, key=lambda judge: judge.seconds)]


class Repeatable:
    """The fuzz tests draw the same examples in each run, and do not look for a smaller one that fails."""

    def pytest_configure(self) -> None:
        phases = (Phase.explicit, Phase.generate)
        settings.register_profile("mutation", derandomize=True, database=None, deadline=None, phases=phases)
        settings.load_profile("mutation")


@dataclass(eq=False)  # pytest hashes its plugins
class Recorder:
    """Runs the fast tests without a mutant and records each as a Judge."""

    judges: list[Judge] = field(default_factory=list)
    _passed: bool = True

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if not any(part in item.nodeid for part in LEFT_OUT)]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        called: set[CodeType] = set()

        def trace(frame: FrameType, event: str, argument: Any) -> None:
            called.add(frame.f_code)

        self._passed, started = True, time.process_time()
        threading.settrace(trace)
        sys.settrace(trace)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)
            seconds = time.process_time() - started
            self.judges.append(Judge(item.nodeid, self._passed, seconds, frozenset(filter(None, map(_name, called)))))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._passed = self._passed and not report.failed


def _name(code: CodeType) -> str | None:
    if not code.co_filename.startswith(PREFIXES):
        return None
    return f"{Path(code.co_filename).relative_to(ROOT)} {code.co_qualname.split('.<locals>')[0]}"


class Selection:
    """Runs some tests in an order. A test that takes far more time than usual ends the process: it hangs."""

    def __init__(self, judges: Sequence[Judge]) -> None:
        self._place = {judge.test: place for place, judge in enumerate(judges)}
        self._seconds = {judge.test: judge.seconds for judge in judges}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self._place), key=lambda item: self._place[item.nodeid]
        )

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        usual = self._seconds[item.nodeid]
        signal.setitimer(signal.ITIMER_PROF, 10 + 5 * usual)  # processor time
        signal.alarm(round(60 + 30 * usual))
