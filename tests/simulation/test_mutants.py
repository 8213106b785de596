"""Each guard of the protocol, removed: the invariant that it is for breaks."""

from __future__ import annotations

import pytest

from tests.simulation.invariants import REGISTERED
from tests.simulation.mutants import ALL, COVERED, Covered, Mutant
from tests.simulation.runner import run_schedule


@pytest.mark.parametrize("mutant", ALL, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught(mutant: Mutant) -> None:
    assert not run_schedule(mutant.schedule).broken
    with mutant.applied():
        broken = run_schedule(mutant.schedule).broken
    assert broken.keys() == mutant.caught_by if mutant.alone else broken.keys() >= mutant.caught_by, broken


@pytest.mark.parametrize("covered", COVERED, ids=lambda covered: covered.name)
def test_a_guard_that_another_covers_can_be_removed(covered: Covered) -> None:
    with covered.applied():
        assert not run_schedule(covered.schedule).broken


def test_every_invariant_has_a_mutant_that_only_it_catches() -> None:
    alone = {name for mutant in ALL if mutant.alone for name in mutant.caught_by}
    assert alone == {invariant.name for registered in REGISTERED.values() for invariant in registered}
    assert len({mutant.name for mutant in ALL}) == len(ALL)
