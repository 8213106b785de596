"""Who goes on next: one virtual clock, one order of events, no threads.

Every actor is a greenlet. It runs until it waits, and it waits at every remote call (`network.py`), so others go on
between any two calls of the real code. The next one is whose time comes first; times come from seeded latencies, so a
seed replays a run exactly, and leaving one actor out changes no other's latencies.
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
    """What dies together: one invocation of a function, or one run of a person's tool.

    `skew` is how far its clock is off; nothing of it goes on after `deadline`.
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
    def latency(self) -> random.Random:
        return self._random("latency")

    @cached_property
    def luck(self) -> random.Random:
        return self._random("luck")

    @cached_property
    def chance(self) -> random.Random:
        return self._random("chance")

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
        """Whose code is running, or whose late request arrives; None outside of all actors."""
        current = getcurrent()
        return current.process if isinstance(current, Actor) else self._sender

    def start(self, process: Process, run: Callable[[], object], after: float = 0.0) -> None:
        def live() -> None:
            try:
                if not process.dead:
                    run()
            except ProcessKilled:
                process.dead = True
            finally:
                self._actors.discard(actor)

        actor = Actor(live, self._hub)
        actor.process = process
        self._actors.add(actor)
        self._put(self.clock() + after, actor)

    def later(self, seconds: float, happens: Callable[[], object], sender: Process | None = None) -> None:
        """Something that just happens and waits for nothing itself, in the name of a sender where it has one."""

        def arrive() -> None:
            self._sender = sender
            happens()
            self._sender = None

        self._put(self.clock() + seconds, arrive)

    def _put(self, when: float, what: Actor | Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._waiting, (when, self._count, what))

    def sleep(self, seconds: float) -> None:
        """Lets the others go on. Raises ProcessKilled where the process is over before the time is."""
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
        """Lets the others go on until `done`; whoever makes it so wakes those in `wake`."""
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
        """Goes on until nothing waits that is due by `until`. `poll` starts what can be started and says when to be
        asked again."""
        while True:
            ask = poll()
            when = self._waiting[0][0] if self._waiting else NEVER
            if min(when, ask) > until or min(when, ask) == NEVER:
                break
            if ask < when:
                self.clock.now = max(self.clock.now, ask)
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
        """Whoever still waits dies here, and not whenever their memory is collected."""
        for actor in sorted(self._actors, key=lambda one: one.process.label):
            actor.process.dead = True
            actor.throw()
