"""`make deploy`: each change of the code or of a parameter value reaches the alias `live`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest
from scripts.deploy import BUILT, deploy, revision

from onramp.ops.common.context import OperatorContext
from onramp.ops.common.deployment import CONFIGURED_ENVIRONMENTS, DEFAULT_ENVIRONMENT, Deployment
from onramp.ops.common.output import Output
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
    """A folder with samconfig.toml, the template and a `sam` that records its arguments."""
    for name in ("samconfig.toml", "template.yaml", "Makefile"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    (tmp_path / "sam").write_text(SAM.format(python=sys.executable))
    (tmp_path / "sam").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ARCHITECTURE", raising=False)
    return tmp_path


def deployed(project: Path, *overrides: str, environment: str = "dev") -> dict[str, str]:
    """Deploys. Returns the parameters of the stack."""
    deploy(str(project / "sam"), "onramp-dev", environment, " ".join(overrides), exists=lambda _: True)
    assert options_of(project)[:4] == ["--config-env", environment, "--stack-name", "onramp-dev"]
    return parameters_of(project)


def options_of(project: Path) -> list[str]:
    """The arguments of the last `sam deploy`."""
    return list(json.loads((project / "sam-deploy.json").read_text()))


def parameters_of(project: Path) -> dict[str, str]:
    """The parameters of the last `sam deploy`, read as SAM reads them: a quoted value with escapes."""
    options = options_of(project)
    pairs = [pair.partition("=") for pair in options[options.index("--parameter-overrides") + 1 :]]
    assert all(re.fullmatch(r'"(?:\\.|[^"\\])*"', quoted) for _, _, quoted in pairs)
    return {name: quoted[1:-1].replace('\\"', '"') for name, _, quoted in pairs}


def stack_tags(project: Path) -> list[str]:
    """The tags of the last deployment."""
    arguments = options_of(project)
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
        deploy(str(project / "sam"), "onramp-dev", "prod", "", exists=lambda _: next(answers))
        creation, protection = recorded(project)
        assert creation.pop("DeletionProtection") == "false"
        assert protection.pop("DeletionProtection", "true") == "true"
        assert creation == protection, "the same revision: the second step publishes no version"

    def test_ends_where_the_operator_refuses_the_change_set(self, project: Path) -> None:
        deploy(str(project / "sam"), "onramp-dev", "prod", "", exists=lambda _: False)
        assert [parameters["DeletionProtection"] for parameters in recorded(project)] == ["false"]

    def test_a_later_deployment_has_one_step(self, project: Path) -> None:
        deploy(str(project / "sam"), "onramp-dev", "prod", "", exists=lambda _: True)
        assert len(recorded(project)) == 1

    def test_without_protection_it_has_one_step(self, project: Path) -> None:
        deploy(str(project / "sam"), "onramp-dev", "prod", "DeletionProtection=false", exists=lambda _: False)
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
    [
        ("nowhere", "LogLevel=INFO", "add it or choose another ENV"),
        ("dev", "LogLevel", "write PARAMETERS="),
        ("dev", "StripSecretName=/onramp/stripe", "no parameter 'StripSecretName': did you mean StripeSecretName?"),
        ("dev", "Colour=blue", "no parameter 'Colour': template.yaml describes all parameters."),
        ("dev", "LogLevel='INFO", "a quotation mark is not closed"),
        ("dev", "LogLevel='IN\\FO'", "contains a backslash"),
    ],
)
def test_a_mistake_gets_one_sentence_and_deploys_nothing(
    project: Path, environment: str, override: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        deploy(str(project / "sam"), "onramp-dev", environment, override)
    err = capsys.readouterr().err
    assert ended.value.code == 2
    assert err.startswith("onramp: ")
    assert message in err
    assert err.count("\n") == 1
    assert not (project / "sam-build.json").exists()


def test_a_name_of_samconfig_is_checked_too(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = project / "samconfig.toml"
    config.write_text(config.read_text().replace("LogRetentionDays=7", "LogRetention=7"))
    with pytest.raises(SystemExit):
        deployed(project)
    assert "did you mean LogRetentionDays?" in capsys.readouterr().err


def test_every_environment_of_samconfig_deploys(project: Path) -> None:
    for environment in ("default", "dev", "prod"):
        assert deployed(project, environment=environment)["Environment"] in ("dev", "prod")


HOSTILE = (
    "A$(touch ran)",
    "A`touch ran`",
    "A$$(touch ran)",
    "A$(shell touch ran)",
    "A;touch ran",
    "A'; touch ran; '",
    'A"; touch ran; "',
    'A" LogLevel="DEBUG',
    "A B LogLevel=DEBUG",
    "$HOME",
    "# not a comment",
)


def deployment(environment: str = "dev") -> Deployment:
    """A deployed stack, as the command reads it."""
    parameters = [{"ParameterKey": "Environment", "ParameterValue": environment}]
    stack = {"Outputs": [], "Parameters": parameters}
    clients = {"cloudformation": SimpleNamespace(describe_stacks=lambda **_: {"Stacks": [stack]})}
    return Deployment(OperatorContext(Output(as_json=False), "onramp-live", clients=clients))


STACKS = b"""<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult>
<Stacks><member><StackStatus>UPDATE_COMPLETE</StackStatus></member></Stacks>
</DescribeStacksResult></DescribeStacksResponse>"""


class CloudFormation(BaseHTTPRequestHandler):
    """Knows every stack."""

    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(STACKS)))
        self.end_headers()
        self.wfile.write(STACKS)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def cloudformation(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with HTTPServer(("127.0.0.1", 0), CloudFormation) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
            monkeypatch.setenv(name, "eu-west-1")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "test")
        yield
        server.shutdown()


def paste(project: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Runs a printed `make deploy`, with the recording `sam`."""
    words = f"{command} SAM=./sam BIN={Path(sys.executable).parent} -o setup -o sam -o ./sam"
    shell = ["sh", "-c", words]
    return subprocess.run(shell, check=False, cwd=project, capture_output=True, text=True, timeout=60)


