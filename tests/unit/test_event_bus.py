"""A PutEvents call that is refused as a whole: one event that is too large does not hold back the others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from onramp.adapters.eventbridge import EventBus
from onramp.adapters.reply import encodable
from onramp.domain.errors import EventsRefused, RetryableError
from onramp.domain.event_data import Event, Kind, user_forgotten
from tests.fakes import FakeEventBridge, Faulty, SiteLog, VirtualClock
from tests.pipeline import BUS, POOL, SUB, InMemoryPipeline, signup

MEBIBYTE = 1024 * 1024
TOO_LARGE = "ValidationException"


@pytest.fixture
def events() -> FakeEventBridge:
    return FakeEventBridge(VirtualClock(), buses=[BUS])


def bus(client: Any) -> EventBus:
    return EventBus(client, BUS)


def event(size: int = 0) -> Event:
    small = user_forgotten(SUB, POOL, at=0, correlation_id="c")
    return Event(small.kind, {**small.detail, "data": {"cognitoSub": SUB, "roles": ["x" * size]}})


def test_one_event_that_is_too_large_is_refused_alone(events: FakeEventBridge) -> None:
    with pytest.raises(EventsRefused) as raised:
        bus(events).publish(event(), event(MEBIBYTE), event())
    assert raised.value.codes == {1: TOO_LARGE}
    assert [envelope["detail-type"] for envelope in events.events] == [Kind.USER_FORGOTTEN] * 2


def test_events_that_are_too_large_together_are_sent_one_by_one(events: FakeEventBridge) -> None:
    bus(events).publish(event(MEBIBYTE // 2), event(MEBIBYTE // 2))
    assert (len(events.events), events.calls["put_events"]) == (2, 3)


def test_ten_events_are_one_call(events: FakeEventBridge) -> None:
    bus(events).publish(*(event() for _ in range(10)))
    assert (len(events.events), events.calls["put_events"]) == (10, 1)


def test_a_single_event_is_not_sent_again(events: FakeEventBridge) -> None:
    with pytest.raises(EventsRefused) as raised:
        bus(events).publish(event(MEBIBYTE))
    assert (raised.value.codes, raised.value.code) == ({0: TOO_LARGE}, f"put_events_{TOO_LARGE}")
    assert events.calls["put_events"] == 1


@pytest.mark.parametrize("fault", ["throttled", "refused", "not_sent", "server_error"])
def test_a_bus_that_fails_is_not_called_once_more_for_each_event(events: FakeEventBridge, fault: str) -> None:
    calls: list[int] = []

    def plan(index: int, *_: object) -> str:
        calls.append(index)
        return fault

    with pytest.raises(RetryableError) as raised:
        bus(Faulty(events, plan, SiteLog())).publish(event(), event())
    assert not isinstance(raised.value, EventsRefused)
    assert calls == [1]


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
