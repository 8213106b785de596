"""A printed command, pasted into a shell, gives each value to its program as it is and runs nothing else."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from onramp.ops.attach.triggers import require_attachable
from onramp.ops.common.deployment import Deployment
from onramp.ops.common.errors import UsageError
from onramp.ops.common.shell import command
from onramp.ops.dlq.screen import letter_data
from onramp.ops.doctor import pool, secrets
from tests.unit.test_dlq_letters import WORKER, letter

OPS = Path(__file__).resolve().parents[2] / "shared/onramp/ops"
HOSTILE = (
    "A$(touch touched)",
    "A`touch touched`",
    "A; touch touched #",
    'A" && touch touched "',
    "A' || touch touched '",
)
FOR_MAKE = "A$(shell touch touched)"
MAKEFILE = """override PARAMETERS := $(value PARAMETERS)
export PARAMETERS
deploy:
\t@printf "%s\\n" "$$PARAMETERS"
"""
ARGUMENTS = 'main() { for word; do printf "%s\\n" "$word"; done; }; aws() { main "$@"; }; onramp() { main "$@"; }\n'


def paste(line: str, folder: Path) -> list[str]:
    """The arguments that the program receives."""
    subprocess.run(["sh", "-n", "-c", line], check=True)
    shell = subprocess.run(["sh", "-c", ARGUMENTS + line], cwd=folder, check=True, capture_output=True, text=True)
    assert not list(folder.glob("touched*")), "the paste ran a command of its value"
    return shell.stdout.splitlines()


@pytest.mark.parametrize("value", [*HOSTILE, FOR_MAKE, "", "two words", "*"])
def test_a_value_arrives_as_it_is(value: str, tmp_path: Path) -> None:
    assert paste(command("aws logs tail {} --since {}", value, "1h"), tmp_path) == [
        "logs",
        "tail",
        value,
        "--since",
        "1h",
    ]


def parameters(line: str, folder: Path) -> list[str]:
    """The parameters that scripts/deploy.py receives from a `make deploy` command."""
    (words,) = paste(line, folder)
    return shlex.split(words)


def deployment(**parameters: str) -> Deployment:
    stack = Deployment.__new__(Deployment)
    vars(stack).update(
        name="onramp", is_local=False, parameters=parameters, outputs={"UserPoolId": "eu-west-1_Ab12Cd34"}
    )
    return stack


def test_the_cure_for_an_untrusted_provider_runs_nothing(tmp_path: Path) -> None:
    """Cognito accepts any characters of the classes L, M, S, N and P in the name of a provider."""
    stack: Any = SimpleNamespace(
        pools=["eu-west-1_Ab12Cd34"],
        settings=lambda _: {},
        deploy_command=deployment().deploy_command,
        client=lambda _: SimpleNamespace(
            get_paginator=lambda _: SimpleNamespace(
                paginate=lambda **_: [{"Providers": [{"ProviderName": HOSTILE[0], "ProviderType": "SAML"}]}]
            )
        ),
    )
    (finding,) = pool.providers(stack)
    (tmp_path / "Makefile").write_text(MAKEFILE)
    assert parameters(finding.cure, tmp_path) == [f"TrustedIdentityProviders={HOSTILE[0]}@YOUR-DOMAIN"]


def test_the_cure_for_a_missing_key_runs_nothing(tmp_path: Path) -> None:
    def missing(**_: Any) -> Any:
        raise ClientError({"Error": {"Code": "ParameterNotFound"}}, "GetParameter")

    stack: Any = SimpleNamespace(
        parameters={"StripeBaseUrl": "https://api.stripe.com", "StripeSecretName": HOSTILE[0]},
        client=lambda _: SimpleNamespace(get_parameter=missing),
    )
    (finding,) = secrets.stripe(stack)
    assert paste(finding.cure, tmp_path)[3] == HOSTILE[0]


def test_a_pool_that_the_stack_does_not_accept(tmp_path: Path) -> None:
    stack = deployment(AdditionalUserPoolArns=HOSTILE[0])
    vars(stack).update(pool_arn=lambda pool: f"arn:{pool}")
    stack_with_pools: Any = SimpleNamespace(
        accepted_pools=[], parameters=stack.parameters, pool_arn=lambda pool: f"arn:{pool}",
        deploy_command=stack.deploy_command,
    )  # fmt: skip
    with pytest.raises(UsageError) as raised:
        require_attachable(stack_with_pools, HOSTILE[1], heal_on_sign_in=False)
    line = str(raised.value).partition("Add the pool: ")[2].partition(" (or ")[0]
    (tmp_path / "Makefile").write_text(MAKEFILE)
    assert parameters(line, tmp_path) == [f"AdditionalUserPoolArns={HOSTILE[0]},arn:{HOSTILE[1]}"]


def test_the_next_command_of_a_dead_letter(tmp_path: Path) -> None:
    hostile = replace(letter(WORKER), id="$(id)-message")
    advice = letter_data(hostile, None, None, forgotten=False, reveal=False)["next"]
    assert "--id '$(id)-me'" in advice
    assert paste(advice.partition(",")[0], tmp_path)[-1] == "$(id)-me"


COMMAND = re.compile(r"\b(onramp (attach|backfill|dlq|doctor|replay --|status|user)|aws [a-z]+ |make [a-z]+ )")
QUOTED = ("command", "make_command", "quote", "join", "deploy_command")


def unquoted(tree: ast.Module) -> Iterator[str]:
    """Values that an f-string puts behind the beginning of a command."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = ""
            for part in node.values:
                if isinstance(part, ast.Constant):
                    text += str(part.value)
                elif COMMAND.search(text.rpartition(". ")[2]) and not is_quoted(part):
                    yield f"line {node.lineno}: {ast.unparse(node)}"


def is_quoted(part: ast.expr) -> bool:
    value = part.value if isinstance(part, ast.FormattedValue) else part
    function = value.func if isinstance(value, ast.Call) else None
    return getattr(function, "attr", getattr(function, "id", None)) in QUOTED


def test_no_command_is_written_without_quoting_its_values() -> None:
    found = {f"{path.name} {one}" for path in OPS.rglob("*.py") for one in unquoted(ast.parse(path.read_text()))}
    assert not found
    assert list(unquoted(ast.parse('f"onramp attach --user-pool {pool}"')))