@pytest.mark.usefixtures("cloudformation")
@pytest.mark.parametrize("name", HOSTILE)
def test_the_name_of_a_provider_runs_nothing_when_the_printed_command_is_pasted(project: Path, name: str) -> None:
    wanted = f"{name}@example.com"
    ran = paste(project, deployment().deploy_command(TrustedIdentityProviders=wanted))
    assert ran.returncode == 0, ran.stderr
    assert not list(project.rglob("ran"))
    parameters = parameters_of(project)
    assert parameters["TrustedIdentityProviders"] == wanted
    assert "LogLevel" not in parameters


@pytest.mark.usefixtures("cloudformation")
@pytest.mark.parametrize(("environment", "config"), [("dev", "default"), ("prod", "prod"), ("qa", "default")])
def test_the_printed_command_keeps_the_environment(project: Path, environment: str, config: str) -> None:
    ran = paste(project, deployment(environment).deploy_command(LogLevel="DEBUG"))
    assert ran.returncode == 0, ran.stderr
    assert options_of(project)[:4] == ["--config-env", config, "--stack-name", "onramp-live"]
    assert (parameters_of(project)["Environment"], parameters_of(project)["LogLevel"]) == (environment, "DEBUG")
    assert stack_tags(project) == [f"Environment={environment}"]


def test_the_command_knows_the_environments_of_samconfig() -> None:
    configured = tomllib.loads((ROOT / "samconfig.toml").read_text()).keys() - {"version"}
    assert configured == {"default", DEFAULT_ENVIRONMENT, *CONFIGURED_ENVIRONMENTS}


def test_make_reports_a_mistake(project: Path) -> None:
    ran = paste(project, "make deploy STACK=onramp-live PARAMETERS=StripSecretName=/onramp/stripe")
    assert ran.returncode == 2
    assert "did you mean StripeSecretName?" in ran.stderr
    assert not (project / "sam-build.json").exists()
