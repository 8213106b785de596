"""How a mutant is made: a piece of the real source is replaced, and the function made anew of it.

The piece must be there exactly once, so that a mutant of code which has changed fails instead of doing nothing.
"""

from __future__ import annotations
import __future__

import importlib
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

import pytest


class Change(Protocol):
    def apply(self, patch: pytest.MonkeyPatch) -> None: ...


@dataclass(frozen=True)
class Edit:
    """In `onramp.adapters.owed:OwedLedger.settle` replace `old` by `new`."""

    target: str
    old: str
    new: str

    def apply(self, patch: pytest.MonkeyPatch) -> None:
        place, name = find(self.target)
        found = inspect.getattr_static(place, name)
        patch.setattr(place, name, self._in_text(found) if isinstance(found, str) else self._in_code(found))

    def _in_text(self, text: str) -> str:
        if text.count(self.old) != 1:
            raise LookupError(f"{self.target} has {text.count(self.old)} of: {self.old}")
        return text.replace(self.old, self.new)

    def _in_code(self, function: Any) -> Any:
        """Made in a class of the same name, if it is a method: call sites are told apart by it."""
        inner: Any = function.fget if isinstance(function, property) else function
        source = self._in_text(getattr(inner, "source", "") or textwrap.dedent(inspect.getsource(inner)))
        *outer, name = self.target.partition(":")[2].split(".")
        text = f"class {outer[0]}:\n{textwrap.indent(source, '    ')}" if outer else source
        code = compile(text, inspect.getfile(inner), "exec", flags=__future__.annotations.compiler_flag)
        made: dict[str, Any] = {}
        exec(code, inner.__globals__, made)  # noqa: S102  # our own source, with one piece replaced
        result = made[outer[0]].__dict__[name] if outer else made[name]
        getattr(result, "fget", result).source = source  # a second edit goes on from here
        return result


@dataclass(frozen=True)
class Value:
    """Another value of a constant, or another function altogether."""

    target: str
    value: Any

    def apply(self, patch: pytest.MonkeyPatch) -> None:
        place, name = find(self.target)
        if not hasattr(place, name):
            raise AttributeError(self.target)
        patch.setattr(place, name, self.value)


@dataclass(frozen=True)
class HandlerChange:
    """Handlers are imported anew for every environment, so this one is changed after each import."""

    handler: str
    change: Callable[[Any], None]

    def apply(self, patch: pytest.MonkeyPatch) -> None:
        def imported(_: Any, module: ModuleType) -> None:
            if module.__name__ == f"functions.{self.handler}.handler":
                self.change(module)

        patch.setattr("tests.simulation.lambdas.Lambdas.imported", imported)


def find(target: str) -> tuple[Any, str]:
    module, _, path = target.partition(":")
    place: Any = importlib.import_module(module)
    *outer, name = path.split(".")
    for part in outer:
        place = getattr(place, part)
    return place, name
