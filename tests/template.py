"""The tables and queues of template.yaml: tests never repeat them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from onramp.local.translate import load_template

ROOT = Path(__file__).resolve().parents[1]
_CREATE_TABLE_ARGUMENTS = ("KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes")


@cache
def tables() -> dict[str, dict[str, Any]]:
    """Logical id -> the CreateTable arguments of every table."""
    return {
        name: {key: value for key, value in resource["Properties"].items() if key in _CREATE_TABLE_ARGUMENTS}
        for name, resource in _resources().items()
        if resource["Type"] == "AWS::DynamoDB::Table"
    }


def retention(queue: str) -> int:
    """Seconds that a queue, by its logical id, keeps a message."""
    return int(_resources()[queue]["Properties"]["MessageRetentionPeriod"])


@cache
def _resources() -> dict[str, dict[str, Any]]:
    resources: dict[str, dict[str, Any]] = load_template(ROOT / "template.yaml")["Resources"]
    return resources
