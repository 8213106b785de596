"""What a dead letter says of itself, how letters are grouped and chosen, and what of them may be shown."""

from __future__ import annotations

import csv
import io
import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onramp.domain.users import Profile
from onramp.ops.common.dead_letters import DELIVERY, PROVISIONING, Letter, explained_by, letter_from
from onramp.ops.common.errors import UsageError
from onramp.ops.dlq.bodies import shown_body
from onramp.ops.dlq.export import private_file, row, write
from onramp.ops.dlq.filters import Filter, filter_from
from onramp.ops.dlq.groups import Groups
from tests.dlq_scenario import strings

SUB = "7d1f3a52-90b1-70c4-5e0f-2b8c1a6d4e01"
SENT = 1_790_000_000_000
NOW = SENT + 3_600_000
EVENT: dict[str, Any] = {
    "source": "onramp.signup",
    "detail-type": "UserSignedUp",
    "detail": {
        "metadata": {"schemaVersion": "1.0", "correlationId": "c-1"},
        "data": {
            "userId": "nia@example.com",
            "email": "nia@example.com",
            "cognitoSub": SUB,
            "givenName": "Nia",
            "familyName": "Newcomer",
            "roles": ["team_member"],
            "somethingNew": "a secret of Nia's",
        },
    },
}
WORKER = {
    "step": "stripe",
    "reason": "stripe_refused_400",
    "errorCode": "email_invalid",
    "attempts": "3",
    "firstFailedAt": "2026-09-21T13:00:00.000Z",
    "codeVersion": "v7",
}
RULE = {
    "RULE_ARN": "arn:aws:events:eu-west-1:123456789012:rule/onramp/signed-up",
    "TARGET_ARN": "arn:aws:sqs:eu-west-1:123456789012:onramp-Provisioning",
    "ERROR_CODE": "NO_PERMISSIONS",
    "ERROR_MESSAGE": "Lack of permissions.",
    "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
    "RETRY_ATTEMPTS": "185",
}
TEXT = st.one_of(st.text(max_size=20), st.integers().map(str), st.datetimes().map(str))
SYSTEM = st.dictionaries(st.sampled_from(["SentTimestamp", "ApproximateReceiveCount"]), TEXT)
JSON = st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)).map(
    json.dumps
)


def letter(said: dict[str, str], body: str = json.dumps(EVENT), queue: str = PROVISIONING, **system: str) -> Letter:
    attributes = {"SentTimestamp": str(SENT), "ApproximateReceiveCount": "2", **system}
    message = {"MessageId": "m-1", "Body": body, "Attributes": attributes, "MessageAttributes": strings(said)}
    return letter_from(queue, message, kept_until=0.0)


