"""Replays from the archive to one consumer, and from the table to all, on the local stack."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from onramp.local.stack import LocalStack
from onramp.ops.common.when import format_time
from onramp.ops.replay import archive
from onramp.wiring.clients import now_millis
from tests.deployed import DeployedPipeline, eventually, unique_email
from tests.ops.conftest import Onramp


class Consumer(NamedTuple):
    """A rule of the bus; `received` gives the events of a sub that have reached it."""

    rule: str
    received: Callable[[str], list[dict[str, Any]]]

    def wait_for(self, sub: str, count: int = 1) -> list[dict[str, Any]]:
        """The events of a sub, as soon as there are `count`."""
        eventually(lambda: len(self.received(sub)) >= count, what=f"{count} events at {self.rule}")
        return self.received(sub)


@pytest.fixture
def consumers(deployed: DeployedPipeline) -> Iterator[list[Consumer]]:
    events, bus = deployed.events, deployed.outputs["EventBusName"]

    def rules() -> set[str]:
        return {rule["Name"] for rule in events.list_rules(EventBusName=bus)["Rules"]}

    made: list[Consumer] = []
    for _ in range(2):
        before = rules()
        received = deployed.subscribe("UserSignedUp")
        (rule,) = rules() - before
        made.append(Consumer(rule, received))
    yield made
    for consumer in made:
        events.remove_targets(Rule=consumer.rule, EventBusName=bus, Ids=["queue"])
        events.delete_rule(Name=consumer.rule, EventBusName=bus)


@pytest.fixture
def archived_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator's archive has no delay; the command would refuse a window that ends now."""
    monkeypatch.setattr(archive, "ARRIVES_WITHIN", -archive.MINUTE)


@pytest.mark.usefixtures("archived_at_once")
class TestTheArchive:
    def test_one_consumer_receives_the_event_again_and_no_other_does(
        self, onramp: Onramp, deployed: DeployedPipeline, consumers: list[Consumer]
    ) -> None:
        sub = deployed.join(email := unique_email("again"))
        deployed.ready(email)
        for consumer in consumers:
            consumer.wait_for(sub)
        named, other = consumers
        window = _window()
        ran = onramp("replay", *window, "--consumer", named.rule, "--yes", "--json")
        assert (ran.code, ran.json["state"]) == (0, "COMPLETED"), ran.err
        assert f"to the rule {named.rule} alone" in ran.err, "the plan"
        first, again = named.wait_for(sub, 2)
        assert again["replay-name"] == ran.json["replay"]
        assert again["detail"] == first["detail"], "the same eventId: a consumer dedups"
        assert len(other.received(sub)) == 1

        assert "before: add --again" in onramp("replay", *window, "--consumer", named.rule, "--yes").err
        assert onramp("replay", *window, "--consumer", named.rule, "--yes", "--again").code == 0
        named.wait_for(sub, 3)
        assert len(other.received(sub)) == 1

        (row,) = (row for row in onramp("audit", "--json").json if row["outcome"].get("replay") == ran.json["replay"])
        assert (row["what"], row["details"]["rule"], row["outcome"]["state"]) == ("replay", named.rule, "COMPLETED")

    def test_the_worker_acknowledges_a_provisioned_user(self, onramp: Onramp, deployed: DeployedPipeline) -> None:
        sub = deployed.join(email := unique_email("ours"))
        deployed.ready(email)
        ran = onramp("replay", *_window(), "--yes", "--json")
        assert (ran.code, "UserSignedUpRule" in ran.json["rule"]) == (0, True)
        lines = eventually(
            lambda: [line for line in deployed.stack.logs() if "already_provisioned" in line and sub in line],
            what="acknowledged",
        )
        assert lines
        assert len(deployed.customers_of(sub)) == 1

    def test_a_disabled_rule_is_refused(
        self, onramp: Onramp, deployed: DeployedPipeline, consumers: list[Consumer]
    ) -> None:
        deployed.events.disable_rule(Name=consumers[0].rule, EventBusName=deployed.outputs["EventBusName"])
        ran = onramp("replay", *_window(), "--consumer", consumers[0].rule, "--yes")
        assert (ran.code, "disabled" in ran.err) == (2, True)

    def test_a_failed_replay_exits_1_with_its_reason(self, onramp: Onramp, monkeypatch: pytest.MonkeyPatch) -> None:
        failed = archive.ReplayProgress("FAILED", 0.5, "the rule is gone")
        answers = iter([None, failed])
        monkeypatch.setattr(archive.Replays, "progress", lambda *_: next(answers))
        monkeypatch.setattr(archive.Replays, "start", lambda *_: None)
        ran = onramp("replay", *_window(), "--yes")
        assert ran.code == 1
        assert "ended as FAILED: the rule is gone" in ran.err

    def test_ctrl_c_leaves_the_replay_running_and_a_second_run_follows_it(
        self, onramp: Onramp, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answers: Iterator[archive.ReplayProgress | BaseException | None] = iter([None, KeyboardInterrupt()])
        starts = []

        def progress(*_: object) -> archive.ReplayProgress | None:
            answer = next(answers)
            if isinstance(answer, BaseException):
                raise answer
            return answer

        monkeypatch.setattr(archive.Replays, "progress", progress)
        monkeypatch.setattr(archive.Replays, "start", lambda _self, _plan, name: starts.append(name))
        window = _window()
        ran = onramp("replay", *window, "--yes")
        assert (ran.code, "aws events cancel-replay --replay-name onramp-" in ran.err) == (130, True)
        running, done = archive.ReplayProgress("RUNNING", 0.5), archive.ReplayProgress("COMPLETED", 1.0)
        answers = iter([running, None, running, done])
        monkeypatch.setattr("onramp.ops.replay.archive_command.POLL_SECONDS", 0.0)
        assert onramp("replay", *window).code == 0, "it does not ask: the replay is in progress"
        assert len(starts) == 1


class TestUsageErrors:
    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["--from", "1h", "--to", "5m"], "ten minutes late"),
            (["--from", "1h", "--to", "2h"], "must be before"),
            (["--from", "yesterday"], "is not a time"),
            (["--from", "1h", "--consumer", "no-such-rule"], "has no rule no-such-rule: it has"),
            (["--from", "1h", "--archive", "none"], "has no archive none"),
            (["--from", "1h", "--owed", "emit"], "add --from-table"),
            (["--from", "1h", "--from-table", "--consumer", "x"], "every rule"),
            (["--from", "1h"], "add --yes"),
            (["--from", "1h", "--from-table"], "add --yes"),
        ],
    )
    def test_one_sentence_and_nothing_is_replayed(
        self, onramp: Onramp, stack: LocalStack, arguments: list[str], sentence: str
    ) -> None:
        before = len(stack.client("events").list_replays()["Replays"])
        ran = onramp("replay", *arguments)
        assert (ran.code, ran.out) == (2, "")
        assert sentence in ran.err
        assert len(stack.client("events").list_replays()["Replays"]) == before


