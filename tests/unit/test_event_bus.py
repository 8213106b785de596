"""PutEvents: a call that is refused as a whole is repeated one by one."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from onramp.adapters.eventbridge import EventBus
from onramp.adapters.reply import encodable
from onramp.domain.errors import EventsRefused, RetryableError
from onramp.domain.event_data import Event, Kind
from tests.pipeline import BUS, SUB, InMemoryPipeline, signup

LIMIT = 1_000_000


def events(*sizes: int) -> list[Event]:
    return [
        Event(Kind.USER_FORGOTTEN, {"metadata": {"eventId": str(number)}, "data": {"text": "x" * size}})
        for number, size in enumerate(sizes)
    ]


class Refusing:
    """Refuses a call over AWS's limit as a whole, or every call with `code`."""

    def __init__(self, code: str | None = None) -> None:
        self.accepted: list[str] = []
        self.calls = 0
        self._code = code

    def put_events(self, Entries: list[dict[str, str]]) -> dict[str, object]:  # noqa: N803
        self.calls += 1
        too_large = sum(len(entry["Detail"]) for entry in Entries) > LIMIT
        if code := self._code or ("ValidationException" if too_large else None):
            raise ClientError({"Error": {"Code": code, "Message": "refused"}}, "PutEvents")
        self.accepted += [entry["Detail"][:30] for entry in Entries]
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "x"} for _ in Entries]}


def test_one_event_over_the_limit_does_not_stop_the_others() -> None:
    client = Refusing()
    with pytest.raises(EventsRefused) as refused:
        EventBus(client, BUS).publish(*events(10, LIMIT + 1, 20))  # type: ignore[arg-type]
    assert refused.value.codes == {1: "put_events_ValidationException"}
    assert len(client.accepted) == 2


def test_together_over_the_limit_each_alone_under_it() -> None:
    client = Refusing()
    EventBus(client, BUS).publish(*events(600_000, 600_000))  # type: ignore[arg-type]
    assert len(client.accepted) == 2


def test_throttling_is_not_answered_with_more_calls() -> None:
    client = Refusing("ThrottlingException")
    with pytest.raises(RetryableError, match="put_events_ThrottlingException"):
        EventBus(client, BUS).publish(*events(1, 1, 1))  # type: ignore[arg-type]
    assert client.calls == 1


class TestReply:
    """Lambda's runtime client encodes the reply as UTF-8."""

    @pytest.mark.parametrize("place", ["userName", "version"])
    def test_a_lone_surrogate_survives_it(self, pipeline: InMemoryPipeline, place: str) -> None:
        event = signup("nia@example.com", SUB, name="Nia \ud800") | {place: "x\udfff"}
        answer = pipeline.invoke_trigger(event)
        json.dumps(answer, ensure_ascii=False).encode()
        assert answer["request"]["userAttributes"]["sub"] == SUB
        assert pipeline.user("nia@example.com") is not None

    def test_any_other_event_is_returned_itself(self) -> None:
        event = {"name": "Zoë 🦉"}
        assert encodable(event) is event
