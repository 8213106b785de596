"""Masks data whose fields are not all known: every value is masked unless its place in the data is known."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from onramp.ops.common.text import masked, masked_text

ANY = "*"
"""In a known path, any one key."""
ITEM = "[]"
"""In a known path, the items of a list or a set."""

Path = tuple[str, ...]


def known_paths(*paths: str) -> frozenset[Path]:
    """From `detail.data.roles.[]` and the like."""
    return frozenset(tuple(path.split(".")) for path in paths)


def mask(value: Any, known: Collection[Path], at: Path = ()) -> Any:
    """`value` with every text and number masked that is not at a `known` path.

    Only a single value is shown at a known path: a map or a list there is masked by the paths of its own values. A key
    that is not a plain word may be personal data itself, and is masked too.
    """
    match value:
        case dict():
            return {
                (key if _is_word(key) else masked(key)): mask(inner, known, (*at, key)) for key, inner in value.items()
            }
        case list() | tuple():
            return [mask(item, known, (*at, ITEM)) for item in value]
        case set() | frozenset():
            return [mask(item, known, (*at, ITEM)) for item in sorted(value, key=str)]
        case bool() | None:
            return value
        case _ if _is_known(at, known):
            return value
        case str():
            return masked_text(value)
    return "***"


def _is_known(path: Path, known: Collection[Path]) -> bool:
    return any(
        len(path) == len(pattern) and all(part in (ANY, key) for part, key in zip(pattern, path, strict=True))
        for pattern in known
    )


def _is_word(name: str) -> bool:
    """Whether it looks like the name of a field, and not like a value that was used as a key."""
    return name.isascii() and name.replace("-", "").replace("_", "").isalnum() and len(name) <= 40
