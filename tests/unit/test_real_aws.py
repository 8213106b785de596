"""docs/real-aws.md: each fact has a command, and each `aws` command exists with its options."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.session import Session

PAGE = (Path(__file__).resolve().parents[2] / "docs/real-aws.md").read_text()
BY_HAND = PAGE.partition("## What to check by hand")[2]
ROWS = re.findall(r"^\| (?!fact)(.+?) \| (.+) \|$", BY_HAND, re.MULTILINE)
COMMANDS = sorted(set(re.findall(r"(?:`|^)(aws (?:[^`\n\\]|\\\n)+)", PAGE, re.MULTILINE)))
RENAMED_BY_THE_CLI = {"deploy": "codedeploy"}


@cache
def service_model(service: str) -> Any:
    return Session().get_service_model(RENAMED_BY_THE_CLI.get(service, service))


def test_every_fact_has_a_command() -> None:
    assert len(ROWS) > 20
    assert [fact for fact, shown_by in ROWS if "`" not in shown_by] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_aws_cli_exists_with_its_options(command: str) -> None:
    _, service, verb, *words = shlex.split(command.replace("\\\n", " "))
    operations = {xform_name(name, "-"): name for name in service_model(service).operation_names}
    shape = service_model(service).operation_model(operations[verb]).input_shape
    options = {xform_name(name, "-") for name in shape.members}
    assert {word.removeprefix("--").removeprefix("no-") for word in words if word.startswith("--")} <= options
