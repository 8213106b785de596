"""Imports point inwards, clients and environment have one place each, and the trigger stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "shared/onramp"
LAYERS = {
    # a module may import onramp modules of the listed groups only
    "domain": {"domain"},
    "enrichers": {"domain", "enrichers"},
    "usecases": {"domain", "enrichers", "usecases"},
    "adapters": {"domain", "enrichers", "usecases", "adapters"},
    "settings": {"domain", "settings"},
    "wiring": {"domain", "enrichers", "usecases", "adapters", "settings", "wiring"},
}
GROUP_OF_MODULE = {"settings": "settings", "worker_settings": "settings", "observability": "settings"}


def modules(*folders: Path) -> Iterator[tuple[Path, ast.Module]]:
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            yield path, ast.parse(path.read_text())


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def group(dotted: str) -> str:
    name = dotted.removeprefix("onramp.").split(".")[0]
    return name if (PACKAGE / name).is_dir() else GROUP_OF_MODULE.get(name, "usecases")


def shipped() -> list[tuple[Path, ast.Module]]:
    return [
        (path, tree) for path, tree in modules(PACKAGE) if path.relative_to(PACKAGE).parts[0] not in ("local", "ops")
    ]


def test_imports_point_inwards() -> None:
    for path, tree in shipped():
        here = group(".".join(path.relative_to(PACKAGE).with_suffix("").parts))
        for name in imports(tree):
            if name.startswith("onramp.") and path.name != "__init__.py":
                assert group(name) in LAYERS[here], f"{path} imports {name}"


def test_the_domain_imports_the_standard_library_only() -> None:
    for path, tree in modules(PACKAGE / "domain"):
        for name in imports(tree):
            top = name.split(".")[0]
            assert top in sys.stdlib_module_names or name.startswith("onramp.domain"), f"{path} imports {name}"


def test_use_cases_know_no_sdk() -> None:
    sdks = {"boto3", "botocore", "stripe", "urllib3", "requests", "aws_lambda_powertools"}
    for path, tree in shipped():
        if group(".".join(path.relative_to(PACKAGE).with_suffix("").parts)) in ("usecases", "enrichers"):
            assert sdks.isdisjoint(name.split(".")[0] for name in imports(tree)), path


def test_nothing_shipped_knows_the_local_stack_or_the_operator_tools() -> None:
    for path, tree in (*shipped(), *modules(ROOT / "functions")):
        for name in imports(tree):
            assert not name.startswith(("onramp.local", "onramp.ops")), f"{path} imports {name}"


def test_a_handler_imports_no_sibling() -> None:
    for path, tree in modules(ROOT / "functions"):
        assert not any(name.startswith("functions") for name in imports(tree)), path


def test_one_place_reads_the_environment_and_one_makes_clients() -> None:
    for path, _ in (*shipped(), *modules(ROOT / "functions")):
        text, name = path.read_text(), path.relative_to(ROOT).as_posix()
        assert ("os.environ" in text) == (name == "shared/onramp/settings.py"), name
        assert ("boto3.Session(" in text or "boto3.client(" in text) == (name == "shared/onramp/wiring/clients.py"), (
            name
        )


@pytest.mark.parametrize("heavy", ["pydantic", "stripe", "aws_xray_sdk", "requests"])
def test_the_trigger_does_not_import(heavy: str) -> None:
    script = (
        f"import sys; import onramp.wiring.post_confirmation, onramp.observability; sys.exit({heavy!r} in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
