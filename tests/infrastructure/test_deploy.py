"""`make deploy`: every change of code or of a parameter reaches the alias."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from scripts.deploy import BUILT, deploy, revision

from tests.infrastructure.translation import ROOT, Translation

SAM = """#!{python}
import json, pathlib, os, sys
if sys.argv[1] == "build":
    built = pathlib.Path(".aws-sam/build"); built.mkdir(parents=True, exist_ok=True)
    (built / "template.yaml").write_text(os.environ.get("ARCHITECTURE", "unset"))
pathlib.Path("sam-" + sys.argv[1] + ".json").write_text(json.dumps(sys.argv[2:]))
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with samconfig.toml and a `sam` that stores its arguments."""
    shutil.copy(ROOT / "samconfig.toml", tmp_path)
    (tmp_path / "sam").write_text(SAM.format(python=sys.executable))
    (tmp_path / "sam").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ARCHITECTURE", raising=False)
    return tmp_path


def deploy_parameters(project: Path, *overrides: str, environment: str = "dev") -> dict[str, str]:
    """Deploys, and returns the parameters that `sam deploy` received."""
    deploy(str(project / "sam"), "onramp-dev", environment, overrides)
    arguments = json.loads((project / "sam-deploy.json").read_text())
    assert arguments[: arguments.index("--parameter-overrides")] == [
        "--config-env", environment, "--stack-name", "onramp-dev",
    ]  # fmt: skip
    pairs = (argument.partition("=") for argument in arguments[arguments.index("--parameter-overrides") + 1 :])
    return {name: quoted.strip('"') for name, _, quoted in pairs}


def test_parameters_of_environment_and_caller_are_merged(project: Path) -> None:
    parameters = deploy_parameters(project, "LogLevel=DEBUG", "StripeSecretName=")
    assert parameters["Environment"] == "dev"
    assert parameters["DeletionProtection"] == "false"
    assert (parameters["LogLevel"], parameters["StripeSecretName"]) == ("DEBUG", "")


def test_the_caller_overrides_the_environment(project: Path) -> None:
    assert deploy_parameters(project, "LogRetentionDays=30")["LogRetentionDays"] == "30"


def test_a_changed_parameter_is_a_new_version_behind_the_alias(project: Path) -> None:
    before, after = deploy_parameters(project, "LogLevel=INFO"), deploy_parameters(project, "LogLevel=DEBUG")
    for function in ("PostConfirmationFunction", "EnrichProfileFunction"):
        versions = [Translation(**parameters)[f"{function}Aliaslive"] for parameters in (before, after)]
        assert versions[0]["FunctionVersion"] != versions[1]["FunctionVersion"]


def test_the_same_deployment_twice_changes_nothing(project: Path) -> None:
    assert deploy_parameters(project, "LogLevel=INFO") == deploy_parameters(project, "LogLevel=INFO")


def test_the_build_gets_the_architecture(project: Path) -> None:
    deploy_parameters(project, "Architecture=x86_64")
    assert (project / BUILT / "template.yaml").read_text() == "x86_64"


@pytest.mark.parametrize("name", ["template.yaml", "EnrichProfileFunction/onramp/enrich.py"])
def test_a_changed_or_renamed_file_is_a_new_revision(project: Path, name: str) -> None:
    path = project / BUILT / name
    path.parent.mkdir(parents=True)
    path.write_text("before")
    before = revision(project / BUILT, {})
    path.write_text("after")
    changed = revision(project / BUILT, {})
    path.rename(path.with_suffix(".other"))
    assert len({before[:10], changed[:10], revision(project / BUILT, {})[:10]}) == 3


def test_bytecode_does_not_change_the_revision(project: Path) -> None:
    (project / BUILT).mkdir(parents=True)
    before = revision(project / BUILT, {})
    (project / BUILT / "module.pyc").write_bytes(b"any")
    assert revision(project / BUILT, {}) == before


def test_the_template_accepts_a_revision(project: Path, template: Translation) -> None:
    revision_parameter = deploy_parameters(project)["Revision"]
    assert re.fullmatch(template.parameters["Revision"]["AllowedPattern"], revision_parameter)
    assert re.fullmatch("[0-9a-f]{10}", revision_parameter[:10])


@pytest.mark.parametrize(
    ("environment", "override", "message"),
    [("nowhere", "LogLevel=INFO", "add it or choose another ENV"), ("dev", "LogLevel", "write PARAMETERS=")],
)
def test_a_usage_error_is_one_sentence(project: Path, environment: str, override: str, message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        deploy(str(project / "sam"), "onramp-dev", environment, [override])
    assert not (project / "sam-build.json").exists()
