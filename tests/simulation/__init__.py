"""The simulator: the real handlers over fakes of everything around them, with faults at every remote call.

    make simulate                                     10,000 random schedules, all pairs of faults, bursts, backfills
    python -m tests.simulation.run --seed 4711        one random schedule again, with its trace

A schedule (`schedules.py`) contains the steps of a few people with their times; it is drawn from a seed
(`random_schedules.py`) or written out. The runner (`runner.py`) plays it on one virtual clock. Every invocation and
every tool is a greenlet (`scheduler.py`): at each remote call (`remote_calls.py`) other greenlets run and the call may
fail (`fault_injection.py`). Then the faults stop, time advances, and the invariants (`invariants/`) must hold; most of
them are checked during the whole run.

Where to find what:
- steps of a schedule: `user_steps.py`, `operator_steps.py`, `environment_steps.py`
- AWS around the handlers: `lambdas.py` (environments, clocks), `delivery.py` (bus -> queue -> worker), `tasks.py`
- one run: `simulation.py`, `observations.py` (what the fakes saw), `runner.py`; many runs: `totals.py`, `run.py`
- schedules: `fault_enumeration.py` (every fault, every pair), `scale.py` (bursts), `bulk.py` and
  `coarse_bulk.py` (backfills), `shrinking.py` (smaller failures)
- does the simulator notice? `mutants/` removes each guard of the protocol, with `edits.py`

Assumptions, which are the protocol's own:
- Workers' clocks are at most 15 minutes off, and a provider receives a late request within 10 minutes: together they
  fit in the quiet hour. All other clocks (trigger, reconciler, operator tools) may be a day off.
- A request that Stripe refuses under an idempotency key is always refused under that key. A 500 has been applied by the
  time of the list, or is never applied.
- `restore` does not lose a profile whose record was created again since, has another address, or was written by a clock
  a day off: with no intent and a wrong `linkedAt`, nothing indicates that a customer may already exist.
- An e-mail does not change in Cognito while a signup or a heal of that user is in progress: an index that lags cannot
  show it.
"""
