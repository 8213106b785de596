"""Attaching and detaching change the triggers of a pool and nothing else, whatever the pool is set to."""

from __future__ import annotations

import contextlib
import copy
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from onramp.ops.attach.differences import differences
from onramp.ops.attach.pool_update import MFA, TRIGGERS, PoolUpdate, UserPool
from onramp.ops.attach.triggers import TriggerPlan
from onramp.ops.common.errors import CommandFailed, UsageError
from tests.fakes import Faulty, ProcessKilled, SiteLog, VirtualClock
from tests.fakes.user_pools import DESCRIBED, SETTABLE, FakeUserPools

POOL = "eu-west-1_Pool"
FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:onramp-PostConfirmation"
ALIAS = f"{FUNCTION}:live"
OTHER = "arn:aws:lambda:eu-west-1:123456789012:function:theirs"
WIRES = TriggerPlan(ALIAS)


def something(shape: Any, name: str = "") -> Any:
    """A value of a shape, as far as botocore's model tells: every member of it, none of them empty."""
    match shape.type_name:
        case "structure":
            return {name: something(member, name) for name, member in shape.members.items()}
        case "list":
            return [something(shape.member)]
        case "map":
            return {"team": "growth"}
        case "boolean":
            return True
        case "integer":
            return max(3, shape.metadata.get("min", 0))
        case "timestamp":
            return None
    return shape.enum[-1] if shape.enum else f"{name} {{####}} ".ljust(max(20, shape.metadata.get("min", 0)), "x")


EVERYTHING = {name: something(DESCRIBED.members[name], name) for name in SETTABLE}
THEIR_TRIGGERS = {
    **{name: value for name, value in EVERYTHING["LambdaConfig"].items() if not name.startswith("Post")},
    "PostAuthentication": OTHER,
}


