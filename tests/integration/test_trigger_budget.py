"""Cognito waits five seconds: the trigger answers before, even if a service hangs."""

from __future__ import annotations

import importlib
import json
import socket
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from onramp.local.stack import LocalStack
from tests.deployed import DeployedPipeline, unique_email

BUDGET = 5.0
SAMPLE = Path(__file__).resolve().parents[2] / "events/post_confirmation_native.json"


@pytest.fixture
def hanging() -> Iterator[str]:
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def trigger(stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports the handler again with these settings: it creates its clients at import."""
    settings = {
        **stack.environment(),
        "USERS_TABLE_NAME": stack.outputs["UsersTableName"],
        "OPERATIONS_TABLE_NAME": stack.outputs["OperationsTableName"],
        "EVENT_BUS_NAME": stack.outputs["EventBusName"],
        "USER_POOL_IDS": stack.outputs["UserPoolId"],
        "EMIT_DUE_AFTER_SECONDS": "300",
        "ALLOWED_ROLES": "team_member",
        "DEFAULT_ROLE": "team_member",
    }

    def load(**endpoints: str) -> ModuleType:
        for name, value in {**settings, **endpoints}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delitem(sys.modules, "functions.post_confirmation.handler", raising=False)
        return importlib.import_module("functions.post_confirmation.handler")

    return load


class Context(SimpleNamespace):
    def __init__(self) -> None:
        super().__init__(
            aws_request_id=str(uuid.uuid4()), function_name="f", memory_limit_in_mb=1, invoked_function_arn="arn"
        )
        self.started = time.monotonic()

    def get_remaining_time_in_millis(self) -> int:
        return round((BUDGET - self.seconds()) * 1000)

    def seconds(self) -> float:
        return time.monotonic() - self.started


def event_for(stack: LocalStack, email: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(SAMPLE.read_text()) | {"userPoolId": stack.outputs["UserPoolId"]}
    event["request"]["userAttributes"] |= {"sub": str(uuid.uuid4()), "email": email}
    return event


def test_a_hanging_table(stack: LocalStack, trigger: Any, hanging: str) -> None:
    module, context = trigger(AWS_ENDPOINT_URL=hanging), Context()
    with pytest.raises(module.SignUpFailed):
        module.handler(event_for(stack, unique_email()), context)
    assert context.seconds() < BUDGET


def test_a_hanging_table_and_a_hanging_bus(
    stack: LocalStack, trigger: Any, hanging: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The handover has the time of UserSignedUp, not more."""
    module, context = trigger(AWS_ENDPOINT_URL_DYNAMODB=hanging, AWS_ENDPOINT_URL_EVENTBRIDGE=hanging), Context()
    with pytest.raises(module.SignUpFailed):
        module.handler(event_for(stack, unique_email()), context)
    assert 2.7 < context.seconds() < BUDGET, "two attempts to write, and one to hand over"
    assert "left to the sweep" in caplog.text


def test_a_hanging_table_alone_is_handed_over(
    stack: LocalStack, trigger: Any, hanging: str, caplog: pytest.LogCaptureFixture
) -> None:
    module, context = trigger(AWS_ENDPOINT_URL_DYNAMODB=hanging), Context()
    with pytest.raises(module.SignUpFailed):
        module.handler(event_for(stack, unique_email()), context)
    assert context.seconds() < BUDGET
    assert "handed over" in caplog.text


def test_a_hanging_bus(stack: LocalStack, trigger: Any, hanging: str, capsys: pytest.CaptureFixture[str]) -> None:
    module, context, email = trigger(AWS_ENDPOINT_URL_EVENTBRIDGE=hanging), Context(), unique_email()
    event = event_for(stack, email)
    assert module.handler(event, context) == event
    assert context.seconds() < BUDGET
    assert "put_events_ReadTimeoutError" in capsys.readouterr().out, "the bus was called and hung"
    user = DeployedPipeline(stack).user(email)
    assert user is not None
    assert user["owed"].startswith("emit#")


def test_no_time_left_for_the_event(stack: LocalStack, trigger: Any, hanging: str) -> None:
    module, context, email = trigger(AWS_ENDPOINT_URL_EVENTBRIDGE=hanging), Context(), unique_email()
    context.started -= BUDGET - 1.2
    event = event_for(stack, email)
    assert module.handler(event, context) == event
    assert context.seconds() < BUDGET, "the bus was not called"


def test_a_warm_trigger_makes_exactly_two_calls(stack: LocalStack, trigger: Any) -> None:
    module = trigger()
    calls: list[str] = []
    for client in (module.trigger.sign_up.store.client, module.trigger.sign_up.publisher.client):
        client.meta.events.register("before-send", lambda request, **_: calls.append(request.url))
    module.handler(event_for(stack, unique_email()), Context())
    calls.clear()
    module.handler(event_for(stack, unique_email()), Context())
    assert len(calls) == 2
