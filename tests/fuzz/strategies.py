"""Inputs from outside: any JSON, unusual text, and valid events with a few changes."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# The same examples in every run: a failure is caused by the change, and can be repeated.
FUZZ = settings(
    derandomize=True, deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()))  # including lone surrogates: JSON can encode them
ODD_TEXT = st.sampled_from(
    [
        "",
        " ",
        "\x00",
        "\x1b[2J\x1b[31m",  # clears a terminal
        'x\n{"level": "INFO", "message": "forged"}',
        "\r\nSet-Cookie: a=b",
        "\u202eadmin",  # RIGHT-TO-LEFT OVERRIDE
        "\u05e0\u05d9\u05d4",
        "\u0646\u064a\u0627",
        "Ni\u200b\u200d\u2060\ufeffa",  # zero-width
        "👩‍👩‍👧‍👦🏳️‍🌈🇪🇺",
        "e" + "\u0301" * 500,
        "\ud83d",
        "\ufffe\uffff",
        "👩‍🚀" * 3_333 + "x",
        "N" * 10_000,
        "{0} %s ${jndi:ldap://x} {{7*7}}",
        "' OR 1=1 --",
        "__proto__",
        "null",
        "true",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | ANY_TEXT | ODD_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT | ODD_TEXT, inner, max_size=4),
    max_leaves=12,
)
ABSENT = object()


@st.composite
def with_changes(draw: st.DrawFn, valid: Any) -> Any:
    """`valid` (JSON) with one to three values changed, removed or added."""
    changed = copy.deepcopy(valid)
    for _ in range(draw(st.integers(1, 3))):
        holder, key = draw(st.sampled_from(list(_places(changed)) or [({}, "")]))
        value = draw(st.just(ABSENT) | ODD_TEXT | JSON)
        if value is not ABSENT:
            holder[key] = value
        elif isinstance(holder, dict):
            holder.pop(key, None)
    return changed


def _places(node: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in it, and in every object one for an unknown key."""
    if isinstance(node, dict):
        inner = [place for value in node.values() for place in _places(value)]
        return [*((node, key) for key in node), (node, "unknown"), *inner]
    if isinstance(node, list):
        return [(node, index) for index in range(len(node))] + [p for value in node for p in _places(value)]
    return []
