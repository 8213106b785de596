"""Attaching and detaching change the triggers of a pool and no other setting, for any settings of the pool."""

from __future__ import annotations

import contextlib
import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from onramp.domain.policies import Grant
from onramp.ops.attach import triggers
from onramp.ops.attach.pool_update import MFA, TRIGGERS, PoolUpdate, UserPool, differences
from onramp.ops.attach.triggers import TriggerPlan
from onramp.ops.attach.wiring import AttachWiring
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.deployment import Deployment
from onramp.ops.common.errors import CommandFailed, UsageError
from onramp.ops.common.output import Output
from tests.fakes import Faulty, ProcessKilled, SiteLog, VirtualClock
from tests.fakes.user_pools import DESCRIBED, SETTABLE, FakeUserPools

POOL = "eu-west-1_Pool"
FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:onramp-PostConfirmation"
ALIAS = f"{FUNCTION}:live"
OTHER = "arn:aws:lambda:eu-west-1:123456789012:function:theirs"
PLAN = TriggerPlan(ALIAS)
OUTPUTS = {
    "UserPoolId": POOL,
    "PostConfirmationFunctionName": "onramp-PostConfirmation",
    "OperationsTableName": "operations",
}


def example_value(shape: Any, name: str = "") -> Any:
    """A value of a shape of botocore's model: with every member, none of them empty."""
    match shape.type_name:
        case "structure":
            return {name: example_value(member, name) for name, member in shape.members.items()}
        case "list":
            return [example_value(shape.member)]
        case "map":
            return {"team": "growth"}
        case "boolean":
            return True
        case "integer":
            return max(3, shape.metadata.get("min", 0))
        case "timestamp":
            return None
    return shape.enum[-1] if shape.enum else f"{name} {{####}} ".ljust(max(20, shape.metadata.get("min", 0)), "x")


EVERYTHING = {name: example_value(DESCRIBED.members[name], name) for name in SETTABLE}
OTHER_TRIGGERS = {
    **{name: value for name, value in EVERYTHING["LambdaConfig"].items() if not name.startswith("Post")},
    "PostAuthentication": OTHER,
}


