"""Builds and deploys: `deploy.py --sam SAM --stack NAME --environment ENV -- [Name=value ...]`.

SAM publishes no new version when only a parameter's value changes, so the alias would keep the old settings. The
parameter Revision, which names the version, is therefore a fingerprint of the built files, the template and all values.
"""

# ruff: noqa: S603 - the commands are the project's own; PARAMETERS come from whoever deploys
from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

BUILT = Path(".aws-sam", "build")  # like everything here relative to the project's root, where make runs


def deploy(sam: str, stack: str, environment: str, overrides: Iterable[str]) -> None:
    # sam lets the command line replace samconfig.toml's parameter_overrides as a whole, so they are merged here.
    parameters = configured(environment) | parsed(overrides)
    target = {"ARCHITECTURE": parameters.get("Architecture"), "RUNTIME": parameters.get("Runtime")}
    run(sam, "build", "--config-env", environment, env={name: value for name, value in target.items() if value})
    parameters["Revision"] = revision(BUILT, parameters)
    values = [f'{name}="{value}"' for name, value in sorted(parameters.items())]
    run(sam, "deploy", "--config-env", environment, "--stack-name", stack, "--parameter-overrides", *values)


def configured(environment: str) -> dict[str, str]:
    settings = tomllib.loads(Path("samconfig.toml").read_text())
    if environment not in settings:
        raise SystemExit(f"onramp: samconfig.toml has no environment '{environment}': add it or choose another ENV.")
    overrides = settings[environment]["deploy"]["parameters"].get("parameter_overrides", [])
    return parsed(shlex.split(overrides) if isinstance(overrides, str) else overrides)


def parsed(overrides: Iterable[str]) -> dict[str, str]:
    pairs = [override.partition("=") for override in overrides]
    if wrong := [name for name, equals, _ in pairs if not equals]:
        raise SystemExit(f"onramp: '{wrong[0]}' is no parameter: write PARAMETERS=\"Name=value Other=value\".")
    return {name: value for name, _, value in pairs}


def revision(built: Path, parameters: Mapping[str, str]) -> str:
    """Ten characters of fingerprint, all that SAM puts into a version's id, then the commit for whoever reads it."""
    digest = hashlib.sha256(json.dumps(dict(parameters), sort_keys=True).encode())
    # Without bytecode, which depends on whether the machine that built it had an interpreter of the target version.
    for path in sorted(path for path in built.rglob("*") if path.is_file() and path.suffix != ".pyc"):
        digest.update(path.relative_to(built).as_posix().encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return "-".join(part for part in (digest.hexdigest()[:10], commit()) if part)


def commit() -> str:
    """Empty where the sources came without git."""
    if not shutil.which("git"):
        return ""
    command = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip()


def run(*command: str, env: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(command, check=False, env={**os.environ, **(env or {})})
    if done.returncode:
        raise SystemExit(done.returncode)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sam", required=True)
    parser.add_argument("--stack", required=True)
    parser.add_argument("--environment", required=True)
    parser.add_argument("parameters", nargs="*")
    arguments = parser.parse_args()
    if not arguments.stack:
        raise SystemExit("onramp: name the stack to deploy: make deploy STACK=onramp-dev")
    deploy(str(Path(arguments.sam).resolve()), arguments.stack, arguments.environment, arguments.parameters)


if __name__ == "__main__":
    main()
