"""Masks data whose fields are not all known: every value is masked unless its field is known to be harmless."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from onramp.ops.common.text import masked, masked_email


def mask_field(name: str, value: Any, harmless: Container[str], *, mask_numbers: bool) -> Any:
    """The value of field `name`, masked unless `harmless` contains the name.

    An object inside is masked by the names of its own fields; a list takes the name of the field that holds it. A key
    that is not a plain word may be personal data itself, and is masked too.
    """
    match value:
        case dict():
            return {
                (key if _is_word(key) else masked(key)): mask_field(key, inner, harmless, mask_numbers=mask_numbers)
                for key, inner in value.items()
            }
        case list():
            return [mask_field(name, item, harmless, mask_numbers=mask_numbers) for item in value]
        case _ if name in harmless:
            return value
        case set() | tuple():
            return [mask_field(name, item, harmless, mask_numbers=mask_numbers) for item in value]
        case str():
            return masked_email(value) if "@" in value else masked(value)
        case bool() | None:
            return value
    return "***" if mask_numbers else value


def _is_word(name: str) -> bool:
    """Whether it looks like the name of a field, and not like a value that was used as a key."""
    return name.isascii() and name.replace("-", "").replace("_", "").isalnum() and len(name) <= 40
