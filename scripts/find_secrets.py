"""Fails where a tracked file holds an unexplained look-alike of a secret: find_secrets.py DETECT_SECRETS"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

LOCKS = r"requirements/.*\.txt"  # hashes, thousands of them
# (files, kind of finding) -> why it is none. A key of a real provider is another kind, and found in these files too.
EXPLAINED = {
    ("events/sqs_batch.json", "Hex High Entropy String"): "checksums of the sample's messages",
    ("shared/onramp/local/*", "Secret Keyword"): "what the emulator and the fakes on 127.0.0.1 accept, and nobody else",
    ("template.yaml", "Secret Keyword"): "settings of the pool's client whose names end like a secret's",
    ("tests/*", "Secret Keyword"): "the same, and what the tests expect of secrets",
    ("tests/*", "Hex High Entropy String"): "subs, and what is nearly one",
    ("tests/*", "Base64 High Entropy String"): "idempotency keys of made-up users, and an alphabet",
    ("shared/onramp/ops/*", "Secret Keyword"): "what the desk says of the metric and the alarm SecretUnreadable",
}


@dataclass(frozen=True)
class Finding:
    file: str
    line: int
    kind: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.kind}"


def scan(detect_secrets: str) -> Iterator[Finding]:
    # Without --no-verify it would try keys out at their provider's.
    command = [detect_secrets, "scan", "--no-verify", "--exclude-files", LOCKS]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603  # our own tool
    results: Mapping[str, list[dict[str, Any]]] = json.loads(done.stdout)["results"]
    for file, found in results.items():
        yield from (Finding(Path(file).as_posix(), entry["line_number"], entry["type"]) for entry in found)


def explanation(finding: Finding) -> tuple[str, str] | None:
    return next((key for key in EXPLAINED if fnmatchcase(finding.file, key[0]) and finding.kind == key[1]), None)


def main(detect_secrets: str) -> None:
    findings = list(scan(detect_secrets))
    wrong = [str(finding) for finding in findings if explanation(finding) is None]
    wrong += [
        f"{files}: no {kind} there any more" for files, kind in EXPLAINED.keys() - set(map(explanation, findings))
    ]
    if wrong:
        cure = "secrets: take them out and revoke them, or explain them in scripts/find_secrets.py:"
        sys.exit("\n".join([cure, *sorted(wrong)]))
    sys.stdout.write(f"secrets: {len(findings)} look-alikes, all explained\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
