"""Which actor runs next: one virtual clock, one order of events, no threads.

Every actor is a greenlet. It runs until it waits, and it waits at every remote call (`remote_calls.py`), so other
actors run between any two calls of the code under test. The actor with the earliest wake-up time runs next. Latencies
are seeded per process: a seed repeats a run exactly, and removing one actor does not change the latencies of another.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from greenlet import getcurrent, greenlet

from tests.fakes import ProcessKilled, VirtualClock

NEVER = float("inf")


@dataclass(eq=False)
class Process:
    """What is killed as one: an invocation of a function, or a run of a person's tool.

    `skew` is how many seconds its clock is off; it is killed at `deadline`.
    """

    label: str
    role: str
    seed: str = ""
    skew: float = 0.0
    deadline: float = NEVER
    dead: bool = False
    calls: int = 0
    seen: dict[str, int] = field(default_factory=dict)

    @cached_property
    def latency_rng(self) -> random.Random:
        return self._random("latency")

    @cached_property
    def fault_rng(self) -> random.Random:
        return self._random("fault")

    @cached_property
    def jitter_rng(self) -> random.Random:
        return self._random("jitter")

    def _random(self, what: str) -> random.Random:
        return random.Random(f"{self.seed}/{self.label}/{what}")

    def occurrence(self, what: str) -> str:
        """`what` with its number in this process: `UserTable.claim`, `UserTable.claim@2`."""
        self.seen[what] = number = self.seen.get(what, 0) + 1
        return what if number == 1 else f"{what}@{number}"


class Actor(greenlet):  # type: ignore[misc]  # greenlet ships no types
    process: Process


class Scheduler:
    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self._began = clock()
        self._hub = getcurrent()
        self._waiting: list[tuple[float, int, Actor | Callable[[], None]]] = []
        self._actors: set[Actor] = set()
        self._count = 0
        self._sender: Process | None = None

    @property
    def elapsed(self) -> float:
        return self.clock() - self._began

    @property
    def process(self) -> Process | None:
        """The process whose code runs or whose late request arrives; None outside all actors."""
        current = getcurrent()
        return current.process if isinstance(current, Actor) else self._sender

    def start(self, process: Process, run: Callable[[], object], after: float = 0.0) -> None:
        def body() -> None:
            try:
                if not process.dead:
                    run()
            except ProcessKilled:
                process.dead = True
            finally:
                self._actors.discard(actor)

        actor = Actor(body, self._hub)
        actor.process = process
        self._actors.add(actor)
        self._put(self.clock() + after, actor)

    def later(self, seconds: float, call: Callable[[], object], sender: Process | None = None) -> None:
        """Calls something that does not wait itself; `process` is the sender meanwhile."""

        def arrive() -> None:
            self._sender = sender
            call()
            self._sender = None

        self._put(self.clock() + seconds, arrive)

    def _put(self, when: float, what: Actor | Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._waiting, (when, self._count, what))

    def sleep(self, seconds: float) -> None:
        """Lets other actors run. Raises ProcessKilled if the process's deadline comes first."""
        actor = getcurrent()
        if not isinstance(actor, Actor):
            self.clock.advance(seconds)
            return
        process, wakes = actor.process, self.clock() + seconds
        self._put(min(wakes, process.deadline), actor)
        self._hub.switch()
        if wakes > process.deadline:
            process.dead = True
        if process.dead:
            raise ProcessKilled

    def wait_for(self, done: Callable[[], bool], wake: list[Actor]) -> None:
        """Lets other actors run until `done`; the actor that makes it so calls `wake` with the list."""
        while not done():
            wake.append(getcurrent())
            self._hub.switch()
        if (process := self.process) and process.dead:
            raise ProcessKilled

    def wake(self, actors: list[Actor]) -> None:
        for actor in actors:
            self._put(self.clock(), actor)
        actors.clear()

    def run(self, until: float = NEVER, poll: Callable[[], float] = lambda: NEVER) -> None:
        """Runs until no actor is due by `until`. `poll` starts further actors and returns the time of the next poll."""
        while True:
            next_poll = poll()
            when = self._waiting[0][0] if self._waiting else NEVER
            if min(when, next_poll) > until or min(when, next_poll) == NEVER:
                break
            if next_poll < when:
                self.clock.now = max(self.clock.now, next_poll)
                continue
            _, _, what = heapq.heappop(self._waiting)
            self.clock.now = max(self.clock.now, when)
            if isinstance(what, Actor):
                what.switch()
            else:
                what()
        if until < NEVER:
            self.clock.now = max(self.clock.now, until)

    def close(self) -> None:
        """Kills the actors that still wait, here and not at some later garbage collection."""
        for actor in sorted(self._actors, key=lambda actor: actor.process.label):
            actor.process.dead = True
            actor.throw()
