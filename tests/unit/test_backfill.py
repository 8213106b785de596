"""Backfill over a pool in memory: its report, the order of its decisions, and a crash at every remote call."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import random
import signal
import uuid
from collections import Counter
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console

from onramp.adapters.tombstones import tombstone_key
from onramp.domain.errors import RetryableError
from onramp.ops.backfill import forecast
from onramp.ops.backfill.backfill_command import BackfillCommand
from onramp.ops.backfill.page_writer import WRITE_BATCH
from onramp.ops.backfill.refusals import HEADER, RefusalsFile
from onramp.ops.backfill.report import BackfillReport
from onramp.ops.backfill.wiring import BackfillWiring
from onramp.ops.common.errors import UsageError
from onramp.ops.common.output import Output
from onramp.ops.common.queue_room import POLL_SECONDS
from onramp.ops.tables.backfill_checkpoints import BackfillState
from onramp.usecases.batches import PUT_EVENTS
from tests.fakes import Faulty, ProcessKilled, SiteLog
from tests.operator_context import operator_context
from tests.pipeline import OPERATIONS, POOL, USERS, InMemoryPipeline

GOOGLE = json.dumps([{"providerName": "Google", "providerType": "Google", "primary": "true"}])
UNTRUSTED = json.dumps([{"providerName": "Okta", "providerType": "SAML", "primary": "true"}])
TRUSTED = json.dumps([{"providerName": "Contoso", "providerType": "SAML", "primary": "true"}])


def sub(number: int) -> str:
    return str(uuid.UUID(int=number))


def in_pool(
    pipeline: InMemoryPipeline, number: int, email: str | None, status: str = "CONFIRMED", **attributes: str
) -> str:
    standard = {"sub": sub(number), "email_verified": "true"} | ({"email": email} if email is not None else {})
    pipeline.cognito.add_user(sub(number), standard | attributes, status)
    return sub(number)


def mixed_pool(pipeline: InMemoryPipeline) -> dict[str, int]:
    """At least one user of each kind; returns the counts that the rules demand."""
    pipeline.sign_up("has@example.com", in_pool(pipeline, 1, "has@example.com"))
    pipeline.sign_up("old.address@example.com", in_pool(pipeline, 2, "new.address@example.com"))
    pipeline.sign_up("taken@example.com", sub(900))
    pipeline.run_worker()
    for number in range(10, 13):
        in_pool(pipeline, number, f"create{number}@example.com", given_name="Nia")
    in_pool(pipeline, 20, "Upper.Case@Example.COM")
    in_pool(pipeline, 21, "google@example.com", "EXTERNAL_PROVIDER", identities=GOOGLE, email_verified="false")
    in_pool(pipeline, 22, "contoso@example.com", "EXTERNAL_PROVIDER", identities=TRUSTED, email_verified="false")
    for email in ("prepared@example.com", "guarded@example.com"):
        pipeline.pre_create(email, "admin")
    in_pool(pipeline, 30, "prepared@example.com")
    in_pool(pipeline, 31, "guarded@example.com", "EXTERNAL_PROVIDER", identities=GOOGLE, email_verified="false")
    in_pool(pipeline, 40, "taken@example.com")
    in_pool(pipeline, 41, "create10@example.com")
    in_pool(pipeline, 42, "prepared@example.com", "EXTERNAL_PROVIDER", identities=GOOGLE, email_verified="false")
    in_pool(pipeline, 50, "unverified@example.com", email_verified="false")
    in_pool(pipeline, 51, "stranger@example.com", "EXTERNAL_PROVIDER", identities=UNTRUSTED)
    in_pool(pipeline, 52, "no address at all")
    in_pool(pipeline, 53, None)
    in_pool(pipeline, 54, "ｎia@example.com")
    pipeline.dynamodb.put_item(TableName=OPERATIONS, Item=tombstone_key(in_pool(pipeline, 60, "erased@example.com")))
    in_pool(pipeline, 70, "waiting@example.com", "UNCONFIRMED")
    in_pool(pipeline, 71, "invited@example.com", "FORCE_CHANGE_PASSWORD")
    in_pool(pipeline, 72, "reset@example.com", "RESET_REQUIRED")
    pipeline.clock.advance(3600)
    return {
        "create": 6,
        "link": 1,
        "has_record": 1,
        "conflict": 3,
        "email_changed": 1,
        "forgotten": 1,
        "refused_link_needs_verified_email": 1,
        "refused_nobody_vouches": 2,
        "refused_unusable_email": 3,
        "skipped_force_change_password": 1,
        "skipped_reset_required": 1,
        "skipped_unconfirmed": 1,
    }


class Operator:
    """Runs backfills over the pipeline's fakes; each task runs where it is submitted."""

    def __init__(self, pipeline: InMemoryPipeline, path: Path | None = None, **parameters: str) -> None:
        self.pipeline, self.path, self.parameters = pipeline, path, parameters

    def states(
        self, *, apply: bool, resume: bool = True, reveal: bool = False, rate: float = 1000.0
    ) -> Iterable[BackfillState]:
        wiring = BackfillWiring.of(operator_context(self.pipeline, parameters=self.parameters))
        self.publisher = wiring.batch_publisher()
        refusals = RefusalsFile(self.path, reveal)
        backfill = wiring.backfill(wiring.rules.pools, self.publisher, refusals, rate=rate, apply=apply)
        return backfill.run(backfill.start(resume=resume))

    def run(self, *, apply: bool = False, resume: bool = True, reveal: bool = False) -> dict[str, int]:
        last = list(self.states(apply=apply, resume=resume, reveal=reveal))[-1]
        return {outcome: count for outcome, count in last.found.items() if count}


