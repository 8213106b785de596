"""The checks of `make check` that are the project's own: what they find, and what they say where they cannot look."""

from __future__ import annotations

import json
import re
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from scripts import audit, find_secrets
from scripts.build import LOCKS

from tests.infrastructure.translation import FUNCTIONS, ROOT, with_defaults

VULNERABLE = {"name": "urllib3", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.0"]}]}
SOUND = {"name": "boto3", "version": "1.43", "vulns": []}


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    return tmp_path / "tool"


def says(tool: Path, stdout: str = "", stderr: str = "", code: int = 0) -> str:
    """The tool, replaced by a program that says this."""
    text = f"import sys; sys.stdout.write({stdout!r}); sys.stderr.write({stderr!r}); sys.exit({code})"
    tool.write_text(f"#!{sys.executable}\n{text}\n")
    tool.chmod(0o755)
    return str(tool)


class TestTheAudit:
    def found(self, tool: Path, *packages: dict[str, Any]) -> tuple[int, str]:
        return audit.audit(says(tool, json.dumps({"dependencies": packages}), code=1), "requirements/dev.txt")

    def test_names_the_package_and_its_cure(self, tool: Path) -> None:
        code, said = self.found(tool, SOUND, VULNERABLE)
        assert code == 1
        assert "urllib3 1.0: PYSEC-1 (fixed in 2.0)" in said
        assert "boto3" not in said

    def test_does_not_take_what_it_could_not_look_up_for_sound(self, tool: Path) -> None:
        code, said = self.found(tool, {"name": "boto3", "skip_reason": "not found"})
        assert (code, "boto3: not looked up, not found" in said) == (1, True)

    def test_says_how_much_it_looked_at(self, tool: Path) -> None:
        assert self.found(tool, SOUND, SOUND) == (0, "audit: 2 locked packages, no known vulnerability")

    @pytest.mark.parametrize(
        "stderr", ["requests.exceptions.ConnectionError: ...", "Could not connect: ConnectTimeout", "ServiceError"]
    )
    def test_offline_it_says_so_in_one_sentence_and_succeeds(self, tool: Path, stderr: str) -> None:
        assert audit.audit(says(tool, stderr=f"Traceback\n{stderr}", code=1), "any") == (0, audit.OFFLINE)
        assert "\n" not in audit.OFFLINE

    def test_a_broken_tool_is_no_success(self, tool: Path) -> None:
        code, said = audit.audit(says(tool, stderr="error: no such option", code=2), "any")
        assert (code, "no such option" in said) == (2, True)


class TestTheSecretsScan:
    def run(self, tool: Path, monkeypatch: pytest.MonkeyPatch, *found: tuple[str, str]) -> None:
        monkeypatch.setattr(find_secrets, "EXPLAINED", {("tests/*", "Secret Keyword"): "what the fakes accept"})
        results = {file: [{"line_number": 7, "type": kind}] for file, kind in found}
        find_secrets.main(says(tool, json.dumps({"results": results})))

    def test_passes_over_what_is_explained(self, tool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.run(tool, monkeypatch, ("tests/unit/test_any.py", "Secret Keyword"))

    @pytest.mark.parametrize(
        "found", [("tests/unit/test_any.py", "Stripe Access Key"), ("shared/any.py", "Secret Keyword")]
    )
    def test_names_what_is_not(self, tool: Path, monkeypatch: pytest.MonkeyPatch, found: tuple[str, str]) -> None:
        with pytest.raises(SystemExit, match=f"{found[0]}:7: {found[1]}"):
            self.run(tool, monkeypatch, found)

    def test_an_explanation_of_nothing_goes(self, tool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(SystemExit, match="no Secret Keyword there any more"):
            self.run(tool, monkeypatch)


def test_what_ships_is_what_is_audited() -> None:
    """The audit reads the development lock: each function's packages are in it, in the same versions."""
    audited = pins("dev")
    for folder in FUNCTIONS.values():
        assert pins(LOCKS.get(folder, folder.replace("_", "-"))) <= audited


def pins(lock: str) -> set[str]:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    return set(re.findall(r"^[\w.-]+==[^\s;]+", text, re.MULTILINE))


def test_every_suppression_in_the_template_has_its_reason() -> None:
    resources = with_defaults().sam["Resources"]
    skips = [skip for r in resources.values() for skip in r.get("Metadata", {}).get("checkov", {}).get("skip", [])]
    assert skips
    assert all(skip.keys() == {"id", "comment"} and len(skip["comment"]) > 20 for skip in skips)
    for above, line in pairwise((ROOT / "template.yaml").read_text().splitlines()):
        assert "ignore_checks" not in line or "#" in above + line
