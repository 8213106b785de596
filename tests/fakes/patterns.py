"""EventBridge's event patterns: literals, prefix, suffix, anything-but, exists, equals-ignore-case, numeric, $or."""

from collections.abc import Mapping
from typing import Any

MISSING = object()


def matches(pattern: Mapping[str, Any], event: Any) -> bool:
    """Every field of the pattern must match; a list is a choice of values or of rules."""
    if not isinstance(event, Mapping):
        event = {}
    for name, wanted in pattern.items():
        if name == "$or":
            if not any(matches(choice, event) for choice in wanted):
                return False
        elif isinstance(wanted, Mapping):
            if not matches(wanted, event.get(name)):
                return False
        elif not _any(wanted, event.get(name, MISSING)):
            return False
    return True


def _any(choices: list[Any], value: Any) -> bool:
    """A list in the event matches if one of its elements does."""
    candidates = value if isinstance(value, list) and value else [value]
    return any(_one(choice, candidate) for choice in choices for candidate in candidates)


def _one(choice: Any, value: Any) -> bool:
    if not isinstance(choice, Mapping):
        return type(value) is type(choice) and bool(value == choice)
    ((rule, argument),) = choice.items()
    if rule == "exists":
        return (value is not MISSING) is bool(argument)
    if rule == "anything-but":
        return value is not MISSING and not any(_one(banned, value) for banned in _listed(argument))
    if rule == "numeric":
        return isinstance(value, int | float) and not isinstance(value, bool) and _numeric(argument, value)
    if not isinstance(value, str):
        return False
    if rule == "equals-ignore-case":
        return value.lower() == str(argument).lower()
    if rule == "prefix":
        return value.startswith(argument)
    if rule == "suffix":
        return value.endswith(argument)
    raise NotImplementedError(f"the fake EventBridge does not know the rule {rule}")


def _listed(argument: Any) -> list[Any]:
    return argument if isinstance(argument, list) else [argument]


def _numeric(rule: list[Any], value: float) -> bool:
    checks = {"=": value.__eq__, "<": value.__lt__, "<=": value.__le__, ">": value.__gt__, ">=": value.__ge__}
    return all(checks[operator](bound) is True for operator, bound in zip(rule[::2], rule[1::2], strict=True))
