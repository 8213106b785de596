"""Builds the artifact of one function, for `make build` and `sam build` (see build.mk).

The architecture `host` builds for the current machine and Python, so that tests can import the result.
"""

# ruff: noqa: S603 - the commands are the project's own and contain no external input
from __future__ import annotations

import argparse
import gzip
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PLATFORMS = {"arm64": "aarch64-manylinux2014", "x86_64": "x86_64-manylinux2014"}

# The AWS services that a function calls. botocore contains the models of about 400 services, most of its size.
SERVICES = {
    "post_confirmation": {"dynamodb", "events"},
    "enrich_profile": {"dynamodb", "events", "sqs", "ssm"},
    "heal_signup": {"cognito-idp", "dynamodb", "events"},
    "reconcile": {"cognito-idp", "dynamodb", "events", "lambda", "sqs"},
}
LOCKS = {"heal_signup": "post-confirmation"}
"""The lock of a function with the dependencies of another one; the others have one of their own name."""
AMAZON_ROOTS = (
    "Amazon Root CA 1",
    "Amazon Root CA 2",
    "Amazon Root CA 3",
    "Amazon Root CA 4",
    "Starfield Services Root Certificate Authority - G2",
)
"""What a client of AWS must trust: https://www.amazontrust.com/repository"""
FALL_BACK_TO_ALL_ROOTS = {"post_confirmation", "enrich_profile"}
NEVER_SHIPPED = shutil.ignore_patterns("ops", "local", "__pycache__")
# Files of the installer. RECORD would list deleted files. METADATA stays: some packages read their version from it.
LEFTOVERS = [".lock", "bin", "*.dist-info/RECORD", "*.dist-info/INSTALLER", "*.dist-info/REQUESTED"]
# Parts of libraries that nothing here imports: types for type checkers and webhook events of Stripe, REST handlers of
# Powertools with their web page, the API of pydantic 1.
UNUSED = ["stripe/params", "stripe/events", "aws_lambda_powertools/event_handler", "pydantic/v1"]
NO_BYTECODE = (
    "onramp: {function} is built WITHOUT BYTECODE, and its cold start takes three times as long: this machine has no"
    " {runtime}. Install {runtime}, or put it on PATH, and build again.\n"
)
EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest date a zip can hold


def build(function: str, target: Path, architecture: str, runtime: str) -> None:
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    lock = LOCKS.get(function, function.replace("_", "-"))
    install(ROOT / "requirements" / f"{lock}.txt", target, architecture, runtime)
    prune(target, SERVICES[function])
    shorten_data(target / "botocore" / "data", SERVICES[function])
    if function in FALL_BACK_TO_ALL_ROOTS:
        shorten_roots(target / "botocore")
    shutil.copytree(ROOT / "functions" / function, target / "functions" / function, ignore=NEVER_SHIPPED)
    shutil.copytree(ROOT / "shared" / "onramp", target / "onramp", ignore=NEVER_SHIPPED)
    if interpreter := interpreter_of(architecture, runtime):
        compile_bytecode(target, interpreter)
    else:
        sys.stderr.write(NO_BYTECODE.format(function=function, runtime=runtime))


def install(lock: Path, target: Path, architecture: str, runtime: str) -> None:
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable]
    if architecture != "host":
        command += ["--python-platform", PLATFORMS[architecture], "--python-version", runtime.removeprefix("python")]
    # Copied, because a change of a hard-linked file would also change uv's cache.
    command += ["--target", str(target), "--require-hashes", "--only-binary", ":all:", "--link-mode", "copy"]
    subprocess.run([*command, "--requirement", str(lock)], check=True)


def prune(target: Path, services: set[str]) -> None:
    for pattern in LEFTOVERS + UNUSED:
        for path in target.glob(pattern):
            remove(path)
    for data in target.glob("boto*/data"):
        for folder in data.iterdir():
            if folder.is_dir() and folder.name not in services:
                remove(folder)


def shorten_data(data: Path, services: set[str]) -> None:
    """botocore parses these files in each cold start. Most of their text is documentation, or about other services."""
    for model in data.glob("*/*/service-2.json.gz"):
        parsed = json.loads(gzip.decompress(model.read_bytes()), object_hook=without_documentation)
        model.write_bytes(gzip.compress(json.dumps(parsed, separators=(",", ":")).encode(), mtime=0))
    endpoints = data / "endpoints.json"
    content = json.loads(endpoints.read_text())
    for partition in content["partitions"]:
        partition["services"] = {name: rest for name, rest in partition["services"].items() if name in services}
    endpoints.write_text(json.dumps(content, separators=(",", ":")))


def without_documentation(shape: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shape.items() if name != "documentation" or not isinstance(value, str)}


def shorten_roots(botocore: Path) -> None:
    """OpenSSL 3 parses the whole bundle for each new connection: 127 roots take 17 ms, these five 1 ms.

    `clients.trust_all_roots` goes back to the whole bundle where an endpoint has another root.
    """
    bundle = botocore / "cacert.pem"
    sections = bundle.read_text().split("\n# Issuer: ")
    kept = [section for section in sections if any(f'# Label: "{root}"\n' in section for root in AMAZON_ROOTS)]
    if len(kept) != len(AMAZON_ROOTS):
        sys.exit(f"botocore's cacert.pem has {len(kept)} of {len(AMAZON_ROOTS)} Amazon roots: correct AMAZON_ROOTS.")
    bundle.rename(botocore / "cacert-all.pem")
    bundle.write_text("".join(f"\n# Issuer: {section}" for section in kept))


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def interpreter_of(architecture: str, runtime: str) -> str | None:
    """An interpreter of the target version, if the machine has one. Bytecode does not depend on the architecture."""
    if architecture == "host":
        return sys.executable
    path = shutil.which(runtime)
    # A version manager can have a shim on PATH for a version that is not installed.
    if path and subprocess.run([path, "-c", ""], check=False, capture_output=True).returncode == 0:
        return path
    return None


def compile_bytecode(target: Path, interpreter: str) -> None:
    """Lambda does not keep bytecode between cold starts. Unchecked, because the deployed source does not change."""
    command = [interpreter, "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"]
    subprocess.run([*command, "-s", str(target), "-p", "/var/task", str(target)], check=True)


def pack(folder: Path, archive: Path) -> None:
    """The same files give the same bytes: sorted names, a constant date, constant modes."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as bundle:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), date_time=EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            bundle.writestr(entry, path.read_bytes())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("function", choices=sorted(SERVICES))
    parser.add_argument("directory", type=Path)
    parser.add_argument("--architecture", choices=[*PLATFORMS, "host"], required=True)
    parser.add_argument("--runtime", required=True, help="for example python3.13")
    parser.add_argument("--zip", type=Path)
    arguments = parser.parse_args()
    if ROOT.is_relative_to(arguments.directory.resolve()):
        parser.error(f"'{arguments.directory}' is emptied first: name a directory of its own")
    build(arguments.function, arguments.directory, arguments.architecture, arguments.runtime)
    if arguments.zip:
        pack(arguments.directory, arguments.zip)


if __name__ == "__main__":
    main()
