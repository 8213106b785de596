"""Pre-create, import and roles: never over another record, only over the roles that were read."""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from onramp.ops.common.errors import CommandFailed, UsageError
from onramp.ops.tables.users import PreCreatedUser, PreCreation, UserWrites
from onramp.ops.user.csv_file import CsvRow, read_csv, write_errors
from onramp.ops.user.import_csv import CsvImport, import_users
from onramp.ops.user.pre_create import parse_name
from onramp.ops.user.roles import plan_role_change
from tests.fakes import Faulty, ProcessKilled, SiteLog
from tests.operator_context import operator_context
from tests.pipeline import OPERATIONS, USERS, InMemoryPipeline
from tests.unit.user_scenario import EMAIL, OLD, UserScenario

ALLOWED = ("admin", "manager", "team_member")
NEW, ALREADY, IN_THE_WAY = PreCreation
MARA = PreCreatedUser("mara@example.com", ("manager",), "Mara")


def records(pipeline: InMemoryPipeline) -> UserWrites:
    return UserScenario(pipeline).wiring.records


class TestPreCreate:
    def test_a_signup_links_the_pre_created_record(self, pipeline: InMemoryPipeline) -> None:
        assert records(pipeline).pre_create(MARA, 5) == NEW
        pipeline.sign_up(MARA.user_id, OLD, given_name="Other")
        user = pipeline.user(MARA.user_id) or {}
        assert (user["roles"], user["onboarding"], user["givenName"]) == (["manager"], "pre_created", "Mara")
        assert (user["cognitoSub"], user["createdAt"]) == (OLD, 5)

    def test_again_changes_nothing(self, pipeline: InMemoryPipeline) -> None:
        records(pipeline).pre_create(MARA, 5)
        before = pipeline.dynamodb.rows(USERS)
        assert records(pipeline).pre_create(MARA, 6) == ALREADY
        assert pipeline.dynamodb.rows(USERS) == before

    def test_a_lost_reply_that_the_sdk_repeats_is_one_record(self, pipeline: InMemoryPipeline) -> None:
        client = Faulty(pipeline.dynamodb, lambda *_: "retried", SiteLog())
        assert UserScenario(pipeline, {"dynamodb": client}).wiring.records.pre_create(MARA, 5) == ALREADY

    @pytest.mark.parametrize(
        "other",
        [
            PreCreatedUser("mara@example.com", ("admin",), "Mara"),
            PreCreatedUser("mara@example.com", ("manager",)),
            PreCreatedUser("mara@example.com", ("manager",), "Mara", "Muster"),
        ],
    )
    def test_never_over_another_pre_created_record(self, pipeline: InMemoryPipeline, other: PreCreatedUser) -> None:
        records(pipeline).pre_create(other, 5)
        before = pipeline.dynamodb.rows(USERS)
        assert records(pipeline).pre_create(MARA, 6) == IN_THE_WAY
        assert pipeline.dynamodb.rows(USERS) == before

    def test_never_over_a_user_who_has_signed_up(self, pipeline: InMemoryPipeline) -> None:
        records(pipeline).pre_create(MARA, 5)
        pipeline.sign_up(MARA.user_id, OLD)
        assert records(pipeline).pre_create(MARA, 6) == IN_THE_WAY
        assert (pipeline.user(MARA.user_id) or {})["cognitoSub"] == OLD