def tables(pipeline: InMemoryPipeline) -> Any:
    return [pipeline.dynamodb.rows(name) for name in pipeline.dynamodb.tables]


class TestTheReport:
    def test_is_what_the_rules_demand_is_repeatable_and_writes_nothing(self, pipeline: InMemoryPipeline) -> None:
        expected = mixed_pool(pipeline)
        before, published = tables(pipeline), len(pipeline.events.events)
        assert Operator(pipeline).run() == expected
        pipeline.clock.advance(100)
        assert Operator(pipeline).run() == expected
        assert (tables(pipeline), len(pipeline.events.events)) == (before, published)
        assert pipeline.dynamodb.calls["put_item"] == 3, "these are writes of the test itself"

    def test_is_what_an_applied_run_then_does(self, pipeline: InMemoryPipeline) -> None:
        expected = mixed_pool(pipeline)
        assert Operator(pipeline).run(apply=True) == expected
        pipeline.clock.advance(1)
        again = Operator(pipeline).run(apply=True)
        assert again["has_record"] == 8
        assert {k: v for k, v in again.items() if k != "has_record"} == {
            k: v for k, v in expected.items() if k not in ("has_record", "create", "link")
        }

    @pytest.mark.parametrize("seed", range(30))
    def test_of_a_dry_run_equals_that_of_the_applied_run_over_random_pools(
        self, pipeline: InMemoryPipeline, seed: int
    ) -> None:
        chance = random.Random(seed)
        pipeline.cognito.most_listed = chance.choice([1, 3, 7, 60])
        emails = [f"user{number}@example.com" for number in range(8)]
        for email in chance.sample(emails, 4):
            if chance.random() < 0.5:
                pipeline.pre_create(email, "admin")
            else:
                pipeline.sign_up(email, sub(1000 + len(email) + chance.randrange(40)))
        for number in range(40):
            identities = chance.choice([{}, {"identities": GOOGLE}, {"identities": UNTRUSTED}, {"identities": TRUSTED}])
            verified = chance.choice(["true", "false"])
            status = chance.choice(["CONFIRMED", "CONFIRMED", "EXTERNAL_PROVIDER", "UNCONFIRMED"])
            in_pool(pipeline, 1000 + number, chance.choice(emails), status, email_verified=verified, **identities)
            if chance.random() < 0.1:
                pipeline.dynamodb.put_item(TableName=OPERATIONS, Item=tombstone_key(sub(1000 + number)))
        pipeline.clock.advance(3600)
        forecast = Operator(pipeline).run()
        assert Operator(pipeline).run(apply=True) == forecast

    def test_agrees_with_the_sweep(self, pipeline: InMemoryPipeline) -> None:
        forecast = mixed_pool(pipeline)
        pipeline.reconcile()
        (swept,) = (line["found"] for line in pipeline.log_lines() if line.get("message") == "swept")
        conflicts = forecast.pop("conflict")
        assert swept["refused_linked_to_another_sub"] == conflicts
        assert swept["healed"] == forecast.pop("create") + forecast.pop("link")
        skipped = sum(forecast.pop(outcome) for outcome in list(forecast) if outcome.startswith("skipped_"))
        assert swept["not_confirmed"] == skipped
        assert {outcome: swept[outcome] for outcome in forecast} == forecast

    def test_data_has_the_usual_outcomes_first(self, pipeline: InMemoryPipeline) -> None:
        data = BackfillReport([POOL], mixed_pool(pipeline), applied=False).data()
        assert list(data["found"])[:3] == ["create", "link", "has_record"]
        assert (data["users"], data["refused"], data["skipped"]) == (22, 10, 3)


