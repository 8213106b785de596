"""Every call with every fault on the way of a signup, and every call with some fault on the other ways.

The pairs are a sample here; `make simulate` plays all of them.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import onramp
from tests.simulation.exhaustive import WAYS, pairs, singles, unlike
from tests.simulation.schedules import Schedule
from tests.simulation.shrinking import story
from tests.simulation.tally import Tally, tally

PACKAGE = Path(onramp.__file__).parent


def fine(schedules: Iterable[Schedule]) -> Tally:
    found = tally(schedules)
    assert not found.failures, "\n".join(f"{problem}\n{story(schedule)}" for problem, schedule in found.failures[:3])
    return found


def one_of_each_call(way: Schedule) -> Iterator[Schedule]:
    """A different fault at each call: over the ways every fault has its turn."""
    by_call: dict[object, list[Schedule]] = {}
    for single in singles(way):
        (spot,) = single.faults.keys() - way.faults.keys()
        by_call.setdefault(spot, []).append(single)
    return (some[number % len(some)] for number, some in enumerate(by_call.values()))


def test_nothing_is_wrong_without_a_fault() -> None:
    assert fine(WAYS.values()).runs == len(WAYS)


def test_every_call_of_a_signup_with_every_fault() -> None:
    assert fine(singles(WAYS["signup"])).runs > 400


def test_every_call_of_every_way_fails_somehow_and_no_call_is_forgotten() -> None:
    found = Tally()
    for way in WAYS.values():
        found.add(fine(one_of_each_call(way)))
    assert found.never_faulted == []
    called = {site.caller.split(" < ")[0] for site in found.sites}
    assert remote_methods() <= called


def test_a_sample_of_all_pairs() -> None:
    rng = random.Random(1)
    for way in WAYS.values():
        (first,) = rng.sample(list(unlike(way)), 1)
        found = list(pairs(way, first))
        fine(rng.sample(found, min(20, len(found))))


def remote_methods() -> set[str]:
    """Every method of a port, as its adapter's source says, that calls a client."""
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
