"""Looks the locked packages up in the OSV database: audit.py PIP_AUDIT REQUIREMENTS

Without a way to the database it says so in one sentence and succeeds: a check that fails offline is soon left out.
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
    "audit: not done, the vulnerability database (osv.dev) cannot be reached from here; run `make audit` where it can"
)
# Vulnerability -> why it cannot hurt here. Each is looked at again when its package is updated.
ACCEPTED: dict[str, str] = {}


def audit(pip_audit: str, requirements: str) -> tuple[int, str]:
    """The exit code, and what to say."""
    done = subprocess.run(_command(pip_audit, requirements), check=False, capture_output=True, text=True)  # noqa: S603
    try:
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except ValueError:
        return (0, OFFLINE) if UNREACHABLE.search(done.stderr) else (2, f"audit: pip-audit failed\n{done.stderr}")
    found = [f"{p['name']} {p['version']}: {v['id']}{_cure(v)}" for p in packages for v in p.get("vulns", [])]
    found += [f"{p['name']}: not looked up, {p['skip_reason']}" for p in packages if "skip_reason" in p]
    if found:
        return 1, "\n".join(["audit: update (make lock), or accept in scripts/audit.py with a reason:", *found])
    return 0, f"audit: {len(packages)} locked packages, no known vulnerability"


def _command(pip_audit: str, requirements: str) -> list[str]:
    accepted = [option for vulnerability in ACCEPTED for option in ("--ignore-vuln", vulnerability)]
    return [
        *(pip_audit, "--vulnerability-service", "osv", "--format", "json", "--progress-spinner", "off"),
        *("--timeout", str(TIMEOUT_SECONDS), "--disable-pip", "--require-hashes", "--requirement", requirements),
        *accepted,
    ]


def _cure(vulnerability: dict[str, Any]) -> str:
    versions = vulnerability.get("fix_versions", [])
    return f" (mended in {', '.join(versions)})" if versions else ""


def main(pip_audit: str, requirements: str) -> None:
    code, says = audit(pip_audit, requirements)
    sys.stdout.write(f"{says}\n")
    sys.exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
