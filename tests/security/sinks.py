"""Everything the functions say, to whomever: two streams, the root logger, what they raise, dead letters, failures."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from onramp.observability import logger
from tests.fakes import ProcessKilled
from tests.pipeline import InMemoryPipeline


class Sinks:
    """With a world: use it as a context, run things through `try_to`, then look at `everything`."""

    def __init__(self, pipeline: InMemoryPipeline, level: int) -> None:
        self.pipeline = pipeline
        self.raised: list[str] = []
        self._level = level
        self._errors, self._root = io.StringIO(), io.StringIO()

    @contextlib.contextmanager
    def open(self) -> Iterator[Sinks]:
        root, handler = logging.getLogger(), logging.StreamHandler(self._root)
        handler.setFormatter(_Everything())
        before, ours = root.level, logger.log_level
        root.addHandler(handler)
        root.setLevel(self._level)
        logger.setLevel(self._level)
        try:
            with contextlib.redirect_stderr(self._errors):
                yield self
        finally:
            root.removeHandler(handler)
            root.setLevel(before)
            logger.setLevel(ours)

    def try_to(self, do: Callable[..., Any], *given: Any, **more: Any) -> None:
        """What it raises, Lambda would write to the log and show to the caller."""
        try:
            do(*given, **more)
        except (Exception, ProcessKilled) as error:  # noqa: BLE001
            self.raised += [repr(error), *traceback.format_exception(error)]

    def everything(self) -> dict[str, str]:
        letters = [[f"{n}={v}" for n, v in letter.items() if n != "body"] for letter in self.pipeline.dead_letters()]
        return {
            "stdout": self.pipeline.log.getvalue(),
            "stderr": self._errors.getvalue(),
            "the root logger": self._root.getvalue(),
            "what was raised": "\n".join(self.raised),
            "dead letters' attributes": json.dumps(letters),
            "events of failure": json.dumps(self.pipeline.published("UserProvisioningFailed")),
        }

    def holding(self, secret: str) -> list[str]:
        return [f"{name}: {line}" for name, text in self.everything().items() for line in _lines_with(text, secret)]


class _Everything(logging.Formatter):
    """The message, its arguments, its extras and the whole chain of exceptions."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{super().format(record)} {record.__dict__}"


def _lines_with(text: str, secret: str) -> list[str]:
    return [line[:400] for line in text.splitlines() if secret.lower() in line.lower()]
