"""Ctrl-C for commands that finish what they have begun: the first one asks them to stop, the second one stops them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STDERR = 2


@contextmanager
def deferred_interruption(sentence: str) -> Iterator[Callable[[], bool]]:
    """Gives a function that returns True after the first Ctrl-C in the block; `sentence` is printed then.

    The second one raises KeyboardInterrupt. In another thread than the main one Python allows no signal handler: there
    the function always returns False.
    """
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped.is_set
        return

    def stop(*_: object) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()
        os.write(STDERR, f"\n{sentence}\n".encode())  # a handler may interrupt a buffered write to stderr

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield stopped.is_set
    finally:
        signal.signal(signal.SIGINT, before)
