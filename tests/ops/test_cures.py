"""Every command that the doctor can print is the cure of a planted fault, which tests/ops/test_doctor.py runs.

A new command without such a fault fails here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import onramp.ops.common
import onramp.ops.doctor
from onramp.local.translate import load_template
from onramp.ops.doctor.checks import CHECKS
from tests.infrastructure.translation import ROOT
from tests.ops.faulty_stack import FAULTS

CURE = re.compile(r"(aws|onramp) [a-z]| --[a-z]")
HELPERS = {
    "keys": {"bus", "queues"},
    "queue_settings": {"functions", "queues"},
    "alarm_settings": {"alarms"},
    "trigger_permission": {"pool"},
}
"""Module that renders cures for the checks of other groups."""
LOOKS = ("onramp doctor", "onramp status", "onramp dlq list", "aws logs tail", "aws cloudwatch describe-alarms")
"""They cure nothing and say so: the reader follows what they show."""
RUN_ELSEWHERE = {
    "aws events update-event-bus --name {}": "tests/unit/test_doctor.py: only a bus with a customer key has one",
    " --kms-key-identifier {}": "the same",
    " --dead-letter-config {}": "the same",
    " --key-id {}": "tests/unit/test_doctor.py::TestCures::test_a_secret_keeps_its_key",
    "aws sqs start-message-move-task --source-arn {} --destination-arn {}": "the last test of tests/ops/test_doctor.py",
    "onramp user forget {}": "of the canary: tests/ops/test_canary.py",
}


def modules() -> Iterator[tuple[str, ast.Module]]:
    doctor = Path(onramp.ops.doctor.__file__).parent
    for path in [*doctor.glob("*.py"), doctor.parent / "common" / "trigger_permission.py"]:
        yield path.stem, ast.parse(path.read_text())


def commands() -> set[tuple[str, str]]:
    """Module and text of every constant that begins as a command, or as an option of one."""
    return {
        (name, node.value)
        for name, module in modules()
        for node in ast.walk(module)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and CURE.match(node.value)
    }


def groups_of(module: str) -> set[str]:
    return HELPERS.get(module) or {
        group for group, checks in CHECKS.items() if any(check.__module__.endswith(f".{module}") for check in checks)
    }


@pytest.mark.parametrize(("module", "text"), sorted(commands()))
def test_a_cure_is_run_by_a_fault(module: str, text: str) -> None:
    if text in RUN_ELSEWHERE or text.startswith(LOOKS):
        return
    faults = [fault for fault in FAULTS if fault.runs and fault.group in groups_of(module)]
    assert any(part in text for fault in faults for part in fault.cure_parts), "no fault's cure is this command"


def test_a_command_that_only_looks_names_checks_that_exist() -> None:
    named = {check for _, text in commands() for check in re.findall(r"--only ([a-z]+)", text)}
    assert named <= CHECKS.keys()


def test_a_deployment_names_parameters_of_the_template() -> None:
    declared = load_template(ROOT / "template.yaml")["Parameters"]
    named = {
        str(keyword.arg)
        for _, module in modules()
        for node in ast.walk(module)
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "deploy_command"
        for keyword in node.keywords
    }
    assert named
    assert named <= declared.keys()
