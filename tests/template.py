"""The tables of template.yaml: tests never repeat them."""

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
    resources = load_template(ROOT / "template.yaml")["Resources"]
    return {
        name: {key: value for key, value in resource["Properties"].items() if key in _CREATE_TABLE_ARGUMENTS}
        for name, resource in resources.items()
        if resource["Type"] == "AWS::DynamoDB::Table"
    }
