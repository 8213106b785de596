"""How a mutant is made: a piece of the source is replaced, and the function is compiled again from the result.

The piece must occur exactly once: a mutant of code that has changed raises LookupError instead of changing nothing.
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
        original = inspect.getattr_static(place, name)
        patch.setattr(place, name, self._in_text(original) if isinstance(original, str) else self._in_code(original))

    def _in_text(self, text: str) -> str:
        if text.count(self.old) != 1:
            raise LookupError(f"{self.target} has {text.count(self.old)} of: {self.old}")
        return text.replace(self.old, self.new)

    def _in_code(self, function: Any) -> Any:
        """A method is compiled in a class of the same name: call sites are identified by their qualified name."""
        inner: Any = function.fget if isinstance(function, property) else function
        source = self._in_text(getattr(inner, "source", "") or textwrap.dedent(inspect.getsource(inner)))
        *outer, name = self.target.partition(":")[2].split(".")
        text = f"class {outer[0]}:\n{textwrap.indent(source, '    ')}" if outer else source
        code = compile(text, inspect.getfile(inner), "exec", flags=__future__.annotations.compiler_flag)
        namespace: dict[str, Any] = {}
        exec(code, inner.__globals__, namespace)  # noqa: S102  # our own source, with one piece replaced
        result = namespace[outer[0]].__dict__[name] if outer else namespace[name]
        getattr(result, "fget", result).source = source  # a second edit starts from this text
        return result


@dataclass(frozen=True)
class Value:
    """Another value of a constant, or another function."""

    target: str
    value: Any

    def apply(self, patch: pytest.MonkeyPatch) -> None:
        place, name = find(self.target)
        if not hasattr(place, name):
            raise AttributeError(self.target)
        patch.setattr(place, name, self.value)


@dataclass(frozen=True)
class HandlerChange:
    """Each environment imports its handler again, so the change is applied after each import."""

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
