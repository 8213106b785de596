"""The project's own checks of `make check`: their findings, and their messages when a tool fails."""

from __future__ import annotations

import json
import re
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from scripts import audit, find_secrets

from tests.infrastructure.translation import FUNCTIONS, ROOT, Translation

VULNERABLE = {"name": "urllib3", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.0"]}]}
SOUND = {"name": "boto3", "version": "1.43", "vulns": []}


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    return tmp_path / "tool"


def prints(tool: Path, stdout: str = "", stderr: str = "", code: int = 0) -> str:
    """A program in place of the tool, with this output and exit code."""
    text = f"import sys; sys.stdout.write({stdout!r}); sys.stderr.write({stderr!r}); sys.exit({code})"
    tool.write_text(f"#!{sys.executable}\n{text}\n")
    tool.chmod(0o755)
    return str(tool)


class TestTheAudit:
    def audit(self, tool: Path, *packages: dict[str, Any]) -> tuple[int, str]:
        return audit.audit(prints(tool, json.dumps({"dependencies": packages}), code=1), "requirements/dev.txt")

    def test_names_the_package_and_the_fixed_version(self, tool: Path) -> None:
        code, output = self.audit(tool, SOUND, VULNERABLE)
        assert code == 1
        assert "urllib3 1.0: PYSEC-1 (mended in 2.0)" in output
        assert "boto3" not in output

    def test_fails_for_a_package_that_it_could_not_look_up(self, tool: Path) -> None:
        code, output = self.audit(tool, {"name": "boto3", "skip_reason": "not found"})
        assert (code, "boto3: not looked up, not found" in output) == (1, True)

    def test_prints_the_number_of_packages(self, tool: Path) -> None:
        assert self.audit(tool, SOUND, SOUND) == (0, "audit: 2 locked packages, no known vulnerability")

    @pytest.mark.parametrize(
        "stderr", ["requests.exceptions.ConnectionError: ...", "Could not connect: ConnectTimeout", "ServiceError"]
    )
    def test_offline_it_prints_one_sentence_and_succeeds(self, tool: Path, stderr: str) -> None:
        assert audit.audit(prints(tool, stderr=f"Traceback\n{stderr}", code=1), "any") == (0, audit.OFFLINE)
        assert "\n" not in audit.OFFLINE

    def test_a_failing_tool_fails_the_audit(self, tool: Path) -> None:
        code, output = audit.audit(prints(tool, stderr="error: no such option", code=2), "any")
        assert (code, "no such option" in output) == (2, True)


class TestTheSecretsScan:
    def run(self, tool: Path, monkeypatch: pytest.MonkeyPatch, *found: tuple[str, str]) -> None:
        monkeypatch.setattr(find_secrets, "EXPLAINED", {("tests/*", "Secret Keyword"): "what the fakes accept"})
        results = {file: [{"line_number": 7, "type": kind}] for file, kind in found}
        find_secrets.main(prints(tool, json.dumps({"results": results})))

    def test_ignores_explained_findings(self, tool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.run(tool, monkeypatch, ("tests/unit/test_any.py", "Secret Keyword"))

    @pytest.mark.parametrize(
        "found", [("tests/unit/test_any.py", "Stripe Access Key"), ("shared/any.py", "Secret Keyword")]
    )
    def test_names_unexplained_findings(
        self, tool: Path, monkeypatch: pytest.MonkeyPatch, found: tuple[str, str]
    ) -> None:
        with pytest.raises(SystemExit, match=f"{found[0]}:7: {found[1]}"):
            self.run(tool, monkeypatch, found)

    def test_an_explanation_without_a_finding_fails(self, tool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(SystemExit, match="no Secret Keyword there any more"):
            self.run(tool, monkeypatch)


def test_what_ships_is_what_is_audited() -> None:
    """The audit reads the development lock, which contains each function's packages in the same versions."""
    audited = pins("dev")
    for folder in FUNCTIONS.values():
        assert pins(folder.replace("_", "-")) <= audited


def pins(lock: str) -> set[str]:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    return set(re.findall(r"^[\w.-]+==[^\s;]+", text, re.MULTILINE))


def test_every_suppression_in_the_template_has_its_reason() -> None:
    resources = Translation().sam["Resources"]
    skips = [skip for r in resources.values() for skip in r.get("Metadata", {}).get("checkov", {}).get("skip", [])]
    assert skips
    assert all(skip.keys() == {"id", "comment"} and len(skip["comment"]) > 20 for skip in skips)
    for above, line in pairwise((ROOT / "template.yaml").read_text().splitlines()):
        assert "ignore_checks" not in line or "#" in above + line
