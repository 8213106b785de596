"""All outputs of the functions: two streams, the root logger, exceptions, dead letters, failure events."""

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
    """Within `open`, call functions by `try_to`; then `everything` has the outputs."""

    def __init__(self, pipeline: InMemoryPipeline, level: int) -> None:
        self.pipeline = pipeline
        self.raised: list[str] = []
        self._level = level
        self._errors, self._root = io.StringIO(), io.StringIO()

    @contextlib.contextmanager
    def open(self) -> Iterator[Sinks]:
        root, handler = logging.getLogger(), logging.StreamHandler(self._root)
        handler.setFormatter(_FullFormatter())
        root_level, own_level = root.level, logger.log_level
        root.addHandler(handler)
        root.setLevel(self._level)
        logger.setLevel(self._level)
        try:
            with contextlib.redirect_stderr(self._errors):
                yield self
        finally:
            root.removeHandler(handler)
            root.setLevel(root_level)
            logger.setLevel(own_level)

    def try_to(self, call: Callable[..., Any], *arguments: Any, **more: Any) -> None:
        """Keeps the exception, which Lambda would write to the log and return to the caller."""
        try:
            call(*arguments, **more)
        except (Exception, ProcessKilled) as error:  # noqa: BLE001
            self.raised += [repr(error), *traceback.format_exception(error)]

    def everything(self) -> dict[str, str]:
        dead_letters = self.pipeline.dead_letters()
        attributes = [f"{n}={v}" for dead_letter in dead_letters for n, v in dead_letter.items() if n != "body"]
        return {
            "stdout": self.pipeline.log.getvalue(),
            "stderr": self._errors.getvalue(),
            "the root logger": self._root.getvalue(),
            "exceptions": "\n".join(self.raised),
            "dead letters' attributes": json.dumps(attributes),
            "failure events": json.dumps(self.pipeline.published("UserProvisioningFailed")),
        }

    def lines_with(self, secret: str) -> list[str]:
        return [f"{name}: {line}" for name, text in self.everything().items() for line in _lines_with(text, secret)]


class _FullFormatter(logging.Formatter):
    """The message, its arguments, its extras and the whole chain of exceptions."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{super().format(record)} {record.__dict__}"


def _lines_with(text: str, secret: str) -> list[str]:
    return [line[:400] for line in text.splitlines() if secret.lower() in line.lower()]
