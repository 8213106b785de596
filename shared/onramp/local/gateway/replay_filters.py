"""A replay that names rules reaches those rules only, as on AWS; the emulator sends every replay to all of them.

Its version is pinned, so replacing one function of it is safe; a contract test holds what is relied on.
"""

from __future__ import annotations

from typing import Any


def install() -> None:
    """In the server's process, before its first request."""
    from ministack.services import eventbridge

    dispatch = eventbridge._dispatch_event

    def dispatch_filtered(event: dict[str, Any], view: Any = None) -> None:
        replay = eventbridge._replays.get(event.get("ReplayName") or "") or {}
        if not (wanted := replay.get("Destination", {}).get("FilterArns")):
            dispatch(event, view)
            return
        view = view or eventbridge._pattern_event_view(event)
        for key, rule in eventbridge._rules.items():
            if rule.get("Arn") not in wanted or rule.get("State") != "ENABLED":
                continue
            if eventbridge._matches_pattern_view(rule["EventPattern"], view, f"rule {key}"):
                for target in eventbridge._targets.get(key, []):
                    eventbridge._invoke_target(target, event, rule, view)

    eventbridge._dispatch_event = dispatch_filtered