class TestAnAppliedRun:
    def test_creates_users_as_the_trigger_does(self, pipeline: InMemoryPipeline) -> None:
        mixed_pool(pipeline)
        Operator(pipeline).run(apply=True)
        pipeline.run_worker()
        for email in ("create10@example.com", "upper.case@example.com", "prepared@example.com"):
            user = pipeline.user(email)
            assert user is not None
            assert "owed" not in user
            assert (pipeline.profile(user["cognitoSub"]) or {})["provisioningStatus"] == "ready"
        assert (pipeline.user("prepared@example.com") or {})["roles"] == ["admin"]
        assert (pipeline.user("guarded@example.com") or {}).get("cognitoSub") is None
        assert (pipeline.user("create10@example.com") or {})["cognitoSub"] == sub(10), "the first of the pool"
        origins = Counter(event["detail"]["metadata"]["origin"] for event in pipeline.published("UserSignedUp"))
        assert origins == {"signup": 3, "backfill": 7}

    def test_makes_few_calls_besides_its_writes(self, pipeline: InMemoryPipeline) -> None:
        for number in range(600):
            in_pool(pipeline, number, f"user{number}@example.com")
        pipeline.clock.advance(3600)
        Operator(pipeline).run(apply=True)
        calls = pipeline.dynamodb.calls
        assert calls["update_item"] == 600
        assert calls["query"] == 0
        per_batch = 600 / WRITE_BATCH + 600 / PUT_EVENTS
        assert calls["batch_get_item"] == 20 + per_batch, "records and tombstones of a page; tombstones of a batch"
        assert (pipeline.events.calls["put_events"], pipeline.cognito.calls["list_users"]) == (60, 10)

    def test_queries_the_index_again_for_each_user_who_changed_recently(self, pipeline: InMemoryPipeline) -> None:
        """Their record may be newer than the snapshot of the index."""
        in_pool(pipeline, 1, "new@example.com")
        Operator(pipeline).run()
        assert pipeline.dynamodb.calls["query"] == 1

    def test_leaves_events_that_the_bus_refused_to_the_reconciler(self, pipeline: InMemoryPipeline) -> None:
        for number in range(25):
            in_pool(pipeline, number, f"user{number}@example.com")
        pipeline.aws["events"] = Faulty(pipeline.events, lambda index, *_: "partial" if index == 2 else None, SiteLog())
        operator = Operator(pipeline)
        operator.run(apply=True)
        assert len(pipeline.published("UserSignedUp")) == 25 - operator.publisher.unpublished
        assert operator.publisher.unpublished > 0
        pipeline.aws["events"] = pipeline.events
        pipeline.cold_start()
        pipeline.clock.advance(600)
        pipeline.run_worker()
        pipeline.reconcile()
        assert len({e["detail"]["metadata"]["eventId"] for e in pipeline.published("UserSignedUp")}) == 25

    def test_a_run_that_fails_half_way_has_published_the_events_of_its_writes(self, pipeline: InMemoryPipeline) -> None:
        pipeline.cognito.most_listed = 1
        for number in range(20):
            in_pool(pipeline, number, f"user{number}@example.com")
        pages = count()
        pipeline.aws["cognito-idp"] = Faulty(
            pipeline.cognito, lambda *_: "refused" if next(pages) == 15 else None, SiteLog()
        )
        with pytest.raises(RetryableError):
            Operator(pipeline).run(apply=True)
        written = {user["userId"] for user in pipeline.dynamodb.rows(USERS)}
        assert 10 < len(written) < 20
        assert {event["detail"]["data"]["userId"] for event in pipeline.published("UserSignedUp")} == written

    def test_a_failed_write_is_counted_and_the_next_run_finds_the_user(self, pipeline: InMemoryPipeline) -> None:
        for number in range(5):
            in_pool(pipeline, number, f"user{number}@example.com")
        writes = count()
        pipeline.aws["dynamodb"] = Faulty(
            pipeline.dynamodb,
            lambda _, __, name: "throttled" if name == "update_item" and next(writes) < 2 else None,
            SiteLog(),
        )
        found = Operator(pipeline).run(apply=True)
        assert found == {"create": 3, "failed": 2}
        pipeline.aws["dynamodb"] = pipeline.dynamodb
        pipeline.clock.advance(1)
        assert Operator(pipeline).run(apply=True) == {"create": 2, "has_record": 3}

    def test_stops_where_every_write_fails(self, pipeline: InMemoryPipeline) -> None:
        for number in range(200):
            in_pool(pipeline, number, f"user{number}@example.com")
        pipeline.aws["dynamodb"] = Faulty(
            pipeline.dynamodb, lambda _, __, name: "refused" if name == "update_item" else None, SiteLog()
        )
        with pytest.raises(Exception, match="users_update_AccessDeniedException"):
            Operator(pipeline).run(apply=True)
        assert pipeline.cognito.calls["list_users"] <= 4