class TestTheTable:
    def test_every_rule_receives_the_events_of_matching_users(
        self, onramp: Onramp, deployed: DeployedPipeline, consumers: list[Consumer]
    ) -> None:
        sub = deployed.join(email := unique_email("table"))
        deployed.ready(email)
        for consumer in consumers:
            consumer.wait_for(sub)
        linked = int((deployed.user(email) or {})["linkedAt"])
        ran = onramp("replay", "--from-table", *_around(linked), "--status", "ready", "--yes", "--json")
        assert (ran.code, ran.json["emitted"] >= 1) == (0, True), ran.err
        assert set(ran.json["rules"]) >= {consumer.rule for consumer in consumers}
        assert "PutEvents reaches every rule" in ran.err
        for consumer in consumers:
            first, again = consumer.wait_for(sub, 2)
            ids = {event["detail"]["metadata"]["eventId"] for event in (first, again)}
            assert (len(ids), again["detail"]["metadata"]["origin"]) == (1, "replay")
        assert (
            onramp("replay", "--from-table", *_around(linked), "--status", "failed", "--yes", "--json").json["emitted"]
            == 0
        )

    def test_users_who_are_owed_the_event(self, onramp: Onramp, deployed: DeployedPipeline) -> None:
        deployed.stack.control.fault("events", "PutEvents", "partial_failure", times=None)
        deployed.join(email := unique_email("owed"))
        deployed.stack.control.clear()
        linked = int((deployed.user(email) or {})["linkedAt"])
        ran = onramp("replay", "--from-table", *_around(linked), "--owed", "emit", "--yes", "--json")
        assert (ran.code, ran.json["emitted"]) == (0, 1), ran.err
        deployed.ready(email)

    def test_where_the_bus_refuses_it_prints_the_command_to_continue(
        self, onramp: Onramp, deployed: DeployedPipeline, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("onramp.ops.replay.table.ATTEMPTS", 1)
        deployed.join(email := unique_email("refused"))
        deployed.ready(email)
        linked = int((deployed.user(email) or {})["linkedAt"])
        deployed.stack.control.fault("events", "PutEvents", "partial_failure", times=None)
        ran = onramp("replay", "--from-table", *_around(linked), "--yes")
        assert ran.code == 1
        assert "PutEvents keeps failing (InternalFailure)" in ran.err
        (line,) = (line for line in ran.err.splitlines() if line.startswith("To continue: onramp "))
        deployed.stack.control.clear()
        assert onramp(*line.partition("onramp ")[2].split(), "--yes", "--json").json["emitted"] >= 1


_seconds = itertools.count(1)


def _window() -> list[str]:
    """A new window for each test: a window is replayed once only."""
    return ["--from", f"2026-01-01T00:00:{next(_seconds):02}Z", "--to", format_time(now_millis() + 30_000)]


def _around(millis: int) -> list[str]:
    return ["--from", format_time(millis), "--to", format_time(millis + 1000)]
