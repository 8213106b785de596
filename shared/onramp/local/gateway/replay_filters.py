"""A replay with FilterArns reaches only those rules, as on AWS; the emulator sends every replay to all rules.

This module replaces one function of the emulator; its version is pinned and a contract test covers the replacement.
"""

from __future__ import annotations

from typing import Any


def install() -> None:
    """Call it in the server process, before the first request."""
    from ministack.services import eventbridge

    dispatch = eventbridge._dispatch_event

    def dispatch_filtered(event: dict[str, Any], view: Any = None) -> None:
        replay = eventbridge._replays.get(event.get("ReplayName") or "") or {}
        if not (rule_arns := replay.get("Destination", {}).get("FilterArns")):
            dispatch(event, view)
            return
        view = view or eventbridge._pattern_event_view(event)
        for key, rule in eventbridge._rules.items():
            if rule.get("Arn") not in rule_arns or rule.get("State") != "ENABLED":
                continue
            if eventbridge._matches_pattern_view(rule["EventPattern"], view, f"rule {key}"):
                for target in eventbridge._targets.get(key, []):
                    eventbridge._invoke_target(target, event, rule, view)

    eventbridge._dispatch_event = dispatch_filtered
