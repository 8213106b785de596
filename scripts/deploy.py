"""Builds and deploys: `deploy.py --sam SAM --stack NAME --environment ENV --parameters "Name=value ..."`.

SAM publishes no new version when only a parameter value changes, so the alias would keep the old settings. The
parameter Revision, which is part of the version's id, is therefore a hash of the built files, the template and all
parameter values.

The first deployment creates the stack without deletion protection and turns it on in a second step: CloudFormation does
not delete a protected table or user pool, so it could not roll back a failed creation.
"""

# ruff: noqa: S603 - the commands are the project's own; the operator gives PARAMETERS
from __future__ import annotations

import argparse
import difflib
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NoReturn

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from onramp.local.translate import load_template

BUILT = Path(".aws-sam", "build")  # relative to the project's root, where make runs, as are all paths here


def exists(stack: str) -> bool:
    """False also for a stack of which only a change set exists."""
    try:
        described = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return False
        fail(f"{stack} cannot be described: {error}")
    except BotoCoreError as error:
        fail(f"{stack} cannot be described: {error}")
    return described["StackStatus"] != "REVIEW_IN_PROGRESS"


def deploy(sam: str, stack: str, environment: str, overrides: str, exists: Callable[[str], bool] = exists) -> None:
    # An option on sam's command line replaces the whole list of samconfig.toml, so the lists are merged here.
    parameters = configured(environment, "parameter_overrides") | parse(words(overrides))
    check(parameters)
    tags = configured(environment, "tags")
    if "Environment" in parameters:  # given on the command line it decides the tag, too
        tags["Environment"] = parameters["Environment"]
    target = {"ARCHITECTURE": parameters.get("Architecture"), "RUNTIME": parameters.get("Runtime")}
    run(sam, "build", "--config-env", environment, env={name: value for name, value in target.items() if value})
    parameters["Revision"] = revision(BUILT, parameters)
    command = [sam, "deploy", "--config-env", environment, "--stack-name", stack]
    if tags:
        command += ["--tags", *(f"{name}={value}" for name, value in sorted(tags.items()))]
    if parameters.get("DeletionProtection", "true") == "true" and not exists(stack):
        run(*command, "--parameter-overrides", *quoted(parameters | {"DeletionProtection": "false"}))
        if not exists(stack):
            return  # the operator has refused the change set
        sys.stdout.write(f"{stack} is created. The second step turns its deletion protection on.\n")
        sys.stdout.flush()
    run(*command, "--parameter-overrides", *quoted(parameters))


def quoted(parameters: Mapping[str, str]) -> list[str]:
    return [f"{name}={quote(value)}" for name, value in sorted(parameters.items())]


def configured(environment: str, option: str) -> dict[str, str]:
    """The `Name=value` pairs of an option of `sam deploy` in samconfig.toml."""
    settings = tomllib.loads(Path("samconfig.toml").read_text())
    if environment not in settings:
        fail(f"samconfig.toml has no environment '{environment}': add it or choose another ENV.")
    pairs = settings[environment]["deploy"]["parameters"].get(option, [])
    return parse(words(pairs) if isinstance(pairs, str) else pairs)


def words(text: str) -> list[str]:
    """As a shell splits them, without any expansion."""
    try:
        return shlex.split(text)
    except ValueError:
        fail(f"a quotation mark is not closed in {text}")


def parse(pairs: Iterable[str]) -> dict[str, str]:
    parts = [pair.partition("=") for pair in pairs]
    if invalid := [name for name, equals, _ in parts if not equals]:
        fail(f"'{invalid[0]}' is not a parameter: write PARAMETERS=\"Name=value Other=value\".")
    return {name: value for name, _, value in parts}


def check(parameters: Mapping[str, str]) -> None:
    """SAM ignores a name that the template does not declare: the stack would be deployed without that setting."""
    declared = load_template(Path("template.yaml"))["Parameters"]
    for name, value in parameters.items():
        if name not in declared:
            similar = difflib.get_close_matches(name, declared, n=1)
            hint = f"did you mean {similar[0]}?" if similar else "template.yaml describes all parameters."
            fail(f"the template has no parameter '{name}': {hint}")
        if "\\" in value:
            fail(f"the value of {name} contains a backslash, which `sam deploy` cannot take.")


def quote(value: str) -> str:
    """As `sam deploy` reads it: a quotation mark would end the value, and a second parameter could follow."""
    escaped = value.replace('"', '\\"')
    return f'"{escaped}"'


def revision(built: Path, parameters: Mapping[str, str]) -> str:
    """Ten characters of the hash, the part that SAM puts into a version's id, then the commit for human readers."""
    digest = hashlib.sha256(json.dumps(dict(parameters), sort_keys=True).encode())
    # Without bytecode: the build compiles it only where the machine has an interpreter of the target version.
    for path in sorted(path for path in built.rglob("*") if path.is_file() and path.suffix != ".pyc"):
        digest.update(path.relative_to(built).as_posix().encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return "-".join(part for part in (digest.hexdigest()[:10], commit()) if part)


def commit() -> str:
    """Empty without git."""
    if not shutil.which("git"):
        return ""
    command = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip()


def run(*command: str, env: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(command, check=False, env={**os.environ, **(env or {})})
    if done.returncode:
        raise SystemExit(done.returncode)


def fail(sentence: str) -> NoReturn:
    sys.stderr.write(f"onramp: {sentence}\n")
    raise SystemExit(2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sam", required=True)
    parser.add_argument("--stack", required=True)
    parser.add_argument("--environment", required=True)
    parser.add_argument("--parameters", default="")
    arguments = parser.parse_args()
    if not arguments.stack:
        fail("name the stack to deploy: make deploy STACK=onramp-dev")
    deploy(str(Path(arguments.sam).resolve()), arguments.stack, arguments.environment, arguments.parameters)


if __name__ == "__main__":
    main()
