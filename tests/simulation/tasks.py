"""Futures and thread pools as actors: the parallel tasks of the code under test interleave like all other actors."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from tests.fakes import ProcessKilled
from tests.simulation.scheduler import Actor, Scheduler


class Task(Future[Any]):
    """A future: waiting for its result lets other actors run."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__()
        self._scheduler = scheduler
        self.waiters: list[Actor] = []

    def result(self, timeout: float | None = None) -> Any:
        self._scheduler.wait_for(self.done, self.waiters)
        return super().result(timeout)


class GreenletExecutor(Executor):
    """A thread pool without threads: each task is an actor of the process that submits it."""

    def __init__(self, scheduler: Scheduler, on_end: Callable[[tuple[Any, ...], Future[Any]], None]) -> None:
        self._scheduler, self._on_end = scheduler, on_end

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Task:
        task = Task(self._scheduler)
        process = self._scheduler.process
        if process is None:
            raise RuntimeError("only an actor can submit tasks")

        def run() -> None:
            try:
                task.set_result(fn(*args, **kwargs))
            except ProcessKilled:
                process.dead = True
                task.cancel()
                self._scheduler.wake(task.waiters)
                raise
            except Exception as error:  # noqa: BLE001  # a pool keeps every exception of a task
                task.set_exception(error)
            self._on_end(args, task)
            self._scheduler.wake(task.waiters)

        self._scheduler.start(process, run)
        return task
