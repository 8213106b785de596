"""The layers of the code, read from its imports and calls.

Shipped code imports inwards only; no command group imports another; writes to tables, clients and the environment have
one place each; the error tree is complete; the trigger stays light.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from onramp.domain import errors

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "shared/onramp"
LAYERS = {
    # a module may import onramp modules of the listed groups only
    "domain": {"domain"},
    "enrichers": {"domain", "enrichers"},
    "usecases": {"domain", "enrichers", "usecases"},
    "adapters": {"domain", "enrichers", "usecases", "adapters"},
    "settings": {"domain", "settings"},
    "access": {"domain", "adapters"},
    "wiring": {"domain", "enrichers", "usecases", "adapters", "settings", "wiring"},
}
GROUP_OF_MODULE = {
    "access": "access",
    "settings": "settings",
    "worker_settings": "settings",
    "observability": "settings",
}


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
        assert ("create_client(" in text) == (name == "shared/onramp/wiring/clients.py"), name
        assert "import boto3" not in text, f"{name}: see `session` in wiring/clients.py"


COMMON = ("common", "tables")
WRITES = {"put_item", "update_item", "delete_item", "transact_write_items", "batch_write_item"}
MAY_WRITE = ("adapters", "ops/tables")


def command_groups() -> list[str]:
    return [path.name for path in (PACKAGE / "ops").iterdir() if path.is_dir() and (path / "commands.py").exists()]


def test_every_command_group_has_commands_and_wiring() -> None:
    assert len(command_groups()) == 8
    assert all((PACKAGE / "ops" / name / "wiring.py").is_file() for name in command_groups())


def test_no_command_group_imports_another() -> None:
    for name in (*command_groups(), *COMMON):
        others = [f"onramp.ops.{other}." for other in command_groups() if other != name]
        for path, tree in modules(PACKAGE / "ops" / name):
            assert not [one for one in imports(tree) if one.startswith(tuple(others))], path


def writers() -> Iterator[tuple[Path, str]]:
    """Every module that calls, or passes on, a write of a DynamoDB client, with the class that does."""
    for path, tree in (*modules(PACKAGE), *modules(ROOT / "functions")):
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef | ast.Module):
                own = (inner for child in node.body if not isinstance(child, ast.ClassDef) for inner in ast.walk(child))
                if any(isinstance(inner, ast.Attribute) and inner.attr in WRITES for inner in own):
                    yield path, node.name if isinstance(node, ast.ClassDef) else ""


def test_every_write_to_a_table_has_its_place() -> None:
    for path, name in writers():
        place = path.relative_to(PACKAGE).as_posix() if path.is_relative_to(PACKAGE) else path.as_posix()
        assert place.startswith(MAY_WRITE), f"{place} writes to a table"
        assert name, f"{place}: a write outside of a class"


def test_every_write_to_a_table_is_in_the_contract_suite() -> None:
    tested = {
        name.rpartition(".")[2]
        for path, tree in modules(ROOT / "tests/contracts")
        if path.name in ("test_tables.py",) or path.name.startswith("test_operator_")
        for name in imports(tree)
    }
    assert {name for _, name in writers()} <= tested


def test_the_error_tree_names_every_error() -> None:
    defined = {
        node.name
        for _, tree in (*shipped(), *modules(ROOT / "functions"))
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and any("Error" in ast.unparse(base) or "Exception" in ast.unparse(base) for base in node.bases)
    } | {name for name, found in vars(errors).items() if isinstance(found, type) and issubclass(found, Exception)}
    tree = str(errors.__doc__)
    assert {name for name in defined if f" {name} " not in f"{tree} ".replace("\n", " ")} == set()


@pytest.mark.parametrize("heavy", ["pydantic", "stripe", "aws_xray_sdk", "requests"])
def test_the_trigger_does_not_import(heavy: str) -> None:
    script = (
        f"import sys; import onramp.wiring.post_confirmation, onramp.observability; sys.exit({heavy!r} in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
