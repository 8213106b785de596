"""What a dead letter contains, how letters are grouped and filtered, and what is shown of them."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onramp.domain.users import Profile
from onramp.ops.common.dead_letters import DELIVERY, PROVISIONING, Letter, add_reason, letter_from
from onramp.ops.common.errors import UsageError
from onramp.ops.common.private_file import open_private, private_file
from onramp.ops.common.when import format_time
from onramp.ops.dlq.export import body_data, letter_row, write_letters
from onramp.ops.dlq.filters import LetterFilter
from onramp.ops.dlq.groups import LetterGroups
from onramp.ops.dlq.options import FilterOptions
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


def letter(values: dict[str, str], body: str = json.dumps(EVENT), queue: str = PROVISIONING, **system: str) -> Letter:
    attributes = {"SentTimestamp": str(SENT), "ApproximateReceiveCount": "2", **system}
    message = {"MessageId": "m-1", "Body": body, "Attributes": attributes, "MessageAttributes": strings(values)}
    return letter_from(queue, message, hidden_until=0.0)


class TestFields:
    def test_of_the_worker(self) -> None:
        found = letter(WORKER)
        assert (found.step, found.reason, found.error_code) == ("stripe", "stripe_refused_400", "email_invalid")
        assert (found.attempts, found.code_version, found.failed_at) == (3, "v7", 1_789_995_600_000)
        assert (found.user_id, found.sub, found.key) == ("nia@example.com", SUB, SUB)

    def test_of_eventbridge(self) -> None:
        found = letter(RULE, queue=DELIVERY)
        assert (found.step, found.reason, found.attempts) == ("deliver", "NO_PERMISSIONS", 185)
        assert (found.failed_at, found.code_version) == (SENT, None)
        assert found.attributes["ERROR_MESSAGE"] == "Lack of permissions."

    def test_of_sqs_has_no_reason(self) -> None:
        found = letter({})
        assert (found.step, found.reason, found.has_reason) == ("unknown", "unknown", False)

    def test_the_profile_adds_the_reason_of_a_failed_step_before_one_being_retried(self) -> None:
        steps = {
            "revenuecat": {"state": "retrying", "errorCode": "revenuecat_500", "at": 9, "attempts": 4},
            "stripe": {"state": "failed", "errorCode": "email_invalid", "at": 5, "attempts": 1, "codeVersion": "v7"},
            "other": {"state": "done", "at": 10},
        }
        found = add_reason(letter({}), Profile(SUB, "failed", steps=steps))
        assert (found.step, found.reason, found.attempts, found.code_version) == ("stripe", "email_invalid", 1, "v7")
        del steps["stripe"]
        assert add_reason(letter({}), Profile(SUB, "pending", steps=steps)).reason == "revenuecat_500"
        assert add_reason(letter({}), None).reason == "unknown"

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
    def test_a_body_that_names_no_user_is_a_letter_too(self, body: str) -> None:
        found = letter(WORKER, body)
        assert (found.user_id, found.sub, found.key) == (None, None, "m-1")

    @pytest.mark.parametrize("user_id", ["NIA@example.com", "x" * 3000, "", None, 7, "nia@exämple.com"])
    def test_only_a_canonical_address_is_a_key(self, user_id: object) -> None:
        body = {"detail": {"data": {"userId": user_id, "cognitoSub": SUB}}}
        assert letter(WORKER, json.dumps(body)).user_id is None

    @given(st.dictionaries(st.sampled_from([*WORKER, *RULE]), TEXT), st.text(max_size=50) | JSON, SYSTEM)
    def test_any_message_can_be_read_masked_grouped_and_exported(
        self, values: dict[str, str], body: str, system: dict[str, str]
    ) -> None:
        found = letter(values, body, **system)
        body_data(body, reveal=False)
        write_letters(io.StringIO(), [found], as_csv=True, reveal=False)
        assert LetterGroups.of([found]).rows()[0]["count"] == 1


class TestGroups:
    def test_by_queue_step_and_reason_with_ages_codes_versions_and_a_masked_sample(self) -> None:
        others = [
            letter(WORKER | {"errorCode": "name_invalid", "codeVersion": "v8", "firstFailedAt": "2026-09-21T14:00:00Z"})
        ]
        groups = LetterGroups.of([letter(WORKER), *others, letter(RULE, queue=DELIVERY)])
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
        ("letter_filter", "expected"),
        [
            (LetterFilter(), True),
            (LetterFilter(reasons=("stripe_refused_400",)), True),
            (LetterFilter(reasons=("other", "email_invalid")), True),
            (LetterFilter(reasons=("other",)), False),
            (LetterFilter(steps=("revenuecat",)), False),
            (LetterFilter(code_versions=("v7",)), True),
            (LetterFilter(code_versions=("v8",)), False),
            (LetterFilter(user="nia@example.com"), True),
            (LetterFilter(user=SUB), True),
            (LetterFilter(user="ben@example.com"), False),
            (LetterFilter(id="m-"), True),
            (LetterFilter(id="x"), False),
            (LetterFilter(since=1_789_995_600_000, until=1_789_995_600_000), True),
            (LetterFilter(since=1_789_995_600_001), False),
            (LetterFilter(until=1_789_995_599_999), False),
        ],
    )
    def test_matches(self, letter_filter: LetterFilter, expected: bool) -> None:
        assert letter_filter.matches(letter(WORKER)) is expected

    def test_poison_is_skipped_unless_its_reason_or_id_is_named(self) -> None:
        poison = letter(WORKER | {"reason": "malformed_event"})
        assert LetterFilter().skips_as_poison(poison)
        assert not LetterFilter(reasons=("malformed_event",)).skips_as_poison(poison)
        assert not LetterFilter(id="m-1").skips_as_poison(poison)

    def test_from_the_command_line(self) -> None:
        options = FilterOptions(user="NIA@Example.com", since="2h", until="2026-11-20T09:00Z", reason=["a"])
        found = options.letter_filter(NOW)
        assert (found.user, found.since) == ("nia@example.com", NOW - 7_200_000)
        assert found.options() == {
            "reason": "a",
            "since": format_time(NOW - 7_200_000),
            "until": "2026-11-20T09:00:00Z",
            "user": "n***@example.com",
        }, "the audit log keeps it"
        assert FilterOptions().letter_filter(NOW).is_empty

    @pytest.mark.parametrize("options", [{"user": "nia"}, {"since": "yesterday"}, {"since": "1h", "until": "2h"}])
    def test_a_wrong_value_is_a_usage_error(self, options: dict[str, Any]) -> None:
        with pytest.raises(UsageError):
            FilterOptions(**options).letter_filter(NOW)


class TestMasking:
    def test_fields_not_known_to_be_harmless_are_masked(self) -> None:
        shown = json.dumps(body_data(json.dumps(EVENT), reveal=False))
        for secret in ("nia@", "Nia", "Newcomer", "secret"):
            assert secret not in shown
        assert SUB in shown
        assert "n***@example.com" in shown
        assert body_data(json.dumps(EVENT), reveal=True) == EVENT

    @pytest.mark.parametrize(
        "secret",
        [
            {"roles": {"Secret": "Secret"}},
            {"roles": [["Secret"], {"roles": "Secret"}]},
            {"detail": {"data": {"origin": "Secret", "address": {"id": "Secret", "source": "Secret"}}}},
            {"detail": {"data": {"cognitoSub": {"id": "Secret"}}}},
            {"id": ["Secret"], "data": {"roles": ["Secret"]}, "cognitoSub": "Secret"},
        ],
    )
    def test_a_known_name_counts_at_its_own_place_only(self, secret: dict[str, Any]) -> None:
        assert "Secret" not in json.dumps(body_data(json.dumps(secret), reveal=False)).replace('"Secret": ', "")

    def test_numbers_are_masked(self) -> None:
        event = {"detail": {"data": {"phone": 491701234567, "shoeSize": 44.5, "children": [3], "adult": True}}}
        data = {"phone": "***", "shoeSize": "***", "children": ["***"], "adult": True}
        assert body_data(json.dumps(event), reveal=False) == {"detail": {"data": data}}

    def test_what_the_pipeline_itself_writes_is_shown(self) -> None:
        shown = body_data(json.dumps(EVENT), reveal=False)
        assert shown["detail"]["metadata"] == EVENT["detail"]["metadata"]
        assert shown["detail"]["data"]["roles"] == ["team_member"]
        assert shown["source"] == "onramp.signup"

    def test_a_body_that_is_not_json_is_not_shown(self) -> None:
        assert body_data("nia@example.com", reveal=False) == "no JSON, 15 characters: --reveal shows it"
        assert body_data("nia@example.com", reveal=True) == "nia@example.com"

    @pytest.mark.parametrize("when", ["9" * 19, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
    def test_an_unusable_time_is_zero(self, when: str) -> None:
        found = letter(WORKER | {"firstFailedAt": when}, SentTimestamp=when)
        assert (found.failed_at, found.sent_at) == (0, 0)
        assert LetterGroups.of([found]).rows()[0]["oldest"] == "1970-01-01T00:00:00.000Z"

    @given(st.text(alphabet="ABCDEFGHJKLMNPQRSTUVWXYZ", min_size=12, max_size=20))
    def test_no_value_is_shown_wherever_it_is(self, secret: str) -> None:
        body = {secret + " x": 1, "a": [secret, {"b": secret}], "detail": {"data": {"name": secret, "x": [[secret]]}}}
        assert secret not in json.dumps(body_data(json.dumps(body), reveal=False))


def interrupt_after(first: Letter) -> Iterator[Letter]:
    yield first
    raise KeyboardInterrupt


class TestExport:
    def test_only_its_owner_may_read_the_file_and_it_replaces_no_other(self, tmp_path: Path) -> None:
        path = tmp_path / "letters.jsonl"
        with private_file(path) as file:
            assert write_letters(file, [letter(WORKER), letter(RULE)], as_csv=False, reveal=False) == 2
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        first, second = map(json.loads, path.read_text().splitlines())
        assert (first["reason"], first["user"], second["reason"]) == (
            "stripe_refused_400", "n***@example.com", "NO_PERMISSIONS",
        )  # fmt: skip
        assert "Newcomer" not in path.read_text()
        with pytest.raises(UsageError, match="exists"), private_file(path):
            pass
        assert path.exists()

    def test_no_link_is_followed(self, tmp_path: Path) -> None:
        (other := tmp_path / "other").write_text("precious")
        for name, target in (("link", other), ("dangling", tmp_path / "created")):
            (link := tmp_path / name).symlink_to(target)
            with pytest.raises(UsageError), private_file(link):
                pass
            with pytest.raises(UsageError, match="it is a link"):
                open_private(link, os.O_WRONLY | os.O_TRUNC)
        assert other.read_text() == "precious"
        assert not (tmp_path / "created").exists()

    def test_a_pipe_or_a_device_is_no_file(self, tmp_path: Path) -> None:
        os.mkfifo(pipe := tmp_path / "pipe")
        for path in (pipe, Path("/dev/null")):
            with pytest.raises(UsageError, match="cannot be written"):
                open_private(path, os.O_RDWR)

    def test_an_interrupted_file_is_removed(self, tmp_path: Path) -> None:
        path = tmp_path / "letters.jsonl"
        with pytest.raises(KeyboardInterrupt), private_file(path) as file:
            write_letters(file, interrupt_after(letter(WORKER)), as_csv=False, reveal=False)
        assert not path.exists()

    def test_a_missing_folder_is_a_usage_error(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="cannot be written"), private_file(tmp_path / "no" / "file"):
            pass

    def test_a_cell_is_no_formula_and_one_line(self) -> None:
        hostile = letter(WORKER | {"reason": "=cmd|' /C calc'!A0", "errorCode": "a\n\x1b[2Jb"})
        sheet = io.StringIO(newline="")
        write_letters(sheet, [hostile], as_csv=True, reveal=True)
        header, cells = list(csv.reader(io.StringIO(sheet.getvalue())))
        found = dict(zip(header, cells, strict=True))
        assert found["reason"].startswith("'=cmd")
        assert found["errorCode"] == r"a\n\x1b[2Jb"
        assert letter_row(hostile, reveal=True)["user"] == "nia@example.com"
