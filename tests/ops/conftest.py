"""Runs the operator's commands in this process against the deployed local stack."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import botocore.session
import pytest
from botocore.loaders import create_loader

from onramp.local.parameters import STACK_NAME
from onramp.local.stack import LocalStack
from onramp.ops.cli import main


@pytest.fixture(scope="session", autouse=True)
def _one_loader() -> Iterator[None]:
    """Each command has its own session, which parses the models of all its services: most of a short command's time."""
    loader = create_loader()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", lambda search_path_string=None: loader)
        yield


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Onramp = Callable[..., Ran]


@pytest.fixture
def onramp(stack: LocalStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Onramp:
    """`onramp("dlq", "list", "--json")`: exit code, stdout and stderr."""
    for name, value in {**stack.environment(), "ONRAMP_STACK": STACK_NAME, "COLUMNS": "160"}.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> Ran:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        out, err = capsys.readouterr()
        return Ran(int(ended.value.code or 0), out, err)

    return run
