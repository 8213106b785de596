"""Every transition of docs/protocol.md with its condition: the real adapters over the fake, moto and the emulator."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import pytest

from onramp.adapters.aws import retryable
from onramp.adapters.operations import SweepCheckpoints
from onramp.adapters.owed import OwedLedger
from onramp.adapters.profiles import ProfileTable
from onramp.adapters.users import UserTable
from onramp.domain.errors import RetryableError
from onramp.domain.users import Claim, Intent, Names, Owed, Status, User
from onramp.usecases.signup import Refused, Written
from onramp.usecases.sweep import SweepCheckpoint
from tests.contracts.backends import Backend
from tests.template import tables

AT = 1_790_000_000_000
ROLES = {"L": [{"S": "manager"}, {"S": "admin"}]}


@pytest.fixture(scope="module")
def db(backend: Backend) -> Any:
    return backend.tables({name: tables()[name] for name in ("UsersTable", "UserProfilesTable")})


@pytest.fixture
def users(db: Any) -> UserTable:
    return UserTable(db, "UsersTable")


@pytest.fixture
def owed(db: Any) -> OwedLedger:
    return OwedLedger(db, "UsersTable")


@pytest.fixture
def profiles(db: Any) -> ProfileTable:
    return ProfileTable(db, "UserProfilesTable")


@pytest.fixture
def claim() -> Claim:
    return Claim(
        user_id=f"{uuid.uuid4().hex}@example.com",
        sub=str(uuid.uuid4()),
        user_pool_id="eu-west-1_Pool",
        identity_provider="Cognito",
        email_vouched_by="cognito",
        names=Names("Nia", None, "Nia Newcomer"),
        may_link=True,
        at=AT,
        due_at=AT + 300_000,
        default_role="viewer",
    )


@pytest.fixture
def owing(users: UserTable, claim: Claim) -> User:
    users.claim(claim)
    return stored_user(users, claim)


def stored_user(users: UserTable, of: Claim | User) -> User:
    user = users.get(of.user_id)
    assert user is not None
    return user


def pre_create(db: Any, user_id: str, **more: Any) -> dict[str, Any]:
    item = {"userId": {"S": user_id}, "roles": ROLES, "onboarding": {"S": "pre_created"}, **more}
    db.put_item(TableName="UsersTable", Item=item)
    return item


def stored(db: Any, user_id: str) -> dict[str, Any]:
    reply: dict[str, Any] = db.get_item(TableName="UsersTable", Key={"userId": {"S": user_id}}, ConsistentRead=True)
    return reply["Item"]  # type: ignore[no-any-return]


class TestClaim:
    def test_creates_an_absent_record_and_owes_the_event_in_one_write(self, users: UserTable, claim: Claim) -> None:
        assert users.claim(claim) == Written(before=None)
        assert stored_user(users, claim) == claim.as_new_user()
        assert stored_user(users, claim).owes(Owed.EMIT)
        assert stored_user(users, claim).roles == ("viewer",)

    def test_links_a_pre_created_record_and_keeps_its_values(self, db: Any, users: UserTable, claim: Claim) -> None:
        prepared = pre_create(db, claim.user_id, givenName={"S": "Mara"}, createdAt={"N": "5"}, team={"S": "x"})
        before = stored_user(users, claim)
        assert users.claim(claim) == Written(before)
        assert stored_user(users, claim) == before.linked_to(claim)
        assert {name: stored(db, claim.user_id)[name] for name in prepared} == prepared

    def test_a_record_without_roles_gets_the_default_role(self, db: Any, users: UserTable, claim: Claim) -> None:
        db.put_item(TableName="UsersTable", Item={"userId": {"S": claim.user_id}, "onboarding": {"S": "pre_created"}})
        assert stored_user(users, claim).roles == ()
        written = users.claim(claim)
        assert isinstance(written, Written)
        assert written.before is not None
        assert stored_user(users, claim) == written.before.linked_to(claim)
        assert stored_user(users, claim).roles == ("viewer",)

    @pytest.mark.parametrize("may_link", [True, False])
    def test_never_over_another_sub(self, db: Any, users: UserTable, claim: Claim, may_link: bool) -> None:
        users.claim(claim)
        before = stored(db, claim.user_id)
        other = replace(claim, sub=str(uuid.uuid4()), may_link=may_link, at=AT + 9)
        assert users.claim(other) == Refused(claim.as_new_user())
        assert stored(db, claim.user_id) == before

    def test_without_may_link_a_pre_created_record_is_unchanged(self, db: Any, users: UserTable, claim: Claim) -> None:
        prepared = pre_create(db, claim.user_id)
        refused = users.claim(replace(claim, may_link=False))
        assert isinstance(refused, Refused)
        assert refused.existing.cognito_sub is None
        assert stored(db, claim.user_id) == prepared

    def test_a_repeated_write_finds_its_own_sub_and_owes_nothing_again(
        self, users: UserTable, owed: OwedLedger, claim: Claim
    ) -> None:
        users.claim(claim)
        owed.settle(stored_user(users, claim))
        settled = stored_user(users, claim)
        assert users.claim(replace(claim, at=AT + 1)) == Refused(settled)
        assert stored_user(users, claim) == settled
        assert settled.owed is None


class TestWhatIsOwed:
    def test_emit_becomes_enrich_with_a_new_due_time(self, users: UserTable, owed: OwedLedger, owing: User) -> None:
        owed.flip_to_enrich(owing, AT + 7)
        flipped = stored_user(users, owing)
        assert flipped.owes(Owed.ENRICH)
        assert (flipped.owed_since, flipped.due_at) == (owing.owed_since, AT + 7)
        assert str(flipped.owed)[-1] == str(owing.owed)[-1], "the shard stays"

    def test_a_slow_worker_cannot_make_a_provisioned_user_owe(
        self, users: UserTable, owed: OwedLedger, owing: User
    ) -> None:
        owed.settle(owing)
        settled = stored_user(users, owing)
        owed.flip_to_enrich(owing, AT + 7)
        owed.hand_to_operator(owing)
        assert stored_user(users, owing) == settled

    def test_a_slow_worker_does_not_replace_operator(self, users: UserTable, owed: OwedLedger, owing: User) -> None:
        owed.hand_to_operator(owing)
        owed.flip_to_enrich(owing, AT + 7)
        assert stored_user(users, owing).owes(Owed.OPERATOR)

    @pytest.mark.parametrize("flipped_meanwhile", [False, True])
    def test_operator_replaces_emit_and_enrich(
        self, users: UserTable, owed: OwedLedger, owing: User, flipped_meanwhile: bool
    ) -> None:
        if flipped_meanwhile:
            owed.flip_to_enrich(owing, AT + 7)
        owed.hand_to_operator(owing)
        assert stored_user(users, owing).owes(Owed.OPERATOR)

    def test_success_removes_operator_too(self, users: UserTable, owed: OwedLedger, owing: User) -> None:
        owed.hand_to_operator(owing)
        owed.settle(owing)
        settled = stored_user(users, owing)
        assert (settled.owed, settled.owed_since, settled.due_at) == (None, None, None)

    @pytest.mark.parametrize("settled", [False, True])
    def test_many_return_to_enrich_except_a_settled_one(
        self, users: UserTable, owed: OwedLedger, claim: Claim, settled: bool
    ) -> None:
        """In one transaction; if that is cancelled because of one record, one by one."""
        users_read = []
        for number in range(3):
            one = replace(claim, user_id=f"{number}.{claim.user_id}", sub=str(uuid.uuid4()))
            users.claim(one)
            owed.hand_to_operator(stored_user(users, one))
            users_read.append(stored_user(users, one))
        others, last = users_read[:2], users_read[2]
        if settled:
            owed.settle(last)
        returned = owed.return_all_to_enrich(users_read, AT + 7)
        assert returned == {user.cognito_sub for user in (others if settled else users_read)}
        assert [
            (stored_user(users, user).owes(Owed.ENRICH), stored_user(users, user).due_at) for user in others
        ] == 2 * [(True, AT + 7)]
        assert stored_user(users, last).owes(Owed.ENRICH) is not settled

    def test_a_relinked_record_is_unchanged(self, users: UserTable, owed: OwedLedger, owing: User) -> None:
        former = replace(owing, cognito_sub=str(uuid.uuid4()))
        assert owed.return_all_to_enrich([former], AT + 7) == frozenset()
        owed.flip_to_enrich(former, AT + 7)
        owed.hand_to_operator(former)
        owed.settle(former)
        assert stored_user(users, owing) == owing

    def test_a_deleted_record_is_not_created_again_in_part(
        self, db: Any, users: UserTable, owed: OwedLedger, owing: User
    ) -> None:
        db.delete_item(TableName="UsersTable", Key={"userId": {"S": owing.user_id}})
        owed.flip_to_enrich(owing, AT + 7)
        owed.hand_to_operator(owing)
        owed.settle(owing)
        assert users.get(owing.user_id) is None


class TestProfile:
    def test_is_created_once_and_keeps_the_users_edits(self, db: Any, profiles: ProfileTable, owing: User) -> None:
        sub = str(owing.cognito_sub)
        made = profiles.upsert(owing, AT)
        assert (made.status, made.display_name) == (Status.PENDING, "Nia Newcomer")
        db.update_item(
            TableName="UserProfilesTable",
            Key={"userId": {"S": sub}},
            UpdateExpression="SET displayName = :mine",
            ExpressionAttributeValues={":mine": {"S": "N."}},
        )
        assert profiles.upsert(owing, AT + 1).display_name == "N."

    def test_its_status_never_goes_backwards(self, profiles: ProfileTable, owing: User) -> None:
        sub = profiles.upsert(owing, AT).sub
        assert profiles.mark_failed(sub, AT)
        assert profiles.upsert(owing, AT).status == Status.FAILED
        assert profiles.mark_ready(sub, AT).ready
        assert not profiles.mark_failed(sub, AT)
        assert profiles.upsert(owing, AT).ready

    def test_an_id_is_written_once(self, profiles: ProfileTable, owing: User) -> None:
        sub = profiles.upsert(owing, AT).sub
        first = profiles.save_step(sub, "stripe", {"state": "done"}, {"stripeCustomerId": "cus_1"})
        second = profiles.save_step(sub, "stripe", {"state": "done"}, {"stripeCustomerId": "cus_2"})
        assert first.stripe_customer_id == second.stripe_customer_id == "cus_1"
        assert second.done("stripe")

    def test_a_failure_does_not_replace_a_finished_step(self, profiles: ProfileTable, owing: User) -> None:
        sub = profiles.upsert(owing, AT).sub
        profiles.note_failure(sub, "stripe", {"state": "retrying", "attempts": 1})
        assert not profiles.upsert(owing, AT).done("stripe")
        profiles.save_step(sub, "stripe", {"state": "done"}, {})
        profiles.note_failure(sub, "stripe", {"state": "retrying", "attempts": 2})
        assert profiles.upsert(owing, AT).done("stripe")

    def test_reading_an_absent_profile(self, profiles: ProfileTable) -> None:
        assert profiles.get(str(uuid.uuid4())) is None


class TestIntent:
    FIRST = Intent(1, "key/1", AT, {"email": "nia@example.com", "metadata": {"cognitoSub": "x"}})
    NEXT = replace(FIRST, epoch=2, key="key/2")

    @pytest.fixture
    def sub(self, profiles: ProfileTable, owing: User) -> str:
        return profiles.upsert(owing, AT).sub

    def test_the_first_one_is_kept(self, profiles: ProfileTable, sub: str) -> None:
        assert profiles.store_first_intent(sub, self.FIRST).intent == self.FIRST
        assert profiles.store_first_intent(sub, replace(self.FIRST, created_at=AT + 5)).intent == self.FIRST

    def test_none_is_stored_if_there_is_an_id(self, profiles: ProfileTable, sub: str) -> None:
        profiles.save_step(sub, "stripe", {"state": "done"}, {"stripeCustomerId": "cus_1"})
        profile = profiles.store_first_intent(sub, self.FIRST)
        assert (profile.intent, profile.stripe_customer_id) == (None, "cus_1")

    def test_the_next_epoch_replaces_only_the_one_that_was_read(self, profiles: ProfileTable, sub: str) -> None:
        profiles.store_first_intent(sub, self.FIRST)
        assert profiles.store_next_intent(sub, self.FIRST, self.NEXT).intent == self.NEXT
        assert profiles.store_next_intent(sub, self.FIRST, replace(self.NEXT, key="other")).intent == self.NEXT


class TestSweepCheckpoint:
    POOL = "eu-west-1_Pool"

    @pytest.fixture
    def checkpoints(self, backend: Backend) -> SweepCheckpoints:
        # Its own table: the emulator lives longer than this module.
        name = f"Sweeps-{uuid.uuid4().hex}"
        return SweepCheckpoints(backend.tables({name: tables()["OperationsTable"]}), name)

    def test_an_absent_one_is_the_start_of_a_sweep(self, checkpoints: SweepCheckpoints) -> None:
        assert checkpoints.load(self.POOL) == SweepCheckpoint()

    @pytest.mark.parametrize("token", [None, "page-2"])
    def test_the_last_saved_is_loaded(self, checkpoints: SweepCheckpoints, token: str | None) -> None:
        checkpoints.save(self.POOL, SweepCheckpoint("page-1", {"healed": 1}))
        checkpoints.save(self.POOL, saved := SweepCheckpoint(token, {"healed": 2, "has_record": 58}, 1, 2))
        assert checkpoints.load(self.POOL) == saved
        assert checkpoints.load("eu-west-1_Other") == SweepCheckpoint()


def test_an_error_of_aws_is_retryable_and_has_its_code(db: Any) -> None:
    with pytest.raises(RetryableError, match="users_get_ResourceNotFoundException"):
        UserTable(db, "no-such-table").get("nia@example.com")
    with pytest.raises(RetryableError, match="x_ResourceNotFoundException"), retryable("x"):
        db.get_item(TableName="no-such-table", Key={"userId": {"S": "x"}})
