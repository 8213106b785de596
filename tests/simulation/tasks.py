"""Futures and their pool, as actors: what the code under test runs side by side interleaves like everything else."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from tests.fakes import ProcessKilled
from tests.simulation.scheduler import Actor, Scheduler


class Task(Future[Any]):
    """A future whose result is waited for by letting others go on."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__()
        self._scheduler = scheduler
        self.waiters: list[Actor] = []

    def result(self, timeout: float | None = None) -> Any:
        self._scheduler.wait_for(self.done, self.waiters)
        return super().result(timeout)


class Greenlets(Executor):
    """A thread pool without threads: each task is an actor of the process that submits it."""

    def __init__(self, scheduler: Scheduler, watch: Callable[[tuple[Any, ...], Future[Any]], None]) -> None:
        self._scheduler, self._watch = scheduler, watch

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Task:
        task = Task(self._scheduler)
        process = self._scheduler.process
        if process is None:
            raise RuntimeError("only an actor has tasks")

        def run() -> None:
            try:
                task.set_result(fn(*args, **kwargs))
            except ProcessKilled:
                process.dead = True
                task.cancel()
                self._scheduler.wake(task.waiters)
                raise
            except Exception as error:  # noqa: BLE001  # as a pool keeps whatever a task raises
                task.set_exception(error)
            self._watch(args, task)
            self._scheduler.wake(task.waiters)

        self._scheduler.start(process, run)
        return task
