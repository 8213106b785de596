"""Pre-create, import and roles: never over a record, only over the roles that were read."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from onramp.ops.common.errors import UsageError
from onramp.ops.user.import_csv import read_csv, write_errors
from onramp.ops.user.imports import Import
from onramp.ops.user.lookup import UserIdentifier, UserLookup
from onramp.ops.user.prepare import ALREADY, IN_THE_WAY, NEW, Preparations, Prepared, checked_name
from onramp.ops.user.roles import Roles, plan_role_change
from tests.fakes import Faulty, ProcessKilled, SiteLog
from tests.pipeline import PROFILES, USERS, InlineExecutor, InMemoryPipeline
from tests.unit.user_scenario import EMAIL, OLD

ALLOWED = ("admin", "manager", "team_member")
MARA = Prepared("mara@example.com", ("manager",), "Mara")


class TestPrepare:
    def test_is_what_the_trigger_expects(self, pipeline: InMemoryPipeline) -> None:
        assert Preparations(pipeline.dynamodb, USERS).write(MARA, 5) == NEW
        pipeline.sign_up(MARA.user_id, OLD, given_name="Other")
        user = pipeline.user(MARA.user_id) or {}
        assert (user["roles"], user["onboarding"], user["givenName"]) == (["manager"], "pre_created", "Mara")
        assert (user["cognitoSub"], user["createdAt"]) == (OLD, 5)

    def test_again_is_no_change(self, pipeline: InMemoryPipeline) -> None:
        preparations = Preparations(pipeline.dynamodb, USERS)
        preparations.write(MARA, 5)
        before = pipeline.dynamodb.rows(USERS)
        assert preparations.write(MARA, 6) == ALREADY
        assert pipeline.dynamodb.rows(USERS) == before

    def test_a_lost_reply_that_the_sdk_repeats_is_one_preparation(self, pipeline: InMemoryPipeline) -> None:
        client = Faulty(pipeline.dynamodb, lambda *_: "retried", SiteLog())
        assert Preparations(client, USERS).write(MARA, 5) == ALREADY

    @pytest.mark.parametrize(
        "other",
        [
            Prepared("mara@example.com", ("admin",), "Mara"),
            Prepared("mara@example.com", ("manager",)),
            Prepared("mara@example.com", ("manager",), "Mara", "Muster"),
        ],
    )
    def test_never_over_another_preparation(self, pipeline: InMemoryPipeline, other: Prepared) -> None:
        preparations = Preparations(pipeline.dynamodb, USERS)
        preparations.write(other, 5)
        before = pipeline.dynamodb.rows(USERS)
        assert preparations.write(MARA, 6) == IN_THE_WAY
        assert pipeline.dynamodb.rows(USERS) == before

    def test_never_over_somebody_who_has_signed_up(self, pipeline: InMemoryPipeline) -> None:
        preparations = Preparations(pipeline.dynamodb, USERS)
        preparations.write(MARA, 5)
        pipeline.sign_up(MARA.user_id, OLD)
        assert preparations.write(MARA, 6) == IN_THE_WAY
        assert (pipeline.user(MARA.user_id) or {})["cognitoSub"] == OLD


def sheet(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "people.csv"
    path.write_bytes(text.encode(encoding))
    return path


class TestSheet:
    def test_good_rows(self, tmp_path: Path) -> None:
        text = (
            "email,roles,given_name,family_name\r\nAda@Example.com,admin;manager, Ada ,\r\nbo@example.com,admin,,Bø\r\n"
        )
        rows, bad = read_csv(sheet(tmp_path, text, "utf-8-sig"), ALLOWED)
        assert bad == []
        assert [(row.line, row.prepared) for row in rows] == [
            (2, Prepared("ada@example.com", ("admin", "manager"), "Ada")),
            (3, Prepared("bo@example.com", ("admin",), None, "Bø")),
        ]

    @pytest.mark.parametrize(
        ("row", "says"),
        [
            ("nobody,admin", "no usable e-mail"),
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
    def test_a_bad_row_is_named_with_its_line(self, tmp_path: Path, row: str, says: str) -> None:
        rows, bad = read_csv(sheet(tmp_path, f"email,roles\nfirst@example.com,admin\n{row}\n"), ALLOWED)
        assert [error.line for error in bad] == [3]
        assert says in bad[0].error
        assert len(rows) == 1

    @pytest.mark.parametrize("name", ["a" * 257, "with\x00nothing", "two\nlines"])
    def test_a_name_that_cannot_be_stored_is_refused(self, name: str) -> None:
        with pytest.raises(UsageError):
            checked_name(name)

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("", "no column email"),
            ("email\n", "no column roles"),
            ("email,roles,shoe_size\n", "'shoe_size'"),
            ("email,roles,email\n", "twice"),
            ('email,roles\n"never closed\n', "no CSV"),
        ],
    )
    def test_what_is_no_such_file_is_said(self, tmp_path: Path, text: str, says: str) -> None:
        with pytest.raises(UsageError, match=says):
            read_csv(sheet(tmp_path, text), ALLOWED)

    def test_neither_is_another_encoding_nor_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="UTF-8"):
            read_csv(sheet(tmp_path, "email,roles\nà@example.com,admin\n", "latin-1"), ALLOWED)
        with pytest.raises(UsageError, match="cannot be read"):
            read_csv(tmp_path / "none.csv", ALLOWED)

    def test_the_file_of_errors_is_masked_harmless_and_the_owners(self, tmp_path: Path) -> None:
        path = sheet(tmp_path, 'email,roles\n"=cmd|calc@x",chief\nada@example.com,=boss\x1b[31m\n')
        _, bad = read_csv(path, ALLOWED)
        target = write_errors(path, bad)
        assert target.name == "people.errors.csv"
        assert target.stat().st_mode & 0o777 == 0o600
        with target.open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["line"] for row in rows] == ["2", "3"]
        assert rows[0]["email"].startswith("'=")
        assert rows[1]["email"] == "a***@example.com"
        assert "\x1b" not in target.read_text()
        assert write_errors(path, bad) == target, "a second run replaces it"


class TestImport:
    def rows(self, tmp_path: Path, count: int = 30) -> list[Any]:
        lines = "".join(f"user{number}@example.com,manager,Name{number}\n" for number in range(count))
        return read_csv(sheet(tmp_path, f"email,roles,given_name\n{lines}"), ALLOWED)[0]

    def work(self, client: Any) -> Import:
        return Import(Preparations(client, USERS), lambda: 7, lambda _: InlineExecutor())

    def test_writes_what_is_new_and_leaves_the_rest(self, pipeline: InMemoryPipeline, tmp_path: Path) -> None:
        rows = self.rows(tmp_path)
        pipeline.sign_up("user3@example.com", OLD)
        Preparations(pipeline.dynamodb, USERS).write(rows[5].prepared, 1)
        work = self.work(pipeline.dynamodb)
        assert work.compared(rows) == {NEW: 28, ALREADY: 1, IN_THE_WAY: 1}
        *_, done = work(rows)
        assert done.found == {NEW: 28, ALREADY: 1, IN_THE_WAY: 1}
        assert [(error.line, error.email) for error in done.errors] == [(5, "user3@example.com")]
        assert (pipeline.user("user3@example.com") or {})["cognitoSub"] == OLD

    @pytest.mark.parametrize("fault", ["killed_before", "killed_after"])
    def test_a_death_anywhere_and_the_same_again(self, tmp_path: Path, fault: str) -> None:
        rows = self.rows(tmp_path, 12)
        for call in range(1, 13):
            with InMemoryPipeline() as pipeline:
                plan: Any = lambda index, *_, at=call: fault if index == at else None  # noqa: E731
                with pytest.raises(ProcessKilled):
                    list(self.work(Faulty(pipeline.dynamodb, plan, SiteLog()))(rows))
                *_, done = self.work(pipeline.dynamodb)(rows)
                assert done.errors == []
                assert done.found[ALREADY] == call - (fault == "killed_before")
                assert len(pipeline.dynamodb.rows(USERS)) == 12
                assert {row["createdAt"] for row in pipeline.dynamodb.rows(USERS)} == {7}


class TestRoles:
    def change(self, pipeline: InMemoryPipeline, client: Any = None, **how: Any) -> bool:
        person = UserLookup(pipeline.dynamodb, USERS, PROFILES).find(UserIdentifier.of(EMAIL))
        assert person.user is not None
        options: dict[str, Any] = {"add": [], "remove": [], "replace": [], "vouch": False} | how
        return Roles(client or pipeline.dynamodb, USERS).write(plan_role_change(person.user, **options), person, 9)

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
        quicker: Any = lambda index, *_: self.change(pipeline, add=["manager"]) and None if index == 1 else None  # noqa: E731
        assert not self.change(pipeline, Faulty(pipeline.dynamodb, quicker, SiteLog()), add=["admin"])
        assert (pipeline.user(EMAIL) or {})["roles"] == ["team_member", "manager"]

    @pytest.mark.parametrize("stored", [{"SS": ["manager"]}, {"S": "manager"}, None])
    def test_whatever_another_tool_has_written(self, pipeline: InMemoryPipeline, stored: Any) -> None:
        item = {"userId": {"S": EMAIL}, "onboarding": {"S": "pre_created"}} | ({"roles": stored} if stored else {})
        pipeline.dynamodb.put_item(TableName=USERS, Item=item)
        assert self.change(pipeline, add=["admin"])
        assert (pipeline.user(EMAIL) or {})["roles"] == ["manager" if stored else "team_member", "admin"]

    def test_nobody_is_raised_whom_nobody_vouched_for(self, pipeline: InMemoryPipeline) -> None:
        with InMemoryPipeline(ALLOW_UNVERIFIED_SIGNUPS="true") as open_world:
            open_world.sign_up(EMAIL, OLD, email_verified="false")
            with pytest.raises(UsageError, match="--vouch"):
                self.change(open_world, add=["admin"])
            assert self.change(open_world, replace=["team_member"]), "which raises nobody"
            assert self.change(open_world, add=["admin"], vouch=True)
            user = open_world.user(EMAIL) or {}
            assert (user["roles"], user["emailVouchedBy"]) == (["team_member", "admin"], "operator")
            assert self.change(open_world, add=["manager"]), "somebody vouches now"

    def test_a_record_that_goes_meanwhile_is_not_half_made_again(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, OLD)
        gone: Any = lambda *_: pipeline.dynamodb.delete_item(TableName=USERS, Key={"userId": {"S": EMAIL}}) and None  # noqa: E731
        assert not self.change(pipeline, Faulty(pipeline.dynamodb, gone, SiteLog()), add=["admin"])
        assert pipeline.dynamodb.rows(USERS) == []
