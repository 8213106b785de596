"""The guards of the protocol, each removed once, with the shortest schedule on which an invariant then breaks.

`naive`     the protocols that one would write first
`owed`      the rows of the first "why each" table
`profiles`  the conditions of the profile writes, and the worker's short cut
`stripe`    the Stripe section
`relink`    the rules of a relink, and of ids that another writer set
`inherited` the rules of the intents that a relinked record inherits
`promises`  one for each invariant that no mutant of the other files breaks alone

`COVERED` are guards that another guard covers, each with the reason.
"""

from tests.simulation.mutants import inherited, naive, owed, profiles, promises, relink, stripe
from tests.simulation.mutants.mutant import Covered, Mutant

ALL: tuple[Mutant, ...] = (
    *naive.MUTANTS,
    *owed.MUTANTS,
    *profiles.MUTANTS,
    *stripe.MUTANTS,
    *relink.MUTANTS,
    *inherited.MUTANTS,
    *promises.MUTANTS,
)
COVERED: tuple[Covered, ...] = (*owed.COVERED, *stripe.COVERED, *relink.COVERED, *inherited.COVERED)

__all__ = ["ALL", "COVERED", "Covered", "Mutant"]
