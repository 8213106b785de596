"""`onramp user explain REFERENCE`: the id that a refused user quotes leads to what the trigger logged."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from onramp.domain.errors import Cause
from onramp.ops.common.output import Output
from onramp.ops.user.explain import explain_user
from onramp.ops.user.lookup import UserIdentifier
from onramp.ops.user.reference import MOST_PAGES, LoggedCall, TriggerLog, reference_data
from tests.fakes.client import client_error
from tests.operator_context import operator_context
from tests.pipeline import InMemoryPipeline
from tests.unit.user_scenario import EMAIL, OLD, in_pool

REFERENCE = "d7346be3-1b1f-4e44-9f6e-0c2d8e1f5a77"
AT = 1_790_000_000_000


def line(**entry: Any) -> str:
    return json.dumps({"function_request_id": REFERENCE, **entry})


def log(*messages: str, pages: int = 1) -> tuple[TriggerLog, list[dict[str, Any]]]:
    """The last page has the messages; those before it are empty."""
    requests: list[dict[str, Any]] = []

    def filter_log_events(**request: Any) -> dict[str, Any]:
        requests.append(request)
        if len(requests) < pages:
            return {"events": [], "nextToken": str(len(requests))}
        return {"events": [{"timestamp": AT, "message": message} for message in messages]}

    client: Any = SimpleNamespace(filter_log_events=filter_log_events)
    return TriggerLog(client, "/aws/lambda/trigger", 5), requests


def test_the_triggers_line_is_found_among_those_of_lambda() -> None:
    rejected = line(message="signup rejected", cause="nobody_vouches", sub=OLD)
    found, requests = log(f"START RequestId: {REFERENCE}", "{}", "[1]", rejected, pages=3)
    call = found.find(REFERENCE)
    assert call is not None
    assert (call.at, call.entry["cause"]) == (AT, "nobody_vouches")
    assert requests[0] == {
        "logGroupName": "/aws/lambda/trigger", "filterPattern": f'"{REFERENCE}"', "startTime": 5
    }  # fmt: skip
    assert [request.get("nextToken") for request in requests] == [None, "1", "2"]


def test_the_number_of_pages_is_bounded() -> None:
    found, requests = log(pages=10_000)
    assert found.find(REFERENCE) is None
    assert len(requests) == MOST_PAGES


def test_a_call_that_lambda_ended() -> None:
    found, _ = log(f"2026-11-20T09:00:00Z {REFERENCE} Task timed out after 5.00 seconds")
    call = found.find(REFERENCE)
    assert call is not None
    assert "did not answer in time" in reference_data(REFERENCE, call)["why"]


@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_has_a_sentence(cause: Cause) -> None:
    call = LoggedCall(AT, {"message": "signup rejected", "cause": cause.value, "sub": OLD})
    data = reference_data(REFERENCE, call)
    assert data["why"].startswith("The trigger refused the signup: ")
    assert "not confirmed" not in data["why"], "the sentence of an unknown cause"
    assert data["next"] == f"onramp user explain {OLD}"


@pytest.mark.parametrize(
    ("entry", "sentence", "needs_somebody"),
    [
        ({"message": "record not written", "code": "users_update"}, "could not be written: users_update", True),
        ({"message": "bug", "place": "KeyError at signup.py:42"}, "a bug: KeyError at signup.py:42", True),
        ({"message": "signed up", "sub": OLD}, "succeeded", False),
        ({"message": "something new"}, "something new", True),
        ({"message": "signup rejected", "cause": "a_new_cause"}, "a_new_cause", True),
    ],
)
def test_other_lines(entry: dict[str, Any], sentence: str, needs_somebody: bool) -> None:
    data = reference_data(REFERENCE, LoggedCall(AT, entry))
    assert sentence in data["why"]
    assert data["needsSomebody"] is needs_somebody


class TestExplain:
    def explain(
        self, pipeline: InMemoryPipeline, capsys: pytest.CaptureFixture[str], text: str, logs: Callable[..., Any]
    ) -> tuple[bool, Any, str]:
        client = SimpleNamespace(filter_log_events=logs)
        context = operator_context(pipeline, {"logs": client}, out=Output(as_json=True))
        healthy = explain_user(context, UserIdentifier.of(text), reveal=False)
        out, err = capsys.readouterr()
        return healthy, json.loads(out), err

    def never(self, **_: Any) -> Any:
        raise AssertionError("the log is read only where no sub is known")

    def test_the_reference_of_a_refused_signup(
        self, pipeline: InMemoryPipeline, capsys: pytest.CaptureFixture[str]
    ) -> None:
        rejected = line(message="signup rejected", cause="nobody_vouches", sub=OLD)

        def logs(**request: Any) -> Any:
            assert request["logGroupName"] == "/aws/lambda/onramp-PostConfirmation"
            return {"events": [{"timestamp": AT, "message": rejected}]}

        healthy, data, _ = self.explain(pipeline, capsys, REFERENCE, logs)
        assert not healthy
        assert data["reference"]["cause"] == "nobody_vouches"
        assert data["sub"] == OLD

    def test_a_sub_comes_first(self, pipeline: InMemoryPipeline, capsys: pytest.CaptureFixture[str]) -> None:
        pipeline.sign_up(EMAIL, OLD)
        assert self.explain(pipeline, capsys, OLD, self.never)[1]["sub"] == OLD
        in_pool(pipeline, REFERENCE, "mia@example.com")
        assert self.explain(pipeline, capsys, REFERENCE, self.never)[1]["cognito"]

    def test_a_log_that_cannot_be_read_is_said(
        self, pipeline: InMemoryPipeline, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def denied(**_: Any) -> Any:
            raise client_error("logs", "filter_log_events", "AccessDeniedException", "no")

        healthy, data, err = self.explain(pipeline, capsys, REFERENCE, denied)
        assert (healthy, data["record"]) == (False, None)
        assert "not looked for in the trigger's log" in err