class TestWhatItSays:
    def test_by_the_worker(self) -> None:
        found = letter(WORKER)
        assert (found.step, found.reason, found.error_code) == ("stripe", "stripe_refused_400", "email_invalid")
        assert (found.attempts, found.code_version, found.failed_at) == (3, "v7", 1_789_995_600_000)
        assert (found.user_id, found.sub, found.key) == ("nia@example.com", SUB, SUB)

    def test_by_eventbridge(self) -> None:
        found = letter(RULE, queue=DELIVERY)
        assert (found.step, found.reason, found.attempts) == ("deliver", "NO_PERMISSIONS", 185)
        assert (found.failed_at, found.code_version) == (SENT, None)
        assert found.attributes["ERROR_MESSAGE"] == "Lack of permissions."

    def test_by_sqs_nothing(self) -> None:
        found = letter({})
        assert (found.step, found.reason, found.explained) == ("unknown", "unknown", False)

    def test_then_the_profile_tells_and_what_was_given_up_counts_first(self) -> None:
        steps = {
            "revenuecat": {"state": "retrying", "errorCode": "revenuecat_500", "at": 9, "attempts": 4},
            "stripe": {"state": "failed", "errorCode": "email_invalid", "at": 5, "attempts": 1, "codeVersion": "v7"},
            "other": {"state": "done", "at": 10},
        }
        found = explained_by(letter({}), Profile(SUB, "failed", steps=steps))
        assert (found.step, found.reason, found.attempts, found.code_version) == ("stripe", "email_invalid", 1, "v7")
        del steps["stripe"]
        assert explained_by(letter({}), Profile(SUB, "pending", steps=steps)).reason == "revenuecat_500"
        assert explained_by(letter({}), None).reason == "unknown"

    @pytest.mark.parametrize(
        "body",
        [
            "",
            "no JSON",
            "[]",
            "7",
            "null",
            '{"detail": []}',
            '{"detail": {"data": "x"}}',
            "[" * 100_000,
            '{"detail":{}}',
        ],
    )
    def test_a_body_that_names_nobody_is_a_letter_all_the_same(self, body: str) -> None:
        found = letter(WORKER, body)
        assert (found.user_id, found.sub, found.key) == (None, None, "m-1")

    @pytest.mark.parametrize("user_id", ["NIA@example.com", "x" * 3000, "", None, 7, "nia@exämple.com"])
    def test_only_a_canonical_address_is_a_key(self, user_id: object) -> None:
        body = {"detail": {"data": {"userId": user_id, "cognitoSub": SUB}}}
        assert letter(WORKER, json.dumps(body)).user_id is None

    @given(st.dictionaries(st.sampled_from([*WORKER, *RULE]), TEXT), st.text(max_size=50) | JSON, SYSTEM)
    def test_whatever_lies_there_can_be_read_masked_grouped_and_exported(
        self, said: dict[str, str], body: str, system: dict[str, str]
    ) -> None:
        found = letter(said, body, **system)
        shown_body(body, reveal=False)
        write(io.StringIO(), [found], as_csv=True, reveal=False)
        assert Groups.of([found]).rows()[0]["count"] == 1


class TestGroups:
    def test_by_queue_step_and_reason_with_ages_codes_versions_and_a_masked_sample(self) -> None:
        others = [
            letter(WORKER | {"errorCode": "name_invalid", "codeVersion": "v8", "firstFailedAt": "2026-09-21T14:00:00Z"})
        ]
        groups = Groups.of([letter(WORKER), *others, letter(RULE, queue=DELIVERY)])
        first, second = groups.rows()
        assert (first["queue"], first["step"], first["reason"], first["count"]) == (
            "provisioning", "stripe", "stripe_refused_400", 2,
        )  # fmt: skip
        assert first["errorCodes"] == {"email_invalid": 1, "name_invalid": 1}
        assert first["codeVersions"] == {"v7": 1, "v8": 1}
        assert (first["oldest"], first["newest"]) == ("2026-09-21T13:00:00.000Z", "2026-09-21T14:00:00.000Z")
        assert first["sample"] == {"id": "m-1", "user": "n***@example.com"}
        assert second["queue"] == "delivery"
        assert groups.rows(reveal=True)[0]["sample"]["user"] == "nia@example.com"


class TestFilter:
    @pytest.mark.parametrize(
        ("wanted", "fits"),
        [
            (Filter(), True),
            (Filter(reasons=("stripe_refused_400",)), True),
            (Filter(reasons=("other", "email_invalid")), True),
            (Filter(reasons=("other",)), False),
            (Filter(steps=("revenuecat",)), False),
            (Filter(code_versions=("v7",)), True),
            (Filter(code_versions=("v8",)), False),
            (Filter(user="nia@example.com"), True),
            (Filter(user=SUB), True),
            (Filter(user="ben@example.com"), False),
            (Filter(id="m-"), True),
            (Filter(id="x"), False),
            (Filter(since=1_789_995_600_000, until=1_789_995_600_000), True),
            (Filter(since=1_789_995_600_001), False),
            (Filter(until=1_789_995_599_999), False),
        ],
    )
    def test_fits(self, wanted: Filter, fits: bool) -> None:
        assert wanted(letter(WORKER)) is fits

    def test_poison_is_only_for_who_asks_for_it(self) -> None:
        poison = letter(WORKER | {"reason": "malformed_event"})
        assert Filter().poison(poison)
        assert not Filter(reasons=("malformed_event",)).poison(poison)
        assert not Filter(id="m-1").poison(poison)

    def given(self, **options: Any) -> Filter:
        none: dict[str, Any] = dict.fromkeys(("reasons", "steps", "code_versions", "user", "since", "until"))
        return filter_from(**none | options, now=NOW)

    def test_as_given_on_the_command_line(self) -> None:
        found = self.given(user="NIA@Example.com", since="2h", until="2026-11-20T09:00Z", reasons=["a"])
        assert (found.user, found.since) == ("nia@example.com", NOW - 7_200_000)
        assert found.words()["user"] == "n***@example.com", "the audit keeps it"
        assert not self.given().given

    @pytest.mark.parametrize("options", [{"user": "nobody"}, {"since": "yesterday"}, {"since": "1h", "until": "2h"}])
    def test_a_wrong_one_is_one_sentence(self, options: dict[str, str]) -> None:
        with pytest.raises(UsageError):
            self.given(**options)


