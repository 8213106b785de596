"""`make deploy`: each change of the code or of a parameter value reaches the alias `live`."""

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
with open("sam-" + sys.argv[1] + "s.jsonl", "a") as calls:
    print(json.dumps(sys.argv[2:]), file=calls)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with samconfig.toml and a `sam` that records its arguments."""
    shutil.copy(ROOT / "samconfig.toml", tmp_path)
    (tmp_path / "sam").write_text(SAM.format(python=sys.executable))
    (tmp_path / "sam").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ARCHITECTURE", raising=False)
    return tmp_path


def deployed(project: Path, *overrides: str, environment: str = "dev") -> dict[str, str]:
    """Deploys. Returns the parameters of the stack."""
    deploy(str(project / "sam"), "onramp-dev", environment, overrides)
    arguments = json.loads((project / "sam-deploy.json").read_text())
    assert arguments[:4] == ["--config-env", environment, "--stack-name", "onramp-dev"]
    pairs = (pair.partition("=") for pair in arguments[arguments.index("--parameter-overrides") + 1 :])
    return {name: quoted.strip('"') for name, _, quoted in pairs}


def stack_tags(project: Path) -> list[str]:
    """The tags of the last deployment."""
    arguments = json.loads((project / "sam-deploy.json").read_text())
    return list(arguments[arguments.index("--tags") + 1 : arguments.index("--parameter-overrides")])


def test_the_parameters_of_the_environment_and_of_the_caller_are_merged(project: Path) -> None:
    parameters = deployed(project, "LogLevel=DEBUG", "StripeSecretName=")
    assert parameters["Environment"] == "dev"
    assert parameters["DeletionProtection"] == "false"
    assert (parameters["LogLevel"], parameters["StripeSecretName"]) == ("DEBUG", "")


def test_the_caller_overrides_the_environment(project: Path) -> None:
    assert deployed(project, "LogRetentionDays=30")["LogRetentionDays"] == "30"


def recorded(project: Path) -> list[dict[str, str]]:
    """The parameters of each `sam deploy`."""
    calls = [json.loads(line) for line in (project / "sam-deploys.jsonl").read_text().splitlines()]
    pairs = [[pair.partition("=") for pair in call[call.index("--parameter-overrides") + 1 :]] for call in calls]
    return [{name: value.strip('"') for name, _, value in call} for call in pairs]


class TestTheFirstDeployment:
    def test_can_be_rolled_back_and_is_protected_afterwards(self, project: Path) -> None:
        answers = iter([False, True])
        deploy(str(project / "sam"), "onramp-dev", "prod", [], exists=lambda _: next(answers))
        creation, protection = recorded(project)
        assert creation.pop("DeletionProtection") == "false"
        assert protection.pop("DeletionProtection", "true") == "true"
        assert creation == protection, "the same revision: the second step publishes no version"

    def test_ends_where_the_operator_refuses_the_change_set(self, project: Path) -> None:
        deploy(str(project / "sam"), "onramp-dev", "prod", [], exists=lambda _: False)
        assert [parameters["DeletionProtection"] for parameters in recorded(project)] == ["false"]

    def test_a_later_deployment_has_one_step(self, project: Path) -> None:
        deploy(str(project / "sam"), "onramp-dev", "prod", [], exists=lambda _: True)
        assert len(recorded(project)) == 1

    def test_without_protection_it_has_one_step(self, project: Path) -> None:
        deploy(str(project / "sam"), "onramp-dev", "prod", ["DeletionProtection=false"], exists=lambda _: False)
        assert len(recorded(project)) == 1


def test_the_stack_gets_the_environment_tag(project: Path) -> None:
    deployed(project)
    assert stack_tags(project) == ["Environment=dev"]


def test_the_callers_environment_is_the_tag_and_the_other_tags_stay(project: Path) -> None:
    config = project / "samconfig.toml"
    config.write_text(config.read_text().replace('tags = "Environment=dev"', 'tags = "Environment=dev Team=growth"'))
    assert deployed(project, "Environment=qa")["Environment"] == "qa"
    assert stack_tags(project) == ["Environment=qa", "Team=growth"]


def test_a_changed_parameter_is_a_new_version_behind_the_alias(project: Path) -> None:
    before, after = deployed(project, "LogLevel=INFO"), deployed(project, "LogLevel=DEBUG")
    for function in ("PostConfirmationFunction", "EnrichProfileFunction"):
        versions = [Translation(**parameters)[f"{function}Aliaslive"] for parameters in (before, after)]
        assert versions[0]["FunctionVersion"] != versions[1]["FunctionVersion"]


def test_the_same_deployment_twice_changes_nothing(project: Path) -> None:
    assert deployed(project, "LogLevel=INFO") == deployed(project, "LogLevel=INFO")


def test_the_build_gets_the_architecture(project: Path) -> None:
    deployed(project, "Architecture=x86_64")
    assert (project / BUILT / "template.yaml").read_text() == "x86_64"


@pytest.mark.parametrize("name", ["template.yaml", "EnrichProfileFunction/onramp/usecases/enrich.py"])
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


def test_a_revision_is_what_the_template_accepts(project: Path, template: Translation) -> None:
    given = deployed(project)["Revision"]
    assert re.fullmatch(template.parameters["Revision"]["AllowedPattern"], given)
    assert re.fullmatch("[0-9a-f]{10}", given[:10])


@pytest.mark.parametrize(
    ("environment", "override", "message"),
    [("nowhere", "LogLevel=INFO", "add it or choose another ENV"), ("dev", "LogLevel", "write PARAMETERS=")],
)
def test_a_mistake_gets_one_sentence(project: Path, environment: str, override: str, message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        deploy(str(project / "sam"), "onramp-dev", environment, [override])
    assert not (project / "sam-build.json").exists()
