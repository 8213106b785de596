"""Measures what AWS's documentation leaves open. A fact is neither right nor wrong: the report prints it."""

from __future__ import annotations

import json
from functools import partial
from typing import NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from onramp.adapters.aws import error_code
from onramp.ops.common.errors import reason
from onramp.ops.verify.pool_users import Refusal
from onramp.ops.verify.wiring import PREFIX, VerifyWiring

TRIGGER = "PostConfirmationFunctionName"
SETTLE_SECONDS = 20.0
"""After the first log line: a repeated call of the trigger writes a second line within this time."""
LOG_POLL_SECONDS = 2.0


class Fact(NamedTuple):
    question: str
    answer: str


def measure(wiring: VerifyWiring) -> list[Fact]:
    facts = [Fact("PutEvents to a bus that does not exist", _measured(partial(_missing_bus, wiring)))]
    for refusal in wiring.refusals:
        facts += [
            Fact("state of a user whose trigger raised", _measured(partial(_state_after_error, wiring, refusal))),
            Fact("calls of the trigger for this one error", _measured(partial(_trigger_calls, wiring, refusal))),
            Fact("a second confirmation of that user", _measured(partial(_second_confirmation, wiring, refusal))),
        ]
    return facts


def _measured(question: partial[str]) -> str:
    try:
        return question()
    except (ClientError, BotoCoreError) as error:
        return f"not measured: {reason(error)}"


def _missing_bus(wiring: VerifyWiring) -> str:
    bus = f"{PREFIX}-{wiring.run}-missing"
    try:
        reply = wiring.events.put_events(
            Entries=[{"EventBusName": bus, "Source": PREFIX, "DetailType": "Probe", "Detail": json.dumps({})}]
        )
    except ClientError as error:
        return f"an error, {error_code(error)}"
    codes = [entry.get("ErrorCode", "an event id, as for success") for entry in reply["Entries"]]
    return f"no error; FailedEntryCount {reply['FailedEntryCount']}, {', '.join(codes)}"


def _state_after_error(wiring: VerifyWiring, refusal: Refusal) -> str:
    state = wiring.pool.state(refusal.user)
    return f"{state.status} after {refusal.error}, email_verified {state.email_verified}"


def _second_confirmation(wiring: VerifyWiring, refusal: Refusal) -> str:
    try:
        wiring.pool.confirm(refusal.user)
    except ClientError as error:
        return f"refused, {error_code(error)}"
    return "succeeds"


def _trigger_calls(wiring: VerifyWiring, refusal: Refusal) -> str:
    """Counted in the trigger's log, where each call writes one line with the sub; before the second confirmation."""
    calls = wiring.wait_for(partial(_log_lines, wiring, refusal), LOG_POLL_SECONDS)
    if not calls:
        return f"not measured: no log line within {wiring.patience:.0f} s"
    wiring.sleep(SETTLE_SECONDS)
    return f"{_log_lines(wiring, refusal)} within {SETTLE_SECONDS:.0f} s"


def _log_lines(wiring: VerifyWiring, refusal: Refusal) -> int:
    pages = wiring.logs.get_paginator("filter_log_events").paginate(
        logGroupName=f"/aws/lambda/{wiring.outputs[TRIGGER]}",
        filterPattern=f'"{refusal.sub}"',
        startTime=refusal.at - 60_000,
    )
    return sum(
        refusal.sub in event["message"] and "signup rejected" in event["message"]
        for page in pages
        for event in page["events"]
    )