def csv_file(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "people.csv"
    path.write_bytes(text.encode(encoding))
    return path


class TestReadCsv:
    def test_good_rows(self, tmp_path: Path) -> None:
        text = (
            "email,roles,given_name,family_name\r\nAda@Example.com,admin;manager, Ada ,\r\nbo@example.com,admin,,Bø\r\n"
        )
        rows, bad = read_csv(csv_file(tmp_path, text, "utf-8-sig"), ALLOWED)
        assert bad == []
        assert [(row.line, row.user) for row in rows] == [
            (2, PreCreatedUser("ada@example.com", ("admin", "manager"), "Ada")),
            (3, PreCreatedUser("bo@example.com", ("admin",), None, "Bø")),
        ]

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ("no-address,admin", "no usable e-mail"),
            (" ada@example.com,admin", "no usable e-mail"),
            ("ädä@example.com,admin", "no usable e-mail"),
            ("ada@example.com,", "no role"),
            ("ada@example.com,;", "no role"),
            ("ada@example.com,boss", "no role 'boss'"),
            ("ada@example.com,admin;boss", "no role 'boss'"),
            ("ada@example.com", "cells"),
            ("ada@example.com,admin,x,y,z", "cells"),
            ("first@example.com,admin", "line 2"),
            ("FIRST@example.com,admin", "line 2"),
        ],
    )
    def test_a_bad_row_is_named_with_its_line(self, tmp_path: Path, row: str, message: str) -> None:
        rows, bad = read_csv(csv_file(tmp_path, f"email,roles\nfirst@example.com,admin\n{row}\n"), ALLOWED)
        assert [error.line for error in bad] == [3]
        assert message in bad[0].error
        assert len(rows) == 1

    @pytest.mark.parametrize("name", ["a" * 257, "with\x00nothing", "two\nlines"])
    def test_a_name_that_cannot_be_stored_is_refused(self, name: str) -> None:
        with pytest.raises(UsageError):
            parse_name(name)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "no column email"),
            ("email\n", "no column roles"),
            ("email,roles,shoe_size\n", "'shoe_size'"),
            ("email,roles,email\n", "twice"),
            ('email,roles\n"never closed\n', "not a CSV file"),
        ],
    )
    def test_a_file_of_another_shape_is_refused(self, tmp_path: Path, text: str, message: str) -> None:
        with pytest.raises(UsageError, match=message):
            read_csv(csv_file(tmp_path, text), ALLOWED)

    def test_another_encoding_and_a_missing_file_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="UTF-8"):
            read_csv(csv_file(tmp_path, "email,roles\nà@example.com,admin\n", "latin-1"), ALLOWED)
        with pytest.raises(UsageError, match="cannot be read"):
            read_csv(tmp_path / "none.csv", ALLOWED)

    def test_the_error_file_has_the_addresses_as_typed_harmless_and_private(self, tmp_path: Path) -> None:
        path = csv_file(tmp_path, 'email,roles\n"=cmd|calc@x",chief\nAda@Example.com,=boss\x1b[31m\n')
        _, bad = read_csv(path, ALLOWED)
        target = write_errors(path, bad)
        assert target.name == "people.errors.csv"
        assert target.stat().st_mode & 0o777 == 0o600
        with target.open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["line"] for row in rows] == ["2", "3"]
        assert rows[0]["email"].startswith("'=")
        assert rows[1]["email"] == "Ada@Example.com", "for the owner of the file, who looks for this spelling"
        assert "\x1b" not in target.read_text()
        assert write_errors(path, bad) == target, "a second run replaces it"