class TestUsersErasedMeanwhile:
    @pytest.mark.parametrize("erased", [3, 25, 70, 200])
    def test_get_no_record_though_their_page_was_read_before(self, pipeline: InMemoryPipeline, erased: int) -> None:
        """The erasure runs before the first write; the facts of four pages are read by then."""
        for number in range(230):
            in_pool(pipeline, number, f"user{number}@example.com")
        pipeline.clock.advance(3600)
        waiting = [erased]

        def plan(_: int, __: str, name: str) -> None:
            if name == "update_item" and waiting and pipeline.dynamodb.calls["update_item"] == erased // 20 * 20 - 20:
                pipeline.dynamodb.put_item(TableName=OPERATIONS, Item=tombstone_key(sub(waiting.pop())))

        if erased < 20:  # in the first batch: after its page was read
            plan = before_batch_get(pipeline, 9, sub(waiting.pop()))
        pipeline.aws["dynamodb"] = Faulty(pipeline.dynamodb, plan, SiteLog())
        assert Operator(pipeline).run(apply=True) == {"create": 229, "forgotten": 1}
        assert waiting == []
        assert pipeline.user(f"user{erased}@example.com") is None
        assert sub(erased) not in {e["detail"]["data"]["cognitoSub"] for e in pipeline.published("UserSignedUp")}

    def test_whose_event_waits_are_not_announced(self, pipeline: InMemoryPipeline) -> None:
        """The erasure runs before the last write, after its batch was checked: the event waits for the page's end."""
        for number in range(25):
            in_pool(pipeline, number, f"user{number}@example.com")
        pipeline.clock.advance(3600)

        def plan(_: int, __: str, name: str) -> None:
            if name == "update_item" and len(pipeline.dynamodb.rows(USERS)) == 24:
                pipeline.dynamodb.put_item(TableName=OPERATIONS, Item=tombstone_key(sub(24)))

        pipeline.aws["dynamodb"] = Faulty(pipeline.dynamodb, plan, SiteLog())
        assert Operator(pipeline).run(apply=True) == {"create": 25}
        announced = {event["detail"]["data"]["cognitoSub"] for event in pipeline.published("UserSignedUp")}
        assert announced == {sub(number) for number in range(24)}

    def test_a_failed_read_of_tombstones_writes_nothing(self, pipeline: InMemoryPipeline) -> None:
        for number in range(5):
            in_pool(pipeline, number, f"user{number}@example.com")
        pipeline.clock.advance(3600)
        reads = count(1)
        pipeline.aws["dynamodb"] = Faulty(
            pipeline.dynamodb,
            lambda _, __, name: "throttled" if name == "batch_get_item" and next(reads) == 3 else None,
            SiteLog(),
        )
        assert Operator(pipeline).run(apply=True) == {"failed": 5}
        assert pipeline.dynamodb.rows(USERS) == []


