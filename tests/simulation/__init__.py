"""The simulator: the real handlers over fakes of everything around them, and whatever can go wrong there.

    make simulate                                     10,000 schedules, all pairs of faults, the storms
    python -m tests.simulation.run --seed 4711        one schedule again, with what happened in it

A schedule (`schedules.py`) is people and what they do when; it is drawn from a seed or written out. A run
(`simulation.py`) plays it on one virtual clock with greenlets as actors (`scheduler.py`), so that every remote call is
a place where others go on and where something may fail (`network.py`, `weather.py`). Then the faults stop, time goes
on, and the promises (`invariants.py`) must hold; most are held all the way.

What is assumed, because the protocol assumes it too:
- workers' clocks are at most 15 minutes off, and a provider gets a late request within 10 minutes: together they fit in
  the quiet hour. All other clocks (trigger, reconciler, operator tools) may be a day off.
- what Stripe refuses under an idempotency key it refuses under that key for ever; a 500 has done its work by the time
  we list, or never does it.
- a profile is not lost with its table (`restore`) where the record was made anew since or goes by another address, or
  by a clock a day off: with no intent and a `linkedAt` that lies, nothing says that there may be a customer already.
- an e-mail changes in Cognito when no signup or healing of that user is under way: an index that lags cannot tell.
"""
