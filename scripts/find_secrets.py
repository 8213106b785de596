"""Fails if a tracked file contains an unexplained possible secret: find_secrets.py DETECT_SECRETS"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

LOCKS = r"requirements/.*\.txt"  # they contain thousands of hashes
# (files, kind of finding) -> why it is not a secret. A real provider key is another kind and fails in these files too.
EXPLAINED = {
    ("events/sqs_batch.json", "Hex High Entropy String"): "checksums of the sample messages",
    ("shared/onramp/local/*", "Secret Keyword"): "credentials for the emulator and the fakes on 127.0.0.1 only",
    ("template.yaml", "Secret Keyword"): "settings of the user pool client with Secret in their names",
    ("tests/*", "Secret Keyword"): "credentials for the emulator and the fakes, and expected texts about secrets",
    ("tests/*", "Hex High Entropy String"): "subs and malformed subs",
    ("tests/*", "Base64 High Entropy String"): "idempotency keys of test users, and an alphabet",
    ("shared/onramp/ops/*", "Secret Keyword"): "texts about the metric and the alarm SecretUnreadable",
}


@dataclass(frozen=True)
class Finding:
    file: str
    line: int
    kind: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.kind}"


def scan(detect_secrets: str) -> Iterator[Finding]:
    # Without --no-verify it would send the keys to their providers.
    command = [detect_secrets, "scan", "--no-verify", "--exclude-files", LOCKS]
    completed = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603  # our own tool
    results: Mapping[str, list[dict[str, Any]]] = json.loads(completed.stdout)["results"]
    for file, entries in results.items():
        yield from (Finding(Path(file).as_posix(), entry["line_number"], entry["type"]) for entry in entries)


def explanation(finding: Finding) -> tuple[str, str] | None:
    return next((key for key in EXPLAINED if fnmatchcase(finding.file, key[0]) and finding.kind == key[1]), None)


def main(detect_secrets: str) -> None:
    findings = list(scan(detect_secrets))
    errors = [str(finding) for finding in findings if explanation(finding) is None]
    errors += [
        f"{files}: no {kind} there any more" for files, kind in EXPLAINED.keys() - set(map(explanation, findings))
    ]
    if errors:
        message = "secrets: remove and revoke them, or explain them in scripts/find_secrets.py:"
        sys.exit("\n".join([message, *sorted(errors)]))
    sys.stdout.write(f"secrets: {len(findings)} possible secrets, all explained\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