class TestImport:
    def rows(self, tmp_path: Path, count: int = 30) -> list[CsvRow]:
        lines = "".join(f"user{number}@example.com,manager,Name{number}\n" for number in range(count))
        return read_csv(csv_file(tmp_path, f"email,roles,given_name\n{lines}"), ALLOWED)[0]

    def csv_import(self, pipeline: InMemoryPipeline, dynamodb: Any = None) -> CsvImport:
        scenario = UserScenario(pipeline, {"dynamodb": dynamodb} if dynamodb else {})
        return CsvImport(scenario.wiring.records, lambda: 7, scenario.context.threads)

    def test_writes_what_is_new_and_leaves_the_rest(self, pipeline: InMemoryPipeline, tmp_path: Path) -> None:
        rows = self.rows(tmp_path)
        pipeline.sign_up("user3@example.com", OLD)
        records(pipeline).pre_create(rows[5].user, 1)
        csv_import = self.csv_import(pipeline)
        assert csv_import.compare(rows) == {NEW: 28, ALREADY: 1, IN_THE_WAY: 1}
        csv_import.write_batch(rows)
        assert csv_import.counts == {NEW: 28, ALREADY: 1, IN_THE_WAY: 1}
        assert [(error.line, error.email) for error in csv_import.errors] == [(5, "user3@example.com")]
        assert (pipeline.user("user3@example.com") or {})["cognitoSub"] == OLD

    @pytest.mark.parametrize("fault", ["killed_before", "killed_after"])
    def test_killed_at_any_call_and_run_again(self, tmp_path: Path, fault: str) -> None:
        rows = self.rows(tmp_path, 12)
        for call in range(1, 13):
            with InMemoryPipeline() as pipeline:
                plan: Any = lambda index, *_, at=call: fault if index == at else None  # noqa: E731
                with pytest.raises(ProcessKilled):
                    self.csv_import(pipeline, Faulty(pipeline.dynamodb, plan, SiteLog())).write_batch(rows)
                csv_import = self.csv_import(pipeline)
                csv_import.write_batch(rows)
                assert csv_import.errors == []
                assert csv_import.counts[ALREADY] == call - (fault == "killed_before")
                assert len(pipeline.dynamodb.rows(USERS)) == 12
                assert {row["createdAt"] for row in pipeline.dynamodb.rows(USERS)} == {7}


class TestRoles:
    def change(self, pipeline: InMemoryPipeline, before_write: Any = None, **change: Any) -> bool:
        """`before_write` is called between the read and the write."""
        scenario = UserScenario(pipeline)
        stored, user = scenario.wiring.users.find_record(EMAIL)
        options: dict[str, Any] = {"add": [], "remove": [], "replace": [], "vouch": False} | change
        planned = plan_role_change(user, **options, default_role=scenario.wiring.default_role)
        if before_write:
            before_write()
        return scenario.wiring.records.set_roles(stored.record or {}, planned.after, 9, vouch=planned.vouch)

    def test_add_remove_and_set_touch_nothing_else(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, OLD)
        before = pipeline.user(EMAIL) or {}
        assert self.change(pipeline, add=["admin", "manager"], remove=["team_member"])
        after = pipeline.user(EMAIL) or {}
        assert after == before | {"roles": ["admin", "manager"], "updatedAt": 9}
        assert self.change(pipeline, replace=["team_member"])
        assert (pipeline.user(EMAIL) or {})["roles"] == ["team_member"]

    def test_only_over_the_roles_that_were_read(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, OLD)
        assert not self.change(pipeline, lambda: self.change(pipeline, add=["manager"]), add=["admin"])
        assert (pipeline.user(EMAIL) or {})["roles"] == ["team_member", "manager"]

    @pytest.mark.parametrize("stored", [{"SS": ["manager"]}, {"S": "manager"}, None])
    def test_over_roles_of_any_type_that_another_tool_wrote(self, pipeline: InMemoryPipeline, stored: Any) -> None:
        item = {"userId": {"S": EMAIL}, "onboarding": {"S": "pre_created"}} | ({"roles": stored} if stored else {})
        pipeline.dynamodb.put_item(TableName=USERS, Item=item)
        assert self.change(pipeline, add=["admin"])
        assert (pipeline.user(EMAIL) or {})["roles"] == [*(["manager"] if stored else []), "admin"]

    def test_an_unverified_address_gets_no_further_roles_without_vouch(self, pipeline: InMemoryPipeline) -> None:
        with InMemoryPipeline(ALLOW_UNVERIFIED_SIGNUPS="true") as unverified:
            unverified.sign_up(EMAIL, OLD, email_verified="false")
            with pytest.raises(UsageError, match="--vouch"):
                self.change(unverified, add=["admin"])
            assert self.change(unverified, replace=["team_member"]), "no further role"
            assert self.change(unverified, add=["admin"], vouch=True)
            user = unverified.user(EMAIL) or {}
            assert (user["roles"], user["emailVouchedBy"]) == (["team_member", "admin"], "operator")
            assert self.change(unverified, add=["manager"]), "the operator vouches now"

    def test_a_record_that_was_deleted_meanwhile_is_not_created_again(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, OLD)
        key = {"userId": {"S": EMAIL}}
        delete = partial(pipeline.dynamodb.delete_item, TableName=USERS, Key=key)
        assert not self.change(pipeline, delete, add=["admin"])
        assert pipeline.dynamodb.rows(USERS) == []


