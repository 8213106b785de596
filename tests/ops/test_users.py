"""`onramp user` on the local stack: show, explain, pre-create, import and roles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from onramp.local.stack import LocalStack
from tests.deployed import DeployedPipeline, eventually, unique_email
from tests.ops.conftest import Onramp


class TestShowAndExplain:
    def test_a_provisioned_user(self, onramp: Onramp, deployed: DeployedPipeline) -> None:
        email = unique_email("nia")
        sub = deployed.join(email, given_name="Nia", family_name="Newcomer")
        profile = deployed.ready(email)
        shown = onramp("user", "show", email, "--json")
        assert shown.code == 0
        assert shown.json["record"]["cognitoSub"] == shown.json["profile"]["sub"] == sub
        assert shown.json["profile"]["stripeCustomerId"] == profile["stripeCustomerId"]
        explained = onramp("user", "explain", sub, "--json")
        assert (explained.code, explained.json["state"], explained.json["next"]) == (0, "ready", "nothing")
        assert set(explained.json["steps"]) == {"stripe", "revenuecat"}
        for ran in (shown, explained, onramp("user", "show", sub), onramp("user", "explain", email)):
            assert not any(secret in ran.out + ran.err for secret in (email, "Nia", "Newcomer"))

    def test_revealing_is_audited(self, onramp: Onramp, deployed: DeployedPipeline) -> None:
        email = unique_email("nia")
        sub = deployed.join(email)
        assert onramp("user", "show", email, "--reveal", "--json").json["record"]["userId"] == email
        (row, *_) = onramp("audit", "--json").json
        assert (row["what"], row["result"]) == ("reveal user show", "done")
        assert email not in json.dumps(row)
        assert onramp("user", "explain", sub, "--reveal", "--json").json["user"] == email

    def test_a_failed_user_and_the_command_that_redrives(self, onramp: Onramp, deployed: DeployedPipeline) -> None:
        email = unique_email("stuck")
        deployed.stripe.fault("refused", operation="create", match=email)
        sub = deployed.join(email)
        deployed.until_owed("operator", email)
        ran = onramp("user", "explain", email, "--json")
        assert (ran.code, ran.json["state"]) == (1, "operator")
        assert ran.json["steps"]["stripe"]["errorCode"] == "parameter_invalid_string"
        assert ran.json["next"].endswith(f"onramp dlq redrive --user {sub}")
        assert onramp("dlq", "redrive", "--user", sub, "--wait", "0", "--yes").code == 0
        deployed.ready(email)
        assert onramp("user", "explain", email, "--json").json["state"] == "ready"

    def test_the_reference_that_a_refused_user_quotes(self, onramp: Onramp, deployed: DeployedPipeline) -> None:
        email = unique_email("unverified")
        sub = deployed.sign_up(email)
        with pytest.raises(deployed.cognito.exceptions.UserLambdaValidationException) as refused:
            deployed.confirm_by_admin(email)
        reference = str(refused.value).partition("quote ")[2].split(".")[0]

        def logged() -> Any:
            found = onramp("user", "explain", reference, "--json").json
            return found if "reference" in found else None

        found = eventually(logged, what="the trigger's log line")
        assert (found["sub"], found["reference"]["cause"]) == (sub, "nobody_vouches")
        assert found["next"] == f"onramp user explain {sub}"
        ran = onramp("user", "explain", reference)
        assert ran.code == 1
        assert "The trigger refused the signup: their address is not verified" in ran.out
        assert email not in ran.out

    def test_a_user_refused_by_the_trigger(self, onramp: Onramp, deployed: DeployedPipeline) -> None:
        email = unique_email("unverified")
        sub = deployed.sign_up(email)
        with pytest.raises(deployed.cognito.exceptions.UserLambdaValidationException):
            deployed.confirm_by_admin(email)
        for who in (email, sub):
            ran = onramp("user", "explain", who, "--json")
            (found,) = ran.json["cognito"]
            assert (ran.code, found["outcome"], found["sub"]) == (1, "refused_nobody_vouches", sub)
        assert email not in onramp("user", "show", email).out

    def test_an_unknown_address(self, onramp: Onramp) -> None:
        ran = onramp("user", "explain", unique_email(), "--json")
        assert (ran.code, ran.json["cognito"], ran.json["forgotten"]) == (1, [], False)

    @pytest.mark.parametrize("who", ["nobody", "", "two@at@example.com", "\x1b[31m@example.com"])
    def test_an_unusable_identifier_is_one_sentence(self, onramp: Onramp, who: str) -> None:
        ran = onramp("user", "show", who)
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)


class TestPreCreate:
    def test_a_signup_links_the_record(self, onramp: Onramp, deployed: DeployedPipeline) -> None:
        email = unique_email("mara")
        upper = email.replace("mara", "MARA")
        assert (
            onramp("user", "pre-create", "--email", upper, "--role", "admin", "--yes", "--json").json["result"] == "new"
        )
        assert onramp("user", "pre-create", "--email", email, "--role", "admin", "--yes").code == 0
        assert onramp("user", "pre-create", "--email", email, "--role", "manager", "--yes").code == 1
        assert onramp("user", "explain", email, "--json").json["state"] == "prepared"
        deployed.join(email)
        deployed.ready(email)
        assert (deployed.user(email) or {})["roles"] == ["admin"]
        assert "an administrator created the record" in onramp("user", "explain", email).out

    @pytest.mark.parametrize(("email", "role"), [("mara@example.com", "boss"), ("mara", "admin")])
    def test_bad_input_writes_nothing(self, onramp: Onramp, deployed: DeployedPipeline, email: str, role: str) -> None:
        ran = onramp("user", "pre-create", "--email", email, "--role", role, "--yes")
        assert (ran.code, ran.err.count("\n")) == (2, 1)
        assert deployed.user("mara@example.com") is None

    def test_an_import(self, onramp: Onramp, deployed: DeployedPipeline, tmp_path: Path) -> None:
        emails = [unique_email(f"row{number}") for number in range(25)]
        deployed.join(emails[3])
        path = tmp_path / "people.csv"
        path.write_text("email,roles\n" + "".join(f"{email},manager;team_member\n" for email in emails))
        ran = onramp("user", "import", str(path), "--yes", "--json")
        assert (ran.code, ran.json["new"], ran.json["in_the_way"]) == (1, 24, 1)
        assert f"5,{emails[3]}," in Path(ran.json["errors"]).read_text()
        assert (deployed.user(emails[0]) or {})["roles"] == ["manager", "team_member"]
        assert "manager" not in (deployed.user(emails[3]) or {})["roles"]
        again = onramp("user", "import", str(path), "--yes", "--json").json
        assert (again["new"], again["already"]) == (0, 24)

    def test_a_file_with_a_wrong_row_writes_nothing(
        self, onramp: Onramp, deployed: DeployedPipeline, tmp_path: Path
    ) -> None:
        good = unique_email("good")
        (path := tmp_path / "people.csv").write_text(f"email,roles\n{good},admin\nbad,admin\n")
        ran = onramp("user", "import", str(path), "--yes")
        assert (ran.code, ran.err.count("\n")) == (2, 2)
        assert "line 3: ***: no usable e-mail address" in ran.err
        assert "people.errors.csv" in ran.err
        assert deployed.user(good) is None


class TestRoles:
    def test_only_the_roles_change(self, onramp: Onramp, deployed: DeployedPipeline) -> None:
        email = unique_email("mara")
        deployed.join(email)
        deployed.ready(email)
        before = deployed.user(email) or {}
        assert onramp("user", "roles", email, "--add", "admin", "--yes", "--json").json["after"] == [
            "team_member",
            "admin",
        ]
        after = deployed.user(email) or {}
        assert after == before | {"roles": ["team_member", "admin"], "updatedAt": after["updatedAt"]}
        assert not onramp("user", "roles", email, "--add", "admin", "--json").json["changed"]
        assert onramp("user", "roles", email, "--set", "boss", "--yes").code == 2
        assert onramp("user", "roles", email).code == 2
        assert onramp("user", "roles", unique_email(), "--add", "admin", "--yes").code == 2

    def test_an_unverified_address_needs_vouch(self, onramp: Onramp, deployed: DeployedPipeline) -> None:
        email = unique_email("google")
        deployed.stack.control.federated_sign_in(deployed.outputs["UserPoolId"], "Google", {"email": email})
        assert (deployed.user(email) or {})["emailVouchedBy"] == "nobody"
        refused = onramp("user", "roles", email, "--add", "admin", "--yes")
        assert refused.code == 2
        assert "--vouch" in refused.err
        assert onramp("user", "roles", email, "--add", "admin", "--vouch", "--yes").code == 0
        assert (deployed.user(email) or {})["roles"] == ["team_member", "admin"]


def test_the_commands_need_a_stack_of_this_version(onramp: Onramp, stack: LocalStack) -> None:
    assert onramp("user", "show", "nia@example.com", "--stack", "no-such-stack").code == 2
