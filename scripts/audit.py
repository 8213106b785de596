"""Looks up the locked packages in the OSV database: audit.py PIP_AUDIT REQUIREMENTS

If the database cannot be reached, it prints one sentence and succeeds, so that `make check` works offline.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

TIMEOUT_SECONDS = 5
UNREACHABLE = re.compile(r"ConnectionError|Timeout|ProxyError|SSLError|ServiceError|HTTPError")
OFFLINE = (
    "audit: skipped, the vulnerability database (osv.dev) cannot be reached; run `make audit` again with network access"
)
# Vulnerability -> why it does not apply here. Review each entry when its package is updated.
ACCEPTED: dict[str, str] = {}


def audit(pip_audit: str, requirements: str) -> tuple[int, str]:
    """The exit code and the message."""
    completed = subprocess.run(_command(pip_audit, requirements), check=False, capture_output=True, text=True)  # noqa: S603
    try:
        packages: list[dict[str, Any]] = json.loads(completed.stdout)["dependencies"]
    except ValueError:
        if UNREACHABLE.search(completed.stderr):
            return 0, OFFLINE
        return 2, f"audit: pip-audit failed\n{completed.stderr}"
    problems = [f"{p['name']} {p['version']}: {v['id']}{_fix(v)}" for p in packages for v in p.get("vulns", [])]
    problems += [f"{p['name']}: not looked up, {p['skip_reason']}" for p in packages if "skip_reason" in p]
    if problems:
        return 1, "\n".join(["audit: update (make lock), or accept in scripts/audit.py with a reason:", *problems])
    return 0, f"audit: {len(packages)} locked packages, no known vulnerability"


def _command(pip_audit: str, requirements: str) -> list[str]:
    accepted = [option for vulnerability in ACCEPTED for option in ("--ignore-vuln", vulnerability)]
    return [
        *(pip_audit, "--vulnerability-service", "osv", "--format", "json", "--progress-spinner", "off"),
        *("--timeout", str(TIMEOUT_SECONDS), "--disable-pip", "--require-hashes", "--requirement", requirements),
        *accepted,
    ]


def _fix(vulnerability: dict[str, Any]) -> str:
    versions = vulnerability.get("fix_versions", [])
    return f" (fixed in {', '.join(versions)})" if versions else ""


def main(pip_audit: str, requirements: str) -> None:
    code, message = audit(pip_audit, requirements)
    sys.stdout.write(f"{message}\n")
    sys.exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