def with_duplicates(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that Cognito describes twice have the same value in both places."""
    whole = copy.deepcopy(settings)
    template = whole.get("VerificationMessageTemplate", {})
    for name, within in (
        ("SmsVerificationMessage", "SmsMessage"),
        ("EmailVerificationMessage", "EmailMessage"),
        ("EmailVerificationSubject", "EmailSubject"),
    ):
        if within in template:
            whole[name] = template[within]
    return whole


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the former settings of a pool are saved when the rollback fails."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def pools() -> FakeUserPools:
    pools = FakeUserPools(VirtualClock())
    pools.add(POOL, **with_duplicates(EVERYTHING | {TRIGGERS: OTHER_TRIGGERS}))
    pools.factors[POOL] = {"SoftwareTokenMfaConfiguration": {"Enabled": True}}
    return pools


def wiring(client: Any) -> AttachWiring:
    alias = SimpleNamespace(get_alias=lambda **_: {"AliasArn": ALIAS})
    context = OperatorContext(
        Output(as_json=False),
        stack_name="onramp",
        clients={"cognito-idp": client, "lambda": alias, "dynamodb": None},
    )
    context.outputs, context.parameters = OUTPUTS, {}
    return AttachWiring.of(context)


def user_pool(client: Any, pool_id: str = "") -> UserPool:
    return wiring(client).pool(pool_id)


def attach(client: Any, **options: bool) -> int:
    wired = wiring(client)
    pool = wired.pool("")
    before = pool.describe()
    chosen = {"heal_on_sign_in": False, "replace": False, **options}
    return PoolUpdate(pool, before, wired.plan.attach(before.get(TRIGGERS) or {}, **chosen)).apply()


def detach(client: Any, replaced: dict[str, str] | None = None) -> int:
    wired = wiring(client)
    pool = wired.pool("")
    before = pool.describe()
    return PoolUpdate(pool, before, wired.plan.detach(before.get(TRIGGERS) or {}, replaced or {})).apply()


def test_a_pool_with_every_setting_keeps_each(pools: FakeUserPools) -> None:
    before = user_pool(pools).describe()
    compared = attach(pools)
    (change,) = differences(before, user_pool(pools).describe())
    assert (change.setting, change.before, change.after) == ("LambdaConfig.PostConfirmation", None, ALIAS)
    assert compared > 50
    assert pools.factors[POOL] == {"SoftwareTokenMfaConfiguration": {"Enabled": True}}
    detach(pools)
    assert differences(before, user_pool(pools).describe()) == []


def test_the_fake_resets_what_a_naive_update_leaves_out(pools: FakeUserPools) -> None:
    pools.update_user_pool(UserPoolId=POOL, LambdaConfig={"PostConfirmation": ALIAS})
    lost = {name for name in SETTABLE if not pools.pools[POOL].get(name)}
    assert lost >= {"Policies", "AutoVerifiedAttributes", "EmailConfiguration", "DeviceConfiguration"}


@settings(max_examples=80, deadline=None)
@given(st.sets(st.sampled_from(SETTABLE)), st.sets(st.sampled_from(SETTABLE)), st.booleans())
def test_set_empty_and_absent_settings_are_kept(there: set[str], empty: set[str], heal: bool) -> None:
    pools = FakeUserPools(VirtualClock())
    nothing: dict[str, Any] = {"structure": {}, "map": {}, "list": [], "string": ""}
    chosen = {name: EVERYTHING[name] for name in there}
    for name in empty - {"MfaConfiguration", "UserPoolTier", "DeletionProtection"}:
        chosen[name] = nothing[DESCRIBED.members[name].type_name]
    chosen["LambdaConfig"] = {"PreSignUp": OTHER} if "LambdaConfig" in there else {}
    pools.add(POOL, **with_duplicates(chosen))
    before = user_pool(pools).describe()
    attach(pools, heal_on_sign_in=heal)
    changed = {change.setting for change in differences(before, user_pool(pools).describe())}
    assert changed == {"LambdaConfig.PostConfirmation"} | ({"LambdaConfig.PostAuthentication"} if heal else set())
    detach(pools)
    assert differences(before, user_pool(pools).describe()) == []


def test_tags_of_aws_are_not_set_and_stay(pools: FakeUserPools) -> None:
    pools.pools[POOL]["UserPoolTags"] = {"team": "growth", "aws:cloudformation:stack-name": "pools"}
    attach(pools)
    assert pools.pools[POOL]["UserPoolTags"] == {"team": "growth", "aws:cloudformation:stack-name": "pools"}


def test_a_pool_whose_only_factor_is_an_app_keeps_it(pools: FakeUserPools) -> None:
    pools.app_is_only_factor.add(POOL)
    pools.pools[POOL]["MfaConfiguration"] = "ON"
    attach(pools)
    assert pools.pools[POOL]["MfaConfiguration"] == "ON"
    assert pools.factors[POOL] == {"SoftwareTokenMfaConfiguration": {"Enabled": True}}


class TestOtherFunctions:
    def test_another_function_is_replaced_only_with_the_option(self, pools: FakeUserPools) -> None:
        pools.pools[POOL][TRIGGERS]["PostConfirmation"] = OTHER
        with pytest.raises(UsageError, match="--replace"):
            attach(pools)
        attach(pools, replace=True)
        assert pools.pools[POOL][TRIGGERS]["PostConfirmation"] == ALIAS
        assert pools.pools[POOL][TRIGGERS]["PostAuthentication"] == OTHER, "healing at sign-in was not asked for"

    def test_healing_at_sign_in_needs_that_trigger_too(self, pools: FakeUserPools) -> None:
        with pytest.raises(UsageError, match="PostAuthentication"):
            attach(pools, heal_on_sign_in=True)

    def test_detaching_restores_the_replaced_functions(self, pools: FakeUserPools) -> None:
        pools.pools[POOL][TRIGGERS]["PostConfirmation"] = OTHER
        before = user_pool(pools).describe()
        replaced = PLAN.replaced(before[TRIGGERS], {})
        attach(pools, replace=True, heal_on_sign_in=True)
        assert PLAN.replaced(pools.pools[POOL][TRIGGERS], replaced) == replaced, (
            "attaching twice keeps the replaced functions"
        )
        detach(pools, replaced)
        assert differences(before, user_pool(pools).describe()) == []

    def test_a_function_that_was_replaced_before_the_last_attach_is_not_restored(self) -> None:
        assert PLAN.replaced({}, {"PostConfirmation": OTHER}) == {}
        assert PLAN.detach({"PostConfirmation": OTHER + "2"}, {"PostConfirmation": OTHER}) == {
            "PostConfirmation": OTHER + "2"
        }

    @pytest.mark.parametrize("ours", [FUNCTION, f"{FUNCTION}:7", ALIAS])
    def test_any_version_of_our_function_is_ours(self, ours: str) -> None:
        assert PLAN.other_function({"PostConfirmation": ours}, "PostConfirmation") is None
        assert PLAN.detach({"PostConfirmation": ours}, {}) == {}

    def test_a_function_whose_name_begins_like_ours_is_another(self) -> None:
        assert PLAN.other_function({"PostConfirmation": f"{FUNCTION}2:live"}, "PostConfirmation")


class TestFailures:
    def test_a_setting_that_changed_is_restored_and_named(self, pools: FakeUserPools) -> None:
        before = user_pool(pools).describe()
        surprises = [lambda pool: pool["Policies"]["PasswordPolicy"].update(MinimumLength=99)]
        pools.on_update = lambda pool: surprises.pop()(pool) if surprises else None
        with pytest.raises(CommandFailed, match=r"MinimumLength.*the pool is as it was"):
            attach(pools)
        assert differences(before, user_pool(pools).describe()) == []

    def test_a_setting_that_cannot_be_restored_is_named_and_the_former_settings_are_saved(
        self, pools: FakeUserPools, folder: Path
    ) -> None:
        pools.on_update = lambda pool: pool["Policies"]["PasswordPolicy"].update(MinimumLength=99)
        with pytest.raises(CommandFailed, match=r"Rolled back except for .*MinimumLength"):
            attach(pools)
        assert "MinimumLength" in (folder / f"{POOL}.before.json").read_text()

    def test_a_refused_update_changes_nothing(self, pools: FakeUserPools) -> None:
        pools.pools[POOL]["EmailConfiguration"] = {"EmailSendingAccount": "DEVELOPER"}
        before = user_pool(pools).describe()
        with pytest.raises(CommandFailed, match="the pool is as it was"):
            attach(pools)
        assert user_pool(pools).describe() == before

    @pytest.mark.parametrize(
        "fault",
        ["lost_reply", "not_sent", "server_error", "failed_after", "throttled", "killed_before", "killed_after"],
    )
    def test_a_fault_at_any_call_leaves_the_pool_attached_or_as_it_was(self, pools: FakeUserPools, fault: str) -> None:
        before, start = user_pool(pools).describe(), copy.deepcopy(pools.pools)
        number, reached = 0, True
        while reached:
            number, log = number + 1, SiteLog()
            pools.pools = copy.deepcopy(start)
            with contextlib.suppress(CommandFailed, ClientError, BotoCoreError, ProcessKilled):
                attach(Faulty(pools, lambda call, *_, number=number: fault if call == number else None, log))
            changed = {change.setting for change in differences(before, user_pool(pools).describe())}
            assert changed in (set(), {"LambdaConfig.PostConfirmation"}), f"{fault} at call {number}"
            reached = sum(log.faulted.values()) > 0
        assert number > 5

    def test_a_pool_that_was_updated_in_the_meantime_is_left_alone(self, pools: FakeUserPools) -> None:
        pool = user_pool(pools)
        update = PoolUpdate(pool, pool.describe(), {"PostConfirmation": ALIAS})
        pools.update_user_pool(UserPoolId=POOL)
        with pytest.raises(UsageError, match="updated in the meantime"):
            update.apply()

    def test_an_unknown_pool_is_a_sentence(self, pools: FakeUserPools) -> None:
        with pytest.raises(UsageError, match="no user pool eu-west-1_Nope"):
            user_pool(pools, "eu-west-1_Nope").describe()


def test_factors_that_an_update_lost_are_set_again(pools: FakeUserPools) -> None:
    pools.on_update = lambda pool: pools.factors[POOL].clear()
    attach(pools)
    assert user_pool(pools).describe()[MFA]["SoftwareTokenMfaConfiguration"] == {"Enabled": True}


@pytest.mark.parametrize(("reserved", "printed"), [("0", "PostConfirmationReservedConcurrency=50"), ("200", "")])
def test_the_printed_deployment_satisfies_the_rules_of_the_template(
    monkeypatch: pytest.MonkeyPatch, reserved: str, printed: str
) -> None:
    """HealOnSignIn needs reserved concurrency."""
    permission = SimpleNamespace(of=lambda _: SimpleNamespace(grant=lambda _: Grant.NARROW))
    monkeypatch.setattr(triggers, "TriggerPermission", permission)
    parameters = {"HealOnSignIn": "false", "PostConfirmationReservedConcurrency": reserved}
    deployed: Any = SimpleNamespace(accepted_pools=["pool"], parameters=parameters, name="onramp", is_local=False)
    deployed.deploy_command = lambda **changes: Deployment.deploy_command(deployed, **changes)
    with pytest.raises(UsageError, match="HealOnSignIn=true") as refused:
        triggers.require_attachable(deployed, "pool", heal_on_sign_in=True)
    assert printed in str(refused.value)
    assert bool(printed) == ("PostConfirmationReservedConcurrency" in str(refused.value))