class TestTheImportCommand:
    def run(
        self, pipeline: InMemoryPipeline, file: Path, *, skip_bad: bool, clients: dict[str, Any] | None = None
    ) -> None:
        ssm = SimpleNamespace(get_parameter=lambda **_: {"Parameter": {"Value": ",".join(ALLOWED)}})
        context = operator_context(pipeline, {"ssm": ssm, **(clients or {})})
        import_users(context, file, skip_bad=skip_bad, yes=True)

    def test_wrong_rows_have_their_reasons_on_the_screen(
        self, pipeline: InMemoryPipeline, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = csv_file(tmp_path, "email,roles\nada@example.com,manager\nben@example.com,chief\nno address,manager\n")
        with pytest.raises(UsageError, match=r"2 rows are wrong and nothing was written.*--skip-bad"):
            self.run(pipeline, file, skip_bad=False)
        err = capsys.readouterr().err
        assert "line 3: b***@example.com: this stack has no role 'chief'" in err
        assert "line 4: ***: no usable e-mail address" in err
        assert pipeline.dynamodb.rows(USERS) == []

    def test_skip_bad_imports_the_others(
        self, pipeline: InMemoryPipeline, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = csv_file(tmp_path, "email,roles\nada@example.com,manager\nBen@Example.com,chief\n")
        with pytest.raises(CommandFailed, match="1 rows are wrong and were left out"):
            self.run(pipeline, file, skip_bad=True)
        assert [row["userId"] for row in pipeline.dynamodb.rows(USERS)] == ["ada@example.com"]
        assert "3,Ben@Example.com," in (tmp_path / "people.errors.csv").read_text()
        assert "1 wrong rows, which are left out" in capsys.readouterr().err

    def test_the_audit_log_has_who_got_which_role(self, pipeline: InMemoryPipeline, tmp_path: Path) -> None:
        file = csv_file(tmp_path, "email,roles\nada@example.com,manager;admin\nben@example.com,manager\n")
        self.run(pipeline, file, skip_bad=False)
        (row,) = [row for row in pipeline.dynamodb.rows(OPERATIONS) if str(row["pk"]).startswith("AUDIT#")]
        assert row["details"] == {
            "file": "people.csv",
            "role manager": "line 2 a***@example.com, line 3 b***@example.com",
            "role admin": "line 2 a***@example.com",
        }
        assert (row["count"], row["outcome"], row["result"]) == (2, {NEW: 2, ALREADY: 0, IN_THE_WAY: 0}, "done")

    def test_each_batch_has_its_row_and_an_interrupted_one_its_counts(
        self, pipeline: InMemoryPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("onramp.ops.user.import_csv.BATCH", 2)
        file = csv_file(tmp_path, "email,roles\n" + "".join(f"u{n}@example.com,manager\n" for n in range(5)))
        writes = 0

        def interrupt(_call: int, _service: str, operation: str) -> None:
            nonlocal writes
            writes += operation == "put_item"
            if writes == 6:  # a whole batch between its two audit writes, then the first record of the second batch
                raise KeyboardInterrupt

        faulty = Faulty(pipeline.dynamodb, interrupt, SiteLog())
        with pytest.raises(KeyboardInterrupt):
            self.run(pipeline, file, skip_bad=False, clients={"dynamodb": faulty})
        rows = [row for row in pipeline.dynamodb.rows(OPERATIONS) if str(row["pk"]).startswith("AUDIT#")]
        assert {row["result"]: row["count"] for row in rows} == {"done": 2, "interrupted": 0}
        assert len(pipeline.dynamodb.rows(USERS)) == 2
