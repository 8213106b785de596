"""Every call of a signup with every fault, every call of the other scenarios with one fault, and a sample of pairs.

`make simulate` runs all pairs of the signup.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import onramp
from tests.simulation.fault_enumeration import SCENARIOS, distinct_faults, fault_pairs, single_faults
from tests.simulation.schedules import Schedule
from tests.simulation.shrinking import describe
from tests.simulation.totals import Totals, run_all

PACKAGE = Path(onramp.__file__).parent


def without_failures(schedules: Iterable[Schedule]) -> Totals:
    totals = run_all(schedules)
    failures = (f"{problem}\n{describe(schedule)}" for problem, schedule in totals.failures[:3])
    assert not totals.failures, "\n".join(failures)
    return totals


def one_of_each_call(scenario: Schedule) -> Iterator[Schedule]:
    """One fault at each call, a different one from call to call."""
    by_call: dict[object, list[Schedule]] = {}
    for single in single_faults(scenario):
        (spot,) = single.faults.keys() - scenario.faults.keys()
        by_call.setdefault(spot, []).append(single)
    return (faults[number % len(faults)] for number, faults in enumerate(by_call.values()))


def test_every_scenario_holds_without_a_fault() -> None:
    assert without_failures(SCENARIOS.values()).runs == len(SCENARIOS)


def test_every_call_of_a_signup_with_every_fault() -> None:
    assert without_failures(single_faults(SCENARIOS["signup"])).runs > 400


def test_every_remote_method_is_called_and_faulted() -> None:
    totals = Totals()
    for scenario in SCENARIOS.values():
        totals.add(without_failures(one_of_each_call(scenario)))
    assert totals.never_faulted == []
    called = {site.caller.split(" < ")[0] for site in totals.sites}
    assert remote_methods() <= called


def test_a_sample_of_all_pairs() -> None:
    rng = random.Random(1)
    for scenario in SCENARIOS.values():
        (first,) = rng.sample(list(distinct_faults(scenario)), 1)
        all_pairs = list(fault_pairs(scenario, first))
        without_failures(rng.sample(all_pairs, min(20, len(all_pairs))))


def remote_methods() -> set[str]:
    """The methods of ports whose adapter's source calls a client."""
    ports = {method.name for owner, method in methods(PACKAGE, PACKAGE / "enrichers") if is_port(owner)}
    return {
        f"{owner.name}.{method.name}"
        for owner, method in methods(PACKAGE / "adapters")
        if method.name in ports and "self.client." in ast.unparse(method)
    }


def methods(*folders: Path) -> Iterator[tuple[ast.ClassDef, ast.FunctionDef]]:
    for path in (path for folder in folders for path in sorted(folder.glob("*.py"))):
        for owner in ast.walk(ast.parse(path.read_text())):
            if isinstance(owner, ast.ClassDef):
                yield from ((owner, method) for method in owner.body if isinstance(method, ast.FunctionDef))


def is_port(owner: ast.ClassDef) -> bool:
    return any(ast.unparse(base) == "Protocol" for base in owner.bases)
