"""What must hold in every run: the promises of the design, each with its sentence.

An invariant of a moment is checked at each such moment (a write, an event, an acknowledgement); those of `recovered`,
`redriven` and `replayed` are checked once, after the faults have stopped. A check returns the problem, or None.
"""

from tests.simulation.invariants import events, final, identity, owed, profiles
from tests.simulation.invariants.registry import REGISTERED, Invariant, Moment

__all__ = ["REGISTERED", "Invariant", "Moment", "events", "final", "identity", "owed", "profiles"]
