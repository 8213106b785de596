"""Each guard of the protocol is missed at once, by the promise it is for."""

from __future__ import annotations

import pytest

from tests.simulation import invariants
from tests.simulation.mutants import ALL, COVERED, Covered, Mutant
from tests.simulation.reckoning import play


@pytest.mark.parametrize("mutant", ALL, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught(mutant: Mutant) -> None:
    assert not play(mutant.schedule).broken
    with mutant.at_work():
        broken = play(mutant.schedule).broken
    assert broken.keys() == mutant.caught_by if mutant.alone else broken.keys() >= mutant.caught_by, broken


@pytest.mark.parametrize("covered", COVERED, ids=lambda covered: covered.name)
def test_what_another_guard_covers_breaks_nothing(covered: Covered) -> None:
    with covered.at_work():
        assert not play(covered.schedule).broken


def test_every_promise_has_a_mutant_that_only_it_catches() -> None:
    alone = {name for mutant in ALL if mutant.alone for name in mutant.caught_by}
    assert alone == {invariant.name for some in invariants.ALL.values() for invariant in some}
    assert len({mutant.name for mutant in ALL}) == len(ALL)
