"""Lambda: execution environments of each function, reused between invocations, gone when a process is killed."""

from __future__ import annotations

import os
import random
from functools import cache
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any

from tests.fakes import ProcessKilled
from tests.pipeline import LambdaContext
from tests.simulation.scheduler import NEVER, Process
from tests.template import ROOT

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

MINUTE, DAY = 60.0, 86_400.0
TIMEOUTS = {"post_confirmation": 5.0, "enrich_profile": 60.0, "heal_signup": 60.0, "reconcile": 240.0}
SKEWS = {"worker": 15 * MINUTE, "trigger": DAY, "heal": DAY, "reconcile": DAY, "operator": DAY}
"""Seconds that a clock may be off: see the assumptions in __init__.py."""
Environment = tuple[str, int]


class Lambdas:
    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._modules: dict[Environment, ModuleType] = {}
        self._busy: set[Environment] = set()
        self.releases: set[str] = set()
        self.kills = 0
        self.reconcilers = 0
        """The largest number that ran at once."""

    def invoke(self, process: Process, function: str, event: Any) -> Any:
        """Invokes the function in its first free environment. Returns and raises what the handler does."""
        environment = self._environment(function, process)
        if function == "reconcile":
            self.reconcilers = max(self.reconcilers, environment[1] + 1)
        process.deadline = self._sim.clock() + TIMEOUTS[function]
        process.skew = self.skew(process.role, str(environment))
        try:
            answer = self._module(environment).handler(event, LambdaContext(self._sim, TIMEOUTS[function]))
        except ProcessKilled:
            self._modules.pop(environment, None)
            self.kills += 1
            raise
        finally:
            self._busy.discard(environment)
        process.deadline = NEVER
        return answer

    def cold_start(self) -> None:
        self._modules.clear()

    def _environment(self, function: str, process: Process) -> Environment:
        slot = next(slot for slot in range(1000) if (function, slot) not in self._busy)
        self._busy.add((function, slot))
        if self._sim.schedule.random_timing and process.latency_rng.random() < 0.1:
            self._modules.pop((function, slot), None)
        return function, slot

    def _module(self, environment: Environment) -> Any:
        """Every second environment of a function runs the older release."""
        if environment not in self._modules:
            os.environ["CODE_VERSION"] = release = "old" if environment[1] % 2 else "new"
            self.releases.add(f"{release} {environment[0]}")
            module = ModuleType(f"functions.{environment[0]}.handler")
            exec(handler_code(environment[0]), module.__dict__)  # noqa: S102  # an import that does not change sys.modules
            self.imported(module)
            self._modules[environment] = module
        return self._modules[environment]

    def imported(self, module: ModuleType) -> None:
        """Called after each import of a handler; mutants of handlers replace it."""

    def skew(self, role: str, machine: str) -> float:
        """Seconds that the clock of a machine is off."""
        if not self._sim.schedule.random_timing or self._sim.faults.stopped:
            return 0.0
        rng = random.Random(f"{self._sim.schedule.seed}/{machine}/skew")
        most = rng.choice((0.0, MINUTE, SKEWS[role]))
        if any(step.kind == "restore" for step in self._sim.schedule.steps):
            most = min(most, MINUTE)
        return most * rng.uniform(-1, 1)


@cache
def handler_code(function: str) -> CodeType:
    path = ROOT / "functions" / function / "handler.py"
    return compile(path.read_text(), str(path), "exec")
