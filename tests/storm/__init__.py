"""`make storm`: a discrete-event simulation of the deployed limits, from one signup a second to ten million users.

    python -m tests.storm.run            all scenarios
    python -m tests.storm.run --write    and docs/scale.md with its plots

The simulator of `tests/simulation` runs the handlers with every remote call: a few thousand users in a minute. Here a
user is a few events, and one object may stand for `grain` users, so that a million users take seconds. What decides
is the shipped code: the token buckets, the backoff, the reconciler's use case, the sweep, the backfill's rules for the
queue and the shards of OwedIndex. Only the calls between them are replaced by their durations.

- `quotas.py`: AWS's and the providers' limits with their sources; `limits.py` these and the settings of template.yaml
- `trigger.py`, `queue.py`, `worker.py`, `owed.py`, `backfill.py`, `sweep.py`: the parts; `pipeline.py` joins them
- `scenarios.py` the scenarios; `knee.py` the largest rate that is held, and which limit binds
- `calibration.py` compares with the handlers themselves, `document.py` writes docs/scale.md
"""
