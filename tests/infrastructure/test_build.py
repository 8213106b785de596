"""The artifacts of `make build` are complete, small and reproducible."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripts.build import SERVICES, build, pack

from tests.artifacts import host_artifacts
from tests.contracts.runtime_api import RUNTIME
from tests.infrastructure.translation import FUNCTIONS, ROOT, Translation

AARCH64 = 0xB7  # e_machine in an ELF header
SAM = ROOT / ".tools" / "sam" / "bin" / "sam"
MOST_MEGABYTES = {"post_confirmation": 4.5, "heal_signup": 4.5, "reconcile": 7.0, "enrich_profile": 12.0}
IMPORT_IT = "import sys; sys.path.insert(0, {artifact!r}); from functions.{folder}.handler import handler"


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The artifact of each function, built for the Python that runs the tests."""
    artifacts = host_artifacts(tmp_path_factory)
    return {function: artifacts[folder] for function, folder in FUNCTIONS.items()}


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The artifact of each function, built for Lambda."""
    folders = {function: tmp_path_factory.mktemp("arm64") for function in FUNCTIONS}
    for function, folder in folders.items():
        build(FUNCTIONS[function], folder, "arm64", RUNTIME)
    return folders


@pytest.mark.parametrize("function", FUNCTIONS)
class TestEveryArtifact:
    def test_has_everything_that_its_handler_imports(
        self, template: Translation, host: dict[str, Path], function: str, tmp_path: Path
    ) -> None:
        code = IMPORT_IT.format(artifact=str(host[function]), folder=FUNCTIONS[function])
        # -I and -S: nothing but the artifact and the standard library, from another directory.
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", code],
            cwd=tmp_path,
            env=template.settings(function) | region(),
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr

    def test_can_create_a_client_of_every_service_it_calls(
        self, host: dict[str, Path], function: str, tmp_path: Path
    ) -> None:
        code = "import sys; sys.path.insert(0, sys.argv[1]); from botocore.session import Session\n"
        code += "for service in sys.argv[2:]: Session().create_client(service)"
        command = [sys.executable, "-I", "-S", "-c", code, str(host[function]), *SERVICES[FUNCTIONS[function]]]
        done = subprocess.run(command, cwd=tmp_path, env=region(), check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def test_has_no_operator_commands_and_no_local_stack(self, shipped: dict[str, Path], function: str) -> None:
        folder = shipped[function]
        assert {path.name for path in (folder / "functions").iterdir()} == {FUNCTIONS[function]}
        assert not [name for name in ("ops", "local") if (folder / "onramp" / name).exists()]
        assert not [name for name in (".lock", "bin") if (folder / name).exists()]

    def test_is_for_lambda_on_arm(self, shipped: dict[str, Path], function: str) -> None:
        extensions = list(shipped[function].rglob("*.so"))
        assert {int.from_bytes(path.read_bytes()[18:20], "little") for path in extensions} <= {AARCH64}
        assert not [path for path in extensions if "cpython-313-" not in path.name and ".abi3" not in path.name]

    def test_keeps_the_licences_of_what_it_ships(self, shipped: dict[str, Path], function: str) -> None:
        infos = list(shipped[function].glob("*.dist-info"))
        assert infos
        without = [i.name for i in infos if not any("licen" in p.name.lower() for p in i.rglob("*"))]
        assert not without

    def test_is_zipped_to_the_same_bytes_every_time_and_stays_small(
        self, shipped: dict[str, Path], function: str, tmp_path: Path
    ) -> None:
        """With all that their libraries install the trigger would be four times as large, and the worker twice."""
        pack(shipped[function], tmp_path / "first.zip")
        (shipped[function] / "onramp" / "__init__.py").touch()
        pack(shipped[function], tmp_path / "second.zip")
        assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()
        with zipfile.ZipFile(tmp_path / "first.zip") as archive:
            assert f"functions/{FUNCTIONS[function]}/handler.py" in archive.namelist()
        assert (tmp_path / "first.zip").stat().st_size < MOST_MEGABYTES[FUNCTIONS[function]] * 1_000_000

    @pytest.mark.skipif(not SAM.exists(), reason="`make sam` installs the SAM CLI")
    def test_is_what_sam_build_makes(
        self, shipped: dict[str, Path], function: str, tmp_path: Path, sam_build: Path
    ) -> None:
        assert dict(contents(sam_build / function)) == dict(contents(shipped[function]))


@pytest.fixture(scope="session")
def sam_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("sam")
    subprocess.run([SAM, "build", "--build-dir", target], cwd=ROOT, check=True, capture_output=True)
    return target


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path.read_bytes()


def test_the_trigger_ships_neither_stripe_nor_pydantic_nor_xray(shipped: dict[str, Path]) -> None:
    names = {path.name.split("-")[0] for path in shipped["PostConfirmationFunction"].iterdir()}
    assert not names & {"stripe", "pydantic", "pydantic_core", "aws_xray_sdk", "requests"}


def test_the_recipe_never_empties_the_project() -> None:
    command = [sys.executable, "scripts/build.py", "post_confirmation", "--architecture", "host", "--runtime", "x"]
    for folder in ("", "..", "/"):
        done = subprocess.run([*command, folder], cwd=ROOT, check=False, capture_output=True, text=True)
        assert done.returncode == 2
        assert "name a directory of its own" in done.stderr


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_has_its_make_target(function: str, tmp_path: Path) -> None:
    command = ["make", "--dry-run", f"build-{function}", f"ARTIFACTS_DIR={tmp_path}", "ARCHITECTURE=x86_64"]
    shown = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    recipe = f"scripts/build.py {FUNCTIONS[function]} --architecture x86_64 --runtime python3.13"
    assert f'{recipe} "{tmp_path}"' in shown


def region() -> dict[str, str]:
    return {"AWS_DEFAULT_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true"}


def test_a_build_without_bytecode_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "scripts.build.install", lambda *_: (tmp_path / "artifact" / "botocore" / "data").mkdir(parents=True)
    )
    monkeypatch.setattr("scripts.build.shorten_data", lambda *_: None)
    build("reconcile", tmp_path / "artifact", "arm64", "python9.9")
    assert "reconcile is built WITHOUT BYTECODE" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.pyc"))
