"""Stops the worker of a local stack, where it is no part of what is measured and would use the same processors."""

from __future__ import annotations

from onramp.local.stack import LocalStack


def disable_worker(stack: LocalStack) -> None:
    client = stack.client("lambda")
    for mapping in client.list_event_source_mappings()["EventSourceMappings"]:
        client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
