"""The hook that SnapStart runs after a restore: what it renews, and that it fails no signup."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from onramp.wiring import connections, restore


class Client:
    """An AWS client with the credentials of its session."""

    def __init__(self, done: list[str], *, error: Exception | None = None) -> None:
        self._done, self._error = done, error

    def close(self) -> None:
        self._done.append("closed")
        if self._error:
            raise self._error

    def get_credentials(self) -> Client:
        return self

    def get_frozen_credentials(self) -> None:
        self._done.append("credentials")


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    library: Any = ModuleType("snapshot_restore_py")
    registered: list[Callable[[], None]] = []
    library.register_after_restore = registered.append
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", library)
    return registered


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    done: list[str] = []

    def opened(clients: list[Any]) -> Callable[[], bool]:
        def wait() -> bool:
            done.append("waited")
            return True

        done.append(f"opened {len(clients)}")
        return wait

    monkeypatch.setattr(connections, "open_connections", opened)
    return done


def test_connections_are_dropped_before_new_ones_are_opened(hooks: list[Callable[[], None]], done: list[str]) -> None:
    session: Any = Client(done)
    restore.register(session, [Client(done), Client(done)])
    (hook,) = hooks
    assert done == []
    hook()
    assert done == ["closed", "closed", "opened 2", "credentials", "waited"]


def test_an_error_does_not_fail_the_signup_that_waits(hooks: list[Callable[[], None]], done: list[str]) -> None:
    session: Any = Client(done)
    restore.register(session, [Client(done, error=OSError())])
    hooks[0]()
    assert done == ["closed"]


def test_without_the_library_nothing_is_registered(monkeypatch: pytest.MonkeyPatch, done: list[str]) -> None:
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", None)
    session: Any = Client(done)
    restore.register(session, [Client(done)])
    assert done == []
