"""The calls that one signup makes to AWS and the providers, as observed in the in-memory pipeline.

tests/unit/test_calls_per_signup.py compares them with the table of docs/architecture.md, and tests/bench/cost.py
calculates the price of a signup from them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.fakes.client import paginator
from tests.pipeline import EMAIL, SUB, InMemoryPipeline

FIRST = "first@example.com", "00000000-0000-0000-0000-000000000001"


class Call(NamedTuple):
    """`target`: a table or an index, an event, a parameter or a path."""

    operation: str
    target: str


class Recorder:
    """A fake AWS client that notes each call, every page of a paginator included."""

    def __init__(self, client: Any, calls: list[Call]) -> None:
        self._client, self._calls = client, calls

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._client, name)
        operation = self._client.meta.method_to_api_mapping.get(name)
        if operation is None:
            return attribute

        def call(**request: Any) -> Any:
            self._calls.append(Call(operation, _target(request)))
            return attribute(**request)

        return call

    def get_paginator(self, operation: str) -> Any:
        return paginator(self, self._client.service, operation)


def _target(request: dict[str, Any]) -> str:
    match request:
        case {"TableName": table, "IndexName": index}:
            return f"{_table(table)}.{index}"
        case {"TableName": table}:
            return _table(table)
        case {"RequestItems": tables}:
            return ", ".join(map(_table, tables))
        case {"Entries": entries}:
            return ", ".join(entry["DetailType"] for entry in entries)
        case {"Name": parameter}:
            return str(parameter)
    return ""


def _table(logical_id: str) -> str:
    return logical_id.removesuffix("Table")


@contextmanager
def recorded(pipeline: InMemoryPipeline) -> Iterator[list[Call]]:
    """The calls made so far, in their order; functions that run in the block for the first time have a cold start."""
    calls: list[Call] = []
    for service, client in pipeline.aws.items():
        pipeline.aws[service] = Recorder(client, calls)
    for provider in (pipeline.stripe, pipeline.revenuecat):
        _record_provider(provider, calls)
    pipeline.cold_start()
    yield calls


def _record_provider(provider: Any, calls: list[Call]) -> None:
    handle, name = provider.handle, type(provider).__name__.removeprefix("Fake")

    def recording(request: Any) -> Any:
        calls.append(Call(f"{request.method} {name}", request.path))
        return handle(request)

    provider.handle = recording


@dataclass(frozen=True)
class Observed:
    """The calls of each function. `at_start`: the additional ones of the worker's first message."""

    trigger: list[Call] = field(default_factory=list)
    worker: list[Call] = field(default_factory=list)
    at_start: list[Call] = field(default_factory=list)
    reconciler: list[Call] = field(default_factory=list)


def of_signup(prepare: Callable[[InMemoryPipeline], object] = lambda _: None) -> Observed:
    """A signup of two names in functions that have processed one before. `prepare` is called before the signup."""
    with InMemoryPipeline() as pipeline, recorded(pipeline) as calls:
        pipeline.sign_up(*FIRST)
        first = _made(calls, pipeline.run_worker)
        pipeline.cognito.add_user(SUB, {"sub": SUB, "email": EMAIL, "email_verified": "true"}, "CONFIRMED")
        prepare(pipeline)
        calls.clear()
        trigger = _made(calls, lambda: pipeline.sign_up(EMAIL, SUB, given_name="Nia", family_name="New"))
        worker = _made(calls, pipeline.run_worker)
        assert (pipeline.profile(SUB) or {})["provisioningStatus"] == "ready"
        return Observed(trigger, worker, _without(first, worker), _idle_run(pipeline, calls))


def _made(calls: list[Call], action: Callable[[], object]) -> list[Call]:
    calls.clear()
    action()
    return list(calls)


def _idle_run(pipeline: InMemoryPipeline, calls: list[Call]) -> list[Call]:
    """A later run with nothing owed. The pool has one user, who has a record."""
    pipeline.reconcile()
    pipeline.clock.advance(3600)
    return _made(calls, pipeline.reconcile)


def _without(calls: list[Call], others: list[Call]) -> list[Call]:
    return list((Counter(calls) - Counter(others)).elements())