class TestWhatMayBeShown:
    def test_what_is_not_known_to_be_harmless_is_masked(self) -> None:
        shown = json.dumps(shown_body(json.dumps(EVENT), reveal=False))
        for secret in ("nia@", "Nia", "Newcomer", "secret"):
            assert secret not in shown
        assert SUB in shown
        assert "n***@example.com" in shown
        assert shown_body(json.dumps(EVENT), reveal=True) == EVENT

    def test_what_is_no_json_is_not_shown(self) -> None:
        assert shown_body("nia@example.com", reveal=False) == "no JSON, 15 characters: --reveal shows it"
        assert shown_body("nia@example.com", reveal=True) == "nia@example.com"

    @pytest.mark.parametrize("when", ["9" * 19, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
    def test_no_time_is_too_far_off_to_be_shown(self, when: str) -> None:
        found = letter(WORKER | {"firstFailedAt": when}, SentTimestamp=when)
        assert (found.failed_at, found.sent_at) == (0, 0)
        assert Groups.of([found]).rows()[0]["oldest"] == "1970-01-01T00:00:00.000Z"

    @given(st.text(alphabet="ABCDEFGHJKLMNPQRSTUVWXYZ", min_size=12, max_size=20))
    def test_no_value_gets_through_wherever_it_stands(self, secret: str) -> None:
        body = {secret + " x": 1, "a": [secret, {"b": secret}], "detail": {"data": {"name": secret, "x": [[secret]]}}}
        assert secret not in json.dumps(shown_body(json.dumps(body), reveal=False))


def interrupted(first: Letter) -> Iterator[Letter]:
    yield first
    raise KeyboardInterrupt


class TestExport:
    def test_a_file_only_its_owner_may_read_and_never_over_another(self, tmp_path: Path) -> None:
        path = tmp_path / "letters.jsonl"
        with private_file(path) as file:
            assert write(file, [letter(WORKER), letter(RULE)], as_csv=False, reveal=False) == 2
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        first, second = map(json.loads, path.read_text().splitlines())
        assert (first["reason"], first["user"], second["reason"]) == (
            "stripe_refused_400", "n***@example.com", "NO_PERMISSIONS",
        )  # fmt: skip
        assert "Newcomer" not in path.read_text()
        with pytest.raises(UsageError, match="exists"), private_file(path):
            pass
        assert path.exists()

    def test_nothing_half_written_stays(self, tmp_path: Path) -> None:
        path = tmp_path / "letters.jsonl"
        with pytest.raises(KeyboardInterrupt), private_file(path) as file:
            write(file, interrupted(letter(WORKER)), as_csv=False, reveal=False)
        assert not path.exists()

    def test_a_folder_that_is_not_there_is_one_sentence(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="cannot be written"), private_file(tmp_path / "no" / "file"):
            pass

    def test_a_cell_is_no_formula_and_a_line_one_line(self) -> None:
        hostile = letter(WORKER | {"reason": "=cmd|' /C calc'!A0", "errorCode": "a\n\x1b[2Jb"})
        sheet = io.StringIO(newline="")
        write(sheet, [hostile], as_csv=True, reveal=True)
        header, cells = list(csv.reader(io.StringIO(sheet.getvalue())))
        found = dict(zip(header, cells, strict=True))
        assert found["reason"].startswith("'=cmd")
        assert found["errorCode"] == r"a\n\x1b[2Jb"
        assert row(hostile, reveal=True)["user"] == "nia@example.com"
