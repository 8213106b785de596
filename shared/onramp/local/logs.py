"""What the functions wrote, read from CloudWatch Logs, where the emulator puts their stderr and stdout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLATFORM = ("START RequestId: ", "END RequestId: ", "REPORT RequestId: ")


def function_logs(logs: Any) -> list[str]:
    return [
        event["message"]
        for group in logs.get_paginator("describe_log_groups").paginate().search("logGroups[].logGroupName")
        for event in _events(logs, group)
        if not event["message"].startswith(_PLATFORM)
    ]


def _events(logs: Any, group: str) -> Iterator[Any]:
    return iter(logs.get_paginator("filter_log_events").paginate(logGroupName=group).search("events[]"))
