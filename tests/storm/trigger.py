"""From Cognito's quota to the bus: the trigger's environments, its conditional write and its event."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from onramp.domain.errors import RetryableError
from onramp.domain.users import SHARDS
from tests.simulation.scheduler import Scheduler
from tests.storm.limits import INF, Durations, Limits
from tests.storm.owed import OwedTable, Users
from tests.storm.pace import Pace
from tests.storm.tally import Tally

PROFILE_WRITES = 5
"""Of one user to UserProfiles: the profile, Stripe's intent, two steps, ready."""
ATTEMPTS, ATTEMPT_EVERY = 3, 1.0
"""Cognito's attempts at a trigger that is throttled; their distance is not documented."""
WRITE_PATIENCE, EVENT_PATIENCE = 1.0, 0.7  # seconds that the trigger has for them


class Environments:
    """Lambda's concurrency, of all functions of the account. In groups of `grain`."""

    def __init__(self, limits: Limits, tally: Tally, clock: Callable[[], float]) -> None:
        self._tally = tally
        self._most = limits.lambda_concurrency / tally.grain
        self._new = Pace(
            "lambda_scaling",
            limits.lambda_scaling / tally.grain,
            limits.lambda_scaling * 10 / tally.grain,
            0.0,
            clock,
            tally.reached,
        )
        self.busy = 0.0
        self._idle = 0

    def has_room(self, count: float = 1.0) -> bool:
        if self.busy + count <= max(self._most, 1.0):
            return True
        self._tally.reached["lambda_concurrency"] += 1
        return False

    def start(self) -> bool:
        """Takes an idle environment of the trigger. False: a new one. Raises RetryableError: throttled."""
        if not self.has_room():
            raise RetryableError("throttled")
        if not self._idle:
            self._new.take()
        self.busy += 1
        warm, self._idle = self._idle > 0, max(0, self._idle - 1)
        return warm

    def end(self) -> None:
        self.busy -= 1
        self._idle += 1


class Trigger:
    def __init__(
        self,
        scheduler: Scheduler,
        limits: Limits,
        durations: Durations,
        tally: Tally,
        environments: Environments,
        table: OwedTable,
        deliver: Callable[[Users], None],
    ) -> None:
        self._scheduler, self._durations, self._tally = scheduler, durations, tally
        self._environments, self._table, self._deliver = environments, table, deliver
        self._number = 0

        def pace(name: str, rate: float, patience: float) -> Pace:
            rate /= tally.grain
            return Pace(name, rate, rate, patience, scheduler.clock, tally.reached)

        self._cognito = pace("cognito", limits.cognito, 0.0)
        self._writes = pace("table_writes", limits.table_writes, WRITE_PATIENCE)
        self._shards = [pace("shard_writes", limits.shard_writes, WRITE_PATIENCE) for _ in range(SHARDS)]
        self._profiles = pace("table_writes", limits.table_writes / PROFILE_WRITES, INF)
        self._events = pace("put_events", limits.put_events, EVENT_PATIENCE)
        self._bus = pace("bus_deliveries", limits.bus_deliveries, INF)

    def sign_up(self) -> None:
        try:
            self._cognito.take()
        except RetryableError:
            self._tally.refused += 1
        else:
            self._attempt(self._scheduler.clock(), 1)

    def _attempt(self, signed_up: float, attempt: int) -> None:
        try:
            warm = self._environments.start()
        except RetryableError:
            if attempt < ATTEMPTS:
                self._scheduler.later(ATTEMPT_EVERY, partial(self._attempt, signed_up, attempt + 1))
            else:
                self._tally.unrecorded += 1
            return
        start = 0.0 if warm else self._durations.cold_start
        self._scheduler.later(start + self._durations.call, partial(self._write, signed_up))

    def _write(self, signed_up: float) -> None:
        self._number += 1
        users = self._table.create(self._number)
        users.signed_up = signed_up
        try:
            wait = max(self._writes.take(), self._shards[users.shard].take())
        except RetryableError:
            self._table.settle(users)
            self._tally.unrecorded += 1
            wait = 0.0
        else:
            self.publish(users, wait + self._durations.call)
        self._scheduler.later(wait + self._durations.call, self._environments.end)

    def backfill(self) -> None:
        """The same write and event by `onramp backfill`."""
        self._number += 1
        self.publish(self._table.create(self._number, backfilled=True), 0.0)

    def publish(self, users: Users, after: float) -> None:
        """Where the bus does not take the event in time, the record still owes it."""
        try:
            wait = self._events.take()
        except RetryableError:
            return
        self._scheduler.later(after + wait + self._durations.bus + self._bus.take(), partial(self._deliver, users))

    def settle(self, users: Users) -> float:
        """Seconds that the worker waits for its writes: a delete from the shard counts as one too."""
        if not users.owed:
            return 0.0
        try:
            return max(self._profiles.take(), self._writes.take(), self._shards[users.shard].take())
        except RetryableError as throttled:  # the SDK repeats the call
            return throttled.delay or 0.0
