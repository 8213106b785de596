"""What an environment does after Lambda SnapStart has restored it from the snapshot that was taken after init.

Many environments start from one snapshot, hours after init. Its connections are closed without this side's knowledge,
its AWS credentials may have expired, and the state of `random` is the same in all of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from onramp.wiring import connections

if TYPE_CHECKING:
    from botocore.session import Session


def register(session: Session, clients: Sequence[Any]) -> None:
    """Runs `refresh` after each restore. The library is part of Lambda's runtimes, not of the artifact."""
    with suppress(ImportError):
        from snapshot_restore_py import register_after_restore  # type: ignore[import-not-found]

        register_after_restore(_refresh(session, clients))


def _refresh(session: Session, clients: Sequence[Any]) -> Callable[[], None]:
    def refresh() -> None:
        """Raises nothing: an error would fail the signup that waits, which without this would only take longer."""
        random.seed()  # botocore's backoff uses it; uuid4 and TLS ask the operating system
        with suppress(Exception):
            for client in clients:
                client.close()  # drops its connections; the next request opens one
            opened = connections.open_connections(clients)
            if credentials := session.get_credentials():
                credentials.get_frozen_credentials()  # reads new ones where they have expired
            opened()

    return refresh
