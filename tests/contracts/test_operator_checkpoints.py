"""What backfill, replay and the audit log write to `Operations`, over the fake, moto and the emulator."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from onramp.domain.users import Status
from onramp.ops.common.audit_log import AuditLog
from onramp.ops.replay.records import Query
from onramp.ops.tables.audit import AuditRow, AuditTable
from onramp.ops.tables.backfill_checkpoints import BackfillCheckpoints, BackfillState
from onramp.ops.tables.replay_checkpoints import ReplayCheckpoint, ReplayCheckpoints
from tests.contracts.backends import Backend
from tests.template import tables

AT = 1_790_000_000_000
HALF = ReplayCheckpoint(segment=3, segments=4, emitted=7)
OPERATOR = "arn:aws:iam::123456789012:user/olu"


@pytest.fixture(scope="module")
def db(backend: Backend) -> Any:
    return backend.tables({"OperationsTable": tables()["OperationsTable"]})


def stored(db: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = db.scan(TableName="OperationsTable", ConsistentRead=True)["Items"]
    return rows


class TestBackfillCheckpoint:
    @pytest.fixture
    def checkpoints(self, db: Any) -> BackfillCheckpoints:
        checkpoints = BackfillCheckpoints(db, "OperationsTable")
        checkpoints.clear()
        return checkpoints

    def test_absent(self, checkpoints: BackfillCheckpoints) -> None:
        assert checkpoints.load("rules") is None

    @pytest.mark.parametrize("token", [None, "page-2"])
    def test_saved_and_loaded(self, checkpoints: BackfillCheckpoints, token: str | None) -> None:
        state = BackfillState("rules", AT, "eu-west-1_Pool", token, {"create": 60, "skipped_unconfirmed": 3}, 512)
        checkpoints.save(state)
        assert checkpoints.load("rules") == state

    def test_a_first_page_has_no_counts(self, checkpoints: BackfillCheckpoints) -> None:
        checkpoints.save(BackfillState("rules", AT, "eu-west-1_Pool"))
        assert checkpoints.load("rules") == BackfillState("rules", AT, "eu-west-1_Pool")

    def test_the_next_page_replaces_it(self, checkpoints: BackfillCheckpoints) -> None:
        first = BackfillState("rules", AT, "eu-west-1_Pool", "page-2", {"create": 60}, 100)
        second = first.after({"create": 1, "link": 2}, None, "eu-west-1_Other", 200)
        checkpoints.save(first)
        checkpoints.save(second)
        loaded = checkpoints.load("rules")
        assert loaded == second
        assert loaded == BackfillState("rules", AT, "eu-west-1_Other", None, {"create": 61, "link": 2}, 200)

    def test_of_other_rules_is_not_loaded_and_is_replaced(self, checkpoints: BackfillCheckpoints) -> None:
        checkpoints.save(BackfillState("rules", AT, "eu-west-1_Pool", "page-2", {"create": 60}))
        assert checkpoints.load("other rules") is None
        checkpoints.save(BackfillState("other rules", AT, "eu-west-1_Pool"))
        assert checkpoints.load("rules") is None
        assert checkpoints.load("other rules") == BackfillState("other rules", AT, "eu-west-1_Pool")

    def test_cleared(self, checkpoints: BackfillCheckpoints) -> None:
        checkpoints.save(BackfillState("rules", AT, "eu-west-1_Pool"))
        checkpoints.clear()
        assert checkpoints.load("rules") is None
        checkpoints.clear()

    def test_the_stored_attributes(self, db: Any, checkpoints: BackfillCheckpoints) -> None:
        checkpoints.save(BackfillState("rules", AT, "eu-west-1_Pool", "page-2", {"create": 60}, 512))
        (row,) = (row for row in stored(db) if row["pk"] == {"S": "BACKFILL#run"})
        assert row == {
            "pk": {"S": "BACKFILL#run"},
            "sk": {"S": "run"},
            "rules": {"S": "rules"},
            "startedAt": {"N": str(AT)},
            "pool": {"S": "eu-west-1_Pool"},
            "token": {"S": "page-2"},
            "found": {"M": {"create": {"N": "60"}}},
            "csvBytes": {"N": "512"},
        }


class TestReplayCheckpoint:
    @pytest.fixture
    def checkpoints(self, db: Any) -> ReplayCheckpoints:
        return ReplayCheckpoints(db, "OperationsTable")

    @pytest.fixture
    def digest(self) -> str:
        return uuid.uuid4().hex[:16]

    def test_absent_is_the_start(self, checkpoints: ReplayCheckpoints, digest: str) -> None:
        assert checkpoints.load(digest) == ReplayCheckpoint(segment=0, segments=0, emitted=0)

    def test_saved_and_loaded(self, checkpoints: ReplayCheckpoints, digest: str) -> None:
        checkpoints.save(digest, HALF)
        assert checkpoints.load(digest) == HALF
        assert not HALF.done

    def test_after_the_last_segment_it_is_done(self, checkpoints: ReplayCheckpoints, digest: str) -> None:
        checkpoints.save(digest, HALF)
        checkpoints.save(digest, HALF.after_segment(9))
        assert checkpoints.load(digest) == ReplayCheckpoint(4, 4, 9)
        assert checkpoints.load(digest).done

    def test_another_query_has_its_own(self, checkpoints: ReplayCheckpoints) -> None:
        query = Query(AT, AT + 1_000)
        checkpoints.save(query.digest, HALF)
        assert checkpoints.load(Query(AT, AT + 1_000).digest) == HALF
        for other in (replace(query, status=Status.READY), replace(query, until=AT + 2_000)):
            assert checkpoints.load(other.digest) == ReplayCheckpoint()

    def test_the_stored_attributes(self, db: Any, checkpoints: ReplayCheckpoints, digest: str) -> None:
        checkpoints.save(digest, HALF)
        (row,) = (row for row in stored(db) if row["sk"] == {"S": digest})
        assert row == {
            "pk": {"S": "REPLAY#table"},
            "sk": {"S": digest},
            "emitted": {"N": "7"},
            "segment": {"N": "3"},
            "segments": {"N": "4"},
        }

    def test_one_of_an_earlier_version_is_the_start_and_its_address_is_replaced(
        self, db: Any, checkpoints: ReplayCheckpoints, digest: str
    ) -> None:
        key = {"pk": {"S": "REPLAY#table"}, "sk": {"S": digest}}
        row = {**key, "emitted": {"N": "7"}, "after": {"S": "nia@example.com"}}
        db.put_item(TableName="OperationsTable", Item=row)
        assert checkpoints.load(digest) == ReplayCheckpoint()
        checkpoints.save(digest, HALF)
        assert "after" not in db.get_item(TableName="OperationsTable", Key=key)["Item"]


class TestAuditRows:
    @pytest.fixture
    def audit(self, db: Any) -> AuditTable:
        return AuditTable(db, "OperationsTable")

    @pytest.fixture
    def log(self, db: Any, audit: AuditTable) -> AuditLog:
        for row in stored(db):
            if row["pk"]["S"].startswith("AUDIT#"):
                db.delete_item(TableName="OperationsTable", Key={"pk": row["pk"], "sk": row["sk"]})
        return AuditLog(audit, OPERATOR)

    def row(self, day: int, what: str = "backfill", **more: Any) -> AuditRow:
        return AuditRow(f"2020-11-{day:02}T09:00:00.000Z", uuid.uuid4().hex[:8], OPERATOR, what, **more)

    def test_a_month_without_rows(self, audit: AuditTable) -> None:
        assert list(audit.of_month("1999-01")) == []

    @pytest.mark.usefixtures("log")
    def test_a_month_newest_first(self, audit: AuditTable) -> None:
        rows = [self.row(day, count=day, outcome={"create": day, "state": "COMPLETED"}) for day in (3, 1, 2)]
        for row in rows:
            audit.save(row)
        audit.save(replace(rows[0], at="2020-12-01T00:00:00.000Z"))
        assert list(audit.of_month("2020-11")) == sorted(rows, key=lambda row: row.at, reverse=True)

    @pytest.mark.usefixtures("log")
    def test_saved_again_it_is_one_row(self, audit: AuditTable) -> None:
        started = self.row(4, details={"pools": "eu-west-1_Pool"})
        audit.save(started)
        assert list(audit.of_month("2020-11")) == [started]
        assert started.result == "started"
        done = replace(started, count=2, outcome={"create": 2}, result="done")
        audit.save(done)
        assert list(audit.of_month("2020-11")) == [done]

    @pytest.mark.usefixtures("log")
    def test_the_stored_attributes(self, db: Any, audit: AuditTable) -> None:
        audit.save(self.row(5, details={"rule": "billing"}, count=1, outcome={"state": "COMPLETED"}, result="done"))
        (row,) = (row for row in stored(db) if row["pk"] == {"S": "AUDIT#2020-11"})
        at, _, identity = row.pop("sk")["S"].partition("#")
        assert (at, len(identity)) == ("2020-11-05T09:00:00.000Z", 8)
        assert row == {
            "pk": {"S": "AUDIT#2020-11"},
            "who": {"S": OPERATOR},
            "what": {"S": "backfill"},
            "details": {"M": {"rule": {"S": "billing"}}},
            "count": {"N": "1"},
            "outcome": {"M": {"state": {"S": "COMPLETED"}}},
            "result": {"S": "done"},
        }

    def test_an_entry_is_stored_before_the_work_and_again_with_its_result(self, db: Any, log: AuditLog) -> None:
        with log.entry("backfill", {"csv": "masked"}) as entry:
            assert audit_rows(db) == [("backfill", 0, "started")]
            entry.count = 3
        assert audit_rows(db) == [("backfill", 3, "done")]

    @pytest.mark.parametrize(("error", "result"), [(ValueError, "failed"), (KeyboardInterrupt, "interrupted")])
    def test_an_entry_of_a_failed_command_keeps_its_count(
        self, db: Any, log: AuditLog, error: Callable[[], BaseException], result: str
    ) -> None:
        def fail() -> None:
            with log.entry("replay", {}) as entry:
                entry.count = 2
                raise error()

        with pytest.raises((ValueError, KeyboardInterrupt)):
            fail()
        assert audit_rows(db) == [("replay", 2, result)]


def audit_rows(db: Any) -> list[tuple[str, int, str]]:
    """What, count and result of every stored audit row."""
    rows = (row for row in stored(db) if row["pk"]["S"].startswith("AUDIT#"))
    return [(row["what"]["S"], int(row["count"]["N"]), row["result"]["S"]) for row in rows]