def before_batch_get(pipeline: InMemoryPipeline, number: int, erased: str) -> Any:
    """A plan that writes a tombstone before this BatchGetItem; two are made for each page, one for each batch."""
    reads = count(1)

    def plan(_: int, __: str, name: str) -> None:
        if name == "batch_get_item" and next(reads) == number:
            pipeline.dynamodb.put_item(TableName=OPERATIONS, Item=tombstone_key(erased))

    return plan


class TestTheCommand:
    """`onramp backfill --apply` with its question, and Ctrl-C."""

    def run(self, pipeline: InMemoryPipeline, *, yes: bool = True, **options: Any) -> str:
        """What it prints on stderr."""
        out = Output(as_json=False)
        out.talk = Console(file=(text := io.StringIO()), width=1000, highlight=False)
        context = operator_context(pipeline, out=out, sleep=options.get("sleep"))
        command = BackfillCommand("", True, 1000.0, options.get("max_queue", 0), options.get("csv"), False, True, yes)
        with contextlib.suppress(KeyboardInterrupt, typer.Exit):
            command.run(context, BackfillWiring.of(context))
        return text.getvalue()

    @pytest.fixture(autouse=True)
    def _pool(self, pipeline: InMemoryPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
        reply = {"UserPool": {"EstimatedNumberOfUsers": 1_000_000}}
        monkeypatch.setattr(pipeline.cognito, "describe_user_pool", lambda **_: reply, raising=False)

    def answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """No, to the question."""
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr(typer, "confirm", lambda *_, **__: False)

    def test_asks_with_numbers(self, pipeline: InMemoryPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
        expected = mixed_pool(pipeline)
        self.answer(monkeypatch)
        before = tables(pipeline)
        printed = self.run(pipeline, yes=False)
        assert (
            f"Of {sum(expected.values())} users, 6 get a new record, 1 are linked to a pre-created one, 10 are refused,"
            " 1 have a record already."
        ) in printed
        assert tables(pipeline) == before

    def test_asks_with_the_numbers_of_the_first_users_of_a_large_pool(
        self, pipeline: InMemoryPipeline, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(300):
            in_pool(pipeline, number, f"user{number}@example.com")
        self.answer(monkeypatch)
        monkeypatch.setattr(forecast, "MOST_USERS", 120)
        printed = self.run(pipeline, yes=False)
        assert "Of the first 120 users of about 1,000,000, 120 get a new record" in printed

    def test_ctrl_c_at_the_question_is_a_no(self, pipeline: InMemoryPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
        in_pool(pipeline, 1, "user@example.com")
        self.answer(monkeypatch)

        def interrupt(*_: object, **__: object) -> bool:
            raise KeyboardInterrupt

        monkeypatch.setattr(typer, "confirm", interrupt)
        self.run(pipeline, yes=False)
        assert pipeline.dynamodb.rows(USERS) == []

    def test_does_not_count_where_it_does_not_ask(self, pipeline: InMemoryPipeline) -> None:
        in_pool(pipeline, 1, "user@example.com")
        printed = self.run(pipeline)
        assert "Cognito's estimate is 1,000,000 users." in printed
        assert pipeline.cognito.calls["list_users"] == 1

    @pytest.mark.parametrize("written", [1, 59, 60, 61, 300, 599])
    def test_ctrl_c_finishes_the_pages_begun_and_the_next_run_continues(
        self, pipeline: InMemoryPipeline, tmp_path: Path, written: int
    ) -> None:
        for number in range(600):
            in_pool(
                pipeline, number, f"user{number}@example.com", email_verified="false" if number % 50 == 0 else "true"
            )
        pipeline.clock.advance(3600)
        writes = count(1)

        def plan(_: int, __: str, name: str) -> None:
            if name == "update_item" and next(writes) == written:
                signal.raise_signal(signal.SIGINT)

        pipeline.aws["dynamodb"] = Faulty(pipeline.dynamodb, plan, SiteLog())
        path = tmp_path / "refused users.csv"
        printed = self.run(pipeline, csv=path)
        users = len(pipeline.dynamodb.rows(USERS))
        (audited,) = (row for row in pipeline.dynamodb.rows(OPERATIONS) if row["pk"].startswith("AUDIT#"))
        assert audited["count"] == users >= min(written, 588)
        assert (users < 588) == (written <= 300), "at most four pages were begun"
        if users < 588:
            assert audited["result"] == "interrupted"
            assert f"{users:,} of them have got a record." in printed
            assert f"To continue: onramp backfill --apply --rate 1000 --max-queue 0 --csv '{path}'" in printed
            pipeline.aws["dynamodb"] = pipeline.dynamodb
            listed = pipeline.cognito.calls["list_users"]
            assert Operator(pipeline, path).run(apply=True) == {"create": 588, "refused_nobody_vouches": 12}
            assert pipeline.cognito.calls["list_users"] - listed < 10
        assert len(path.read_text().splitlines()) == 13
        assert len(pipeline.dynamodb.rows(USERS)) == 588

    def test_the_second_ctrl_c_stops_at_once(self, pipeline: InMemoryPipeline) -> None:
        for number in range(300):
            in_pool(pipeline, number, f"user{number}@example.com")
        pipeline.clock.advance(3600)
        writes = count(1)

        def plan(_: int, __: str, name: str) -> None:
            if name == "update_item" and next(writes) in (5, 6):
                signal.raise_signal(signal.SIGINT)

        pipeline.aws["dynamodb"] = Faulty(pipeline.dynamodb, plan, SiteLog())
        assert "Interrupted after 0 users" in self.run(pipeline)
        assert len(pipeline.dynamodb.rows(USERS)) == 5
        pipeline.aws["dynamodb"] = pipeline.dynamodb
        assert Operator(pipeline).run(apply=True) == {"create": 300}

    @pytest.mark.parametrize("waits", [1, 3])
    def test_ctrl_c_while_it_waits_for_room_stops_at_once_and_the_next_run_continues(
        self, pipeline: InMemoryPipeline, waits: int
    ) -> None:
        """Room for one page of 60; no worker empties the queue, and the signal comes in the `waits`-th wait."""
        for number in range(200):
            in_pool(pipeline, number, f"user{number}@example.com")
        pipeline.clock.advance(3600)
        number_of_wait = count(1)

        def wait(seconds: float) -> None:
            pipeline.clock.advance(seconds)
            if seconds == POLL_SECONDS:  # the others keep to the rate
                number = next(number_of_wait)
                assert number <= waits, "it waits on"
                if number == waits:
                    signal.raise_signal(signal.SIGINT)

        printed = self.run(pipeline, max_queue=60, sleep=wait)
        assert next(number_of_wait) == waits + 1
        assert len(pipeline.dynamodb.rows(USERS)) == len(pipeline.published("UserSignedUp")) == 60
        assert "Interrupted after 60 users; 60 of them have got a record." in printed
        assert "To continue: onramp backfill --apply --rate 1000 --max-queue 60" in printed
        (audited,) = (row for row in pipeline.dynamodb.rows(OPERATIONS) if row["pk"].startswith("AUDIT#"))
        assert (audited["result"], audited["count"]) == ("interrupted", 60)
        listed = pipeline.cognito.calls["list_users"]
        assert Operator(pipeline).run(apply=True) == {"create": 200}
        assert pipeline.cognito.calls["list_users"] - listed == 3, "the first page is not read again"

    def test_ctrl_c_is_python_s_again_after_the_run(self, pipeline: InMemoryPipeline) -> None:
        before = signal.getsignal(signal.SIGINT)
        self.run(pipeline)
        assert signal.getsignal(signal.SIGINT) is before


class TestReading:
    def test_a_throttled_page_is_requested_again(self, pipeline: InMemoryPipeline) -> None:
        in_pool(pipeline, 1, "user@example.com")
        pipeline.aws["cognito-idp"] = Faulty(
            pipeline.cognito, lambda index, *_: "throttled" if index <= 3 else None, SiteLog()
        )
        before = pipeline.clock()
        assert Operator(pipeline).run() == {"create": 1}
        assert pipeline.clock() - before >= 2 + 4 + 8

    def test_an_empty_page_is_not_the_last(self, pipeline: InMemoryPipeline) -> None:
        for number in range(3):
            in_pool(pipeline, number, f"user{number}@example.com")
        pipeline.cognito.empty_page = lambda number: number == 1
        assert Operator(pipeline).run() == {"create": 3}

    def test_an_empty_pool_has_an_empty_report(self, pipeline: InMemoryPipeline) -> None:
        assert Operator(pipeline).run() == {}

    def test_keeps_to_its_rate(self, pipeline: InMemoryPipeline) -> None:
        for number in range(6):
            in_pool(pipeline, number, f"user{number}@example.com")
        pipeline.cognito.most_listed = 1
        before = pipeline.clock()
        list(Operator(pipeline).states(apply=False, rate=2.0))
        assert pipeline.clock() - before >= 5 / 2


class TestTheFileOfRefusals:
    def rows(self, path: Path) -> list[dict[str, str]]:
        with path.open(newline="") as file:
            return list(csv.DictReader(file))

    def test_has_user_and_reason_masked_and_readable_by_its_owner_only(
        self, pipeline: InMemoryPipeline, tmp_path: Path
    ) -> None:
        mixed_pool(pipeline)
        path = tmp_path / "refused.csv"
        Operator(pipeline, path).run()
        assert path.stat().st_mode & 0o777 == 0o600
        rows = self.rows(path)
        assert len(rows) == 10
        assert {"u***@example.com", "n***@example.com"} <= {row["email"] for row in rows}
        assert "unverified@example.com" not in path.read_text()
        (row,) = (row for row in rows if row["sub"] == sub(50))
        assert row["outcome"] == "refused_nobody_vouches"
        assert row["why"]
        assert row["cure"]
        Operator(pipeline, path).run(reveal=True)
        assert "unverified@example.com" in path.read_text()

    def test_contains_no_formula(self, pipeline: InMemoryPipeline, tmp_path: Path) -> None:
        in_pool(pipeline, 1, "=cmd|'/c calc'!A1", email_verified="false")
        in_pool(pipeline, 2, "@SUM(1)\x1b[31m\r\n,x")
        Operator(pipeline, path := tmp_path / "refused.csv").run(reveal=True)
        assert [row["email"][:2] for row in self.rows(path)] == ["'=", "'@"]
        assert "\x1b" not in path.read_text()

    def test_no_link_is_followed(self, pipeline: InMemoryPipeline, tmp_path: Path) -> None:
        (other := tmp_path / "other.csv").write_text(f"{HEADER}\nprecious\n")
        (link := tmp_path / "refused.csv").symlink_to(other)
        with pytest.raises(UsageError, match="it is a link"):
            Operator(pipeline, link).run()
        assert other.read_text() == f"{HEADER}\nprecious\n"

    def test_no_other_file_is_overwritten(self, pipeline: InMemoryPipeline, tmp_path: Path) -> None:
        (path := tmp_path / "thesis.csv").write_text("precious")
        with pytest.raises(Exception, match="name another file"):
            Operator(pipeline, path).run()
        assert path.read_text() == "precious"


def crowd(pipeline: InMemoryPipeline) -> None:
    """Several pages, each with users to create, to link and to refuse."""
    pipeline.cognito.most_listed = 6
    for number in range(10, 30):
        in_pool(pipeline, number, f"user{number // 2 if number % 6 == 5 else number}@example.com")
        if number % 7 == 0:
            pipeline.pre_create(f"user{number}@example.com", "admin")
    in_pool(pipeline, 99, "unverified@example.com", email_verified="false")
    pipeline.clock.advance(3600)


def outcome(pipeline: InMemoryPipeline) -> Any:
    """What a run leaves behind, without the times of its writes."""
    pipeline.aws |= {"dynamodb": pipeline.dynamodb, "events": pipeline.events, "cognito-idp": pipeline.cognito}
    pipeline.cold_start()
    pipeline.clock.advance(7 * 3600)
    pipeline.run_worker()
    pipeline.reconcile()
    pipeline.run_worker()
    users = {
        user["userId"]: (user.get("cognitoSub"), user["roles"], "owed" in user)
        for user in pipeline.dynamodb.rows(USERS)
    }
    ids = {event["detail"]["metadata"]["eventId"] for event in pipeline.published("UserSignedUp")}
    customers = sorted(customer["metadata"]["cognitoSub"] for customer in pipeline.stripe.customers())
    return users, ids, customers


def uninterrupted(path: Path) -> tuple[Any, dict[str, int], str]:
    with InMemoryPipeline() as pipeline:
        crowd(pipeline)
        found = Operator(pipeline, path).run(apply=True)
        return outcome(pipeline), found, path.read_text()


def is_resumable(pipeline: InMemoryPipeline) -> bool:
    """Whether the next run counts all users as its own: it resumes the checkpoint, or nothing was written yet."""
    rows = [row for row in pipeline.dynamodb.rows(OPERATIONS) if row["pk"] == "BACKFILL#run"]
    return not pipeline.dynamodb.rows(USERS)[3:] or any(row["pool"] for row in rows)


def counts_after_a_finished_run(found: dict[str, int]) -> dict[str, int]:
    rest = {outcome: count for outcome, count in found.items() if outcome not in ("create", "link")}
    return {"has_record": found["create"] + found["link"]} | rest


class TestACrash:
    """The process dies at each remote call in turn; the next run does the rest."""

    @pytest.mark.parametrize("service", ["dynamodb", "events", "cognito-idp"])
    @pytest.mark.parametrize("fault", ["killed_before", "killed_after"])
    def test_anywhere_loses_and_duplicates_nothing(self, service: str, fault: str, tmp_path: Path) -> None:
        expected, found, refused = uninterrupted(tmp_path / "uninterrupted.csv")
        crashes = 0
        for call in range(1, 500):
            with InMemoryPipeline() as pipeline:
                crowd(pipeline)
                path = tmp_path / f"{call}.csv"
                real = pipeline.aws[service]
                pipeline.aws[service] = Faulty(
                    real, lambda index, *_, at=call: fault if index == at else None, SiteLog()
                )
                try:
                    Operator(pipeline, path).run(apply=True)
                except ProcessKilled:
                    crashes += 1
                else:
                    break
                pipeline.aws[service] = real
                pipeline.clock.advance(60)
                all_done = not is_resumable(pipeline)
                again = Operator(pipeline, path).run(apply=True)
                assert again == (counts_after_a_finished_run(found) if all_done else found), f"{service} call {call}"
                assert outcome(pipeline) == expected, f"{service} call {call}"
                assert path.read_text() == refused
                assert [row["pk"] for row in pipeline.dynamodb.rows(OPERATIONS) if row["pk"] == "BACKFILL#run"] == []
        assert crashes >= 2

    def test_resumes_at_the_page_of_the_checkpoint(self, pipeline: InMemoryPipeline) -> None:
        pipeline.cognito.most_listed = 1
        for number in range(20):
            in_pool(pipeline, number, f"user{number}@example.com")
        pipeline.clock.advance(3600)
        for state in Operator(pipeline).states(apply=True):
            if state.users == 10:
                break
        listed = pipeline.cognito.calls["list_users"]
        assert Operator(pipeline).run(apply=True) == {"create": 20}
        assert pipeline.cognito.calls["list_users"] - listed == 10

    def test_starts_again_where_the_page_token_has_expired(self, pipeline: InMemoryPipeline) -> None:
        pipeline.cognito.most_listed = 1
        for number in range(20):
            in_pool(pipeline, number, f"user{number}@example.com")
        pipeline.clock.advance(3600)
        for state in Operator(pipeline).states(apply=True):
            if state.users == 10:
                break
        pipeline.clock.advance(7200)
        assert Operator(pipeline).run(apply=True) == {"create": 20}

    @pytest.mark.parametrize("anew", [True, False])
    def test_starts_again_under_other_rules_or_with_anew(self, pipeline: InMemoryPipeline, anew: bool) -> None:
        pipeline.cognito.most_listed = 1
        for number in range(5):
            in_pool(pipeline, number, f"user{number}@example.com", email_verified="false" if number < 2 else "true")
        pipeline.clock.advance(3600)
        for state in Operator(pipeline).states(apply=True):
            if state.users == 3:
                break
        pipeline.clock.advance(1)
        operator = Operator(pipeline) if anew else Operator(pipeline, AllowUnverifiedSignups="true")
        expected = {"refused_nobody_vouches" if anew else "create": 2, "has_record": 3}
        assert operator.run(apply=True, resume=not anew) == expected

    def test_starts_again_where_its_refusals_file_is_missing(self, pipeline: InMemoryPipeline, tmp_path: Path) -> None:
        pipeline.cognito.most_listed = 1
        for number in range(6):
            in_pool(pipeline, number, f"user{number}@example.com", email_verified="false")
        for state in Operator(pipeline, tmp_path / "lost.csv").states(apply=True):
            if state.users == 3:
                break
        (tmp_path / "lost.csv").unlink()
        Operator(pipeline, path := tmp_path / "other.csv").run(apply=True)
        assert len(path.read_text().splitlines()) == 7