def described_as(settings: dict[str, Any]) -> dict[str, Any]:
    """What Cognito describes twice, it describes alike."""
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
    """Where the settings of a pool that could not be put back are kept."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def pools() -> FakeUserPools:
    pools = FakeUserPools(VirtualClock())
    pools.add(POOL, **described_as(EVERYTHING | {TRIGGERS: THEIR_TRIGGERS}))
    pools.factors[POOL] = {"SoftwareTokenMfaConfiguration": {"Enabled": True}}
    return pools


def rewire(client: Any, **wanted: bool) -> int:
    pool = UserPool(client, POOL)
    before = pool.described()
    how = {"heal_on_sign_in": False, "replace": False, **wanted}
    return PoolUpdate(pool, before, WIRES.attached(before.get(TRIGGERS) or {}, **how)).apply()


def unwire(client: Any, replaced: dict[str, str] | None = None) -> int:
    pool = UserPool(client, POOL)
    before = pool.described()
    return PoolUpdate(pool, before, WIRES.detached(before.get(TRIGGERS) or {}, replaced or {})).apply()


def test_a_pool_with_every_setting_that_there_is_keeps_each(pools: FakeUserPools) -> None:
    before = UserPool(pools, POOL).described()
    compared = rewire(pools)
    (change,) = differences(before, UserPool(pools, POOL).described())
    assert (change.setting, change.before, change.after) == ("LambdaConfig.PostConfirmation", None, ALIAS)
    assert compared > 50
    assert pools.factors[POOL] == {"SoftwareTokenMfaConfiguration": {"Enabled": True}}
    unwire(pools)
    assert differences(before, UserPool(pools, POOL).described()) == []


def test_the_fake_forgets_what_a_naive_update_leaves_out(pools: FakeUserPools) -> None:
    pools.update_user_pool(UserPoolId=POOL, LambdaConfig={"PostConfirmation": ALIAS})
    lost = {name for name in SETTABLE if not pools.pools[POOL].get(name)}
    assert lost >= {"Policies", "AutoVerifiedAttributes", "EmailConfiguration", "DeviceConfiguration"}


@settings(max_examples=80, deadline=None)
@given(st.sets(st.sampled_from(SETTABLE)), st.sets(st.sampled_from(SETTABLE)), st.booleans())
def test_whatever_is_set_empty_or_absent_comes_through(there: set[str], empty: set[str], heal: bool) -> None:
    pools = FakeUserPools(VirtualClock())
    nothing: dict[str, Any] = {"structure": {}, "map": {}, "list": [], "string": ""}
    chosen = {name: EVERYTHING[name] for name in there}
    for name in empty - {"MfaConfiguration", "UserPoolTier", "DeletionProtection"}:
        chosen[name] = nothing[DESCRIBED.members[name].type_name]
    chosen["LambdaConfig"] = {"PreSignUp": OTHER} if "LambdaConfig" in there else {}
    pools.add(POOL, **described_as(chosen))
    before = UserPool(pools, POOL).described()
    rewire(pools, heal_on_sign_in=heal)
    changed = {change.setting for change in differences(before, UserPool(pools, POOL).described())}
    assert changed == {"LambdaConfig.PostConfirmation"} | ({"LambdaConfig.PostAuthentication"} if heal else set())
    unwire(pools)
    assert differences(before, UserPool(pools, POOL).described()) == []


def test_tags_of_aws_are_not_set_and_stay(pools: FakeUserPools) -> None:
    pools.pools[POOL]["UserPoolTags"] = {"team": "growth", "aws:cloudformation:stack-name": "pools"}
    rewire(pools)
    assert pools.pools[POOL]["UserPoolTags"] == {"team": "growth", "aws:cloudformation:stack-name": "pools"}


def test_a_pool_whose_only_factor_is_an_app_keeps_it(pools: FakeUserPools) -> None:
    pools.app_is_only_factor.add(POOL)
    pools.pools[POOL]["MfaConfiguration"] = "ON"
    rewire(pools)
    assert pools.pools[POOL]["MfaConfiguration"] == "ON"
    assert pools.factors[POOL] == {"SoftwareTokenMfaConfiguration": {"Enabled": True}}


class TestOtherFunctions:
    def test_another_function_is_not_replaced_unless_told(self, pools: FakeUserPools) -> None:
        pools.pools[POOL][TRIGGERS]["PostConfirmation"] = OTHER
        with pytest.raises(UsageError, match="--replace"):
            rewire(pools)
        rewire(pools, replace=True)
        assert pools.pools[POOL][TRIGGERS]["PostConfirmation"] == ALIAS
        assert pools.pools[POOL][TRIGGERS]["PostAuthentication"] == OTHER, "nobody asked for that"

    def test_healing_at_sign_in_needs_that_trigger_too(self, pools: FakeUserPools) -> None:
        with pytest.raises(UsageError, match="PostAuthentication"):
            rewire(pools, heal_on_sign_in=True)

    def test_detaching_puts_back_what_was_replaced(self, pools: FakeUserPools) -> None:
        pools.pools[POOL][TRIGGERS]["PostConfirmation"] = OTHER
        before = UserPool(pools, POOL).described()
        replaced = WIRES.replaced(before[TRIGGERS], {})
        rewire(pools, replace=True, heal_on_sign_in=True)
        assert WIRES.replaced(pools.pools[POOL][TRIGGERS], replaced) == replaced, "attaching twice forgets nobody"
        unwire(pools, replaced)
        assert differences(before, UserPool(pools, POOL).described()) == []

    def test_what_was_replaced_long_ago_does_not_come_back(self) -> None:
        assert WIRES.replaced({}, {"PostConfirmation": OTHER}) == {}
        assert WIRES.detached({"PostConfirmation": OTHER + "2"}, {"PostConfirmation": OTHER}) == {
            "PostConfirmation": OTHER + "2"
        }

    @pytest.mark.parametrize("ours", [FUNCTION, f"{FUNCTION}:7", ALIAS])
    def test_any_version_of_our_function_is_ours(self, ours: str) -> None:
        assert WIRES.foreign({"PostConfirmation": ours}, "PostConfirmation") is None
        assert WIRES.detached({"PostConfirmation": ours}, {}) == {}

    def test_a_function_whose_name_begins_like_ours_is_not(self) -> None:
        assert WIRES.foreign({"PostConfirmation": f"{FUNCTION}2:live"}, "PostConfirmation")


class TestWhenItGoesWrong:
    def test_a_setting_that_moved_is_put_back_and_named(self, pools: FakeUserPools) -> None:
        before = UserPool(pools, POOL).described()
        surprises = [lambda pool: pool["Policies"]["PasswordPolicy"].update(MinimumLength=99)]
        pools.on_update = lambda pool: surprises.pop()(pool) if surprises else None
        with pytest.raises(CommandFailed, match=r"MinimumLength.*The pool is as it was"):
            rewire(pools)
        assert differences(before, UserPool(pools, POOL).described()) == []

    def test_what_cannot_be_put_back_is_named_and_the_old_settings_are_kept(
        self, pools: FakeUserPools, folder: Path
    ) -> None:
        pools.on_update = lambda pool: pool["Policies"]["PasswordPolicy"].update(MinimumLength=99)
        with pytest.raises(CommandFailed, match=r"Taken back, but for .*MinimumLength"):
            rewire(pools)
        assert "MinimumLength" in (folder / f"{POOL}.before.json").read_text()

    def test_a_refused_update_changes_nothing(self, pools: FakeUserPools) -> None:
        pools.pools[POOL]["EmailConfiguration"] = {"EmailSendingAccount": "DEVELOPER"}
        before = UserPool(pools, POOL).described()
        with pytest.raises(CommandFailed, match="The pool is as it was"):
            rewire(pools)
        assert UserPool(pools, POOL).described() == before

    @pytest.mark.parametrize(
        "fault",
        ["lost_reply", "not_sent", "server_error", "failed_after", "throttled", "killed_before", "killed_after"],
    )
    def test_a_fault_at_any_call_leaves_the_pool_attached_or_as_it_was(self, pools: FakeUserPools, fault: str) -> None:
        before, start = UserPool(pools, POOL).described(), copy.deepcopy(pools.pools)
        place, reached = 0, True
        while reached:
            place, log = place + 1, SiteLog()
            pools.pools = copy.deepcopy(start)
            with contextlib.suppress(CommandFailed, ClientError, BotoCoreError, ProcessKilled):
                rewire(Faulty(pools, lambda call, *_, place=place: fault if call == place else None, log))
            left = {change.setting for change in differences(before, UserPool(pools, POOL).described())}
            assert left in (set(), {"LambdaConfig.PostConfirmation"}), f"{fault} at call {place}"
            reached = sum(log.faulted.values()) > 0
        assert place > 5

    def test_a_pool_that_somebody_else_changed_meanwhile_is_left_alone(self, pools: FakeUserPools) -> None:
        pool = UserPool(pools, POOL)
        rewiring = PoolUpdate(pool, pool.described(), {"PostConfirmation": ALIAS})
        pools.update_user_pool(UserPoolId=POOL)
        with pytest.raises(UsageError, match="somebody else"):
            rewiring.apply()

    def test_an_unknown_pool_is_a_sentence(self, pools: FakeUserPools) -> None:
        with pytest.raises(UsageError, match="no user pool eu-west-1_Nope"):
            UserPool(pools, "eu-west-1_Nope").described()


def test_factors_that_an_update_lost_are_set_again(pools: FakeUserPools) -> None:
    pools.on_update = lambda pool: pools.factors[POOL].clear()
    rewire(pools)
    assert UserPool(pools, POOL).described()[MFA]["SoftwareTokenMfaConfiguration"] == {"Enabled": True}
