"""The guards of the protocol, each taken away once, with the shortest schedule on which it is missed."""

from tests.simulation.mutants import naive, owed, profiles, promises, stripe
from tests.simulation.mutants.mutant import Covered, Mutant

ALL: tuple[Mutant, ...] = (*naive.MUTANTS, *owed.MUTANTS, *profiles.MUTANTS, *stripe.MUTANTS, *promises.MUTANTS)
COVERED: tuple[Covered, ...] = (*owed.COVERED, *profiles.COVERED, *stripe.COVERED)

__all__ = ["ALL", "COVERED", "Covered", "Mutant"]
