"""The options that several commands declare: single ones, and how a group of them is declared once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Annotated, Any

import typer

Reveal = Annotated[bool, typer.Option("--reveal", help="Show personal data unmasked; the audit log records it.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]


def with_option_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Lets a command take a group of options as one parameter, whose type is a dataclass with a field for each option.

    Typer reads a command's signature and knows single options only: it is given a signature in which the fields replace
    the group's parameter, in their order.
    """
    signature = inspect.signature(command, eval_str=True)
    groups = {
        parameter.name: parameter.annotation
        for parameter in signature.parameters.values()
        if isinstance(parameter.annotation, type) and is_dataclass(parameter.annotation)
    }
    parameters = [
        option.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in signature.parameters.items()
        for option in (_fields_of(groups[name]) if name in groups else [parameter])
    ]

    @wraps(command)
    def with_single_options(**options: Any) -> None:
        for name, group in groups.items():
            options[name] = group(**{field.name: options.pop(field.name) for field in fields(group)})
        command(**options)

    vars(with_single_options).update(__signature__=signature.replace(parameters=parameters))
    return with_single_options


def _fields_of(group: type) -> list[inspect.Parameter]:
    return list(inspect.signature(group, eval_str=True).parameters.values())
