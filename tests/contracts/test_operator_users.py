"""Every write of `onramp user` with its condition: `ops/tables` over the fake, moto and the emulator."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import pytest

from onramp.adapters.items import from_item, to_values
from onramp.adapters.owed import OwedLedger
from onramp.adapters.tombstones import Tombstones
from onramp.adapters.users import UserTable
from onramp.domain.users import Claim, Names, Owed, User
from onramp.ops.tables.erasures import ErasureJournal, ErasureTarget
from onramp.ops.tables.profiles import ProfileWrites
from onramp.ops.tables.users import PreCreatedUser, PreCreation, UserWrites
from tests.contracts.backends import Backend
from tests.fakes import Faulty, SiteLog
from tests.template import tables

AT = 1_790_000_000_000
USERS, PROFILES, OPERATIONS = "OperatorUsers", "OperatorProfiles", "OperatorOperations"
"""Names of this module's own: the other contract tests use the same emulator."""


@pytest.fixture(scope="module")
def db(backend: Backend) -> Any:
    shapes = {USERS: "UsersTable", PROFILES: "UserProfilesTable", OPERATIONS: "OperationsTable"}
    return backend.tables({name: tables()[shape] for name, shape in shapes.items()})


@pytest.fixture
def retried(db: Any) -> Any:
    """A client whose every write is done twice: its first reply is lost, and the SDK repeats it."""
    return Faulty(db, lambda _, __, name: "retried" if name.endswith("_item") else None, SiteLog())


@pytest.fixture
def users(db: Any) -> UserWrites:
    return UserWrites(db, USERS)


@pytest.fixture
def mara() -> PreCreatedUser:
    return PreCreatedUser(f"{uuid.uuid4().hex}@example.com", ("manager", "admin"), "Mara")


@pytest.fixture
def claim(mara: PreCreatedUser) -> Claim:
    return Claim(
        user_id=mara.user_id,
        sub=str(uuid.uuid4()),
        user_pool_id="eu-west-1_Pool",
        identity_provider="Cognito",
        email_vouched_by="cognito",
        names=Names("Mara"),
        may_link=True,
        at=AT,
        due_at=AT + 300_000,
        default_role="team_member",
    )


@pytest.fixture
def linked(db: Any, claim: Claim) -> User:
    """A user who has signed up and is provisioned."""
    table = UserTable(db, USERS)
    table.claim(claim)
    OwedLedger(db, USERS).settle(claim.as_new_user())
    user = table.get(claim.user_id)
    assert user is not None
    return user


def row(db: Any, table: str, key: str) -> dict[str, Any] | None:
    reply = db.get_item(TableName=table, Key={"userId": {"S": key}}, ConsistentRead=True)
    return from_item(reply["Item"]) if "Item" in reply else None


def put(db: Any, table: str, **attributes: Any) -> dict[str, Any]:
    db.put_item(TableName=table, Item=to_values(attributes))
    return attributes


class TestPreCreate:
    def test_creates_an_absent_record_that_owes_nothing(self, db: Any, users: UserWrites, mara: PreCreatedUser) -> None:
        assert users.pre_create(mara, AT) is PreCreation.NEW
        assert row(db, USERS, mara.user_id) == {
            "userId": mara.user_id,
            "roles": ["manager", "admin"],
            "onboarding": "pre_created",
            "givenName": "Mara",
            "createdAt": AT,
            "updatedAt": AT,
        }

    def test_the_same_again_writes_nothing(self, db: Any, users: UserWrites, mara: PreCreatedUser) -> None:
        users.pre_create(mara, AT)
        before = row(db, USERS, mara.user_id)
        assert users.pre_create(mara, AT + 1) is PreCreation.ALREADY
        assert row(db, USERS, mara.user_id) == before

    def test_a_lost_reply_that_is_repeated_creates_one_record(
        self, db: Any, retried: Any, mara: PreCreatedUser
    ) -> None:
        assert UserWrites(retried, USERS).pre_create(mara, AT) is PreCreation.ALREADY
        assert row(db, USERS, mara.user_id) == mara.row(AT)

    def test_another_pre_created_record_stays(self, db: Any, users: UserWrites, mara: PreCreatedUser) -> None:
        users.pre_create(mara, AT)
        before = row(db, USERS, mara.user_id)
        assert users.pre_create(replace(mara, roles=("owner",)), AT + 1) is PreCreation.IN_THE_WAY
        assert row(db, USERS, mara.user_id) == before

    @pytest.mark.parametrize("pre_created", [True, False])
    def test_a_linked_record_stays(
        self, db: Any, users: UserWrites, mara: PreCreatedUser, claim: Claim, pre_created: bool
    ) -> None:
        if pre_created:
            users.pre_create(mara, AT)
        UserTable(db, USERS).claim(claim)
        before = row(db, USERS, mara.user_id)
        assert users.pre_create(mara, AT + 1) is PreCreation.IN_THE_WAY
        assert row(db, USERS, mara.user_id) == before


class TestSetRoles:
    def test_changes_the_roles_and_nothing_else(self, db: Any, users: UserWrites, linked: User) -> None:
        before = row(db, USERS, linked.user_id) or {}
        assert users.set_roles(before, ["admin"], AT + 9, vouch=False)
        assert row(db, USERS, linked.user_id) == before | {"roles": ["admin"], "updatedAt": AT + 9}

    def test_stores_that_the_operator_vouches(self, db: Any, users: UserWrites, linked: User) -> None:
        before = row(db, USERS, linked.user_id) or {}
        assert users.set_roles(before, ["admin"], AT + 9, vouch=True)
        assert (row(db, USERS, linked.user_id) or {})["emailVouchedBy"] == "operator"

    @pytest.mark.parametrize("roles", [{"manager", "admin"}, "manager", None])
    @pytest.mark.parametrize("voucher", ["nobody", None])
    def test_compares_any_type_that_is_stored(
        self, db: Any, users: UserWrites, mara: PreCreatedUser, roles: Any, voucher: Any
    ) -> None:
        attributes = {"roles": roles, "emailVouchedBy": voucher}
        stored = {name: value for name, value in attributes.items() if value is not None}
        before = put(db, USERS, userId=mara.user_id, **stored)
        assert users.set_roles(before, ["admin"], AT, vouch=False)
        assert row(db, USERS, mara.user_id) == before | {"roles": ["admin"], "updatedAt": AT}

    @pytest.mark.parametrize("changed", [{"roles": ["owner"]}, {"emailVouchedBy": "nobody"}])
    def test_is_refused_where_the_record_changed_after_the_read(
        self, db: Any, users: UserWrites, linked: User, changed: dict[str, Any]
    ) -> None:
        read = row(db, USERS, linked.user_id) or {}
        now = put(db, USERS, **(read | changed))
        assert not users.set_roles(read, ["admin"], AT + 9, vouch=True)
        assert row(db, USERS, linked.user_id) == now

    @pytest.mark.parametrize("attribute", ["roles", "emailVouchedBy"])
    def test_is_refused_where_an_attribute_was_added_or_removed_after_the_read(
        self, db: Any, users: UserWrites, linked: User, attribute: str
    ) -> None:
        full = row(db, USERS, linked.user_id) or {}
        without = {name: value for name, value in full.items() if name != attribute}
        for read, now in ((full, without), (without, full)):
            put(db, USERS, **now)
            assert not users.set_roles(read, ["admin"], AT + 9, vouch=False)
            assert row(db, USERS, linked.user_id) == now

    def test_does_not_create_a_deleted_record_again(self, db: Any, users: UserWrites, mara: PreCreatedUser) -> None:
        assert not users.set_roles({"userId": mara.user_id}, ["admin"], AT, vouch=False)
        assert row(db, USERS, mara.user_id) is None

    def test_a_lost_reply_that_is_repeated_is_reported_as_refused(self, db: Any, retried: Any, linked: User) -> None:
        before = row(db, USERS, linked.user_id) or {}
        assert not UserWrites(retried, USERS).set_roles(before, ["admin"], AT + 9, vouch=False)
        assert row(db, USERS, linked.user_id) == before | {"roles": ["admin"], "updatedAt": AT + 9}


class TestRelink:
    @pytest.fixture
    def new(self, claim: Claim) -> Claim:
        """The identity of the same address with another sub."""
        return replace(
            claim, sub=str(uuid.uuid4()), user_pool_id="eu-west-1_Other", identity_provider="Google",
            email_vouched_by="operator", names=Names("Other"), at=AT + 9, due_at=AT + 9,
        )  # fmt: skip

    def test_links_the_new_sub_and_owes_the_event_in_one_write(
        self, db: Any, users: UserWrites, linked: User, new: Claim
    ) -> None:
        assert users.relink(linked, new)
        user = UserTable(db, USERS).get(linked.user_id)
        assert user == replace(linked.linked_to(new), names=linked.names, linked_before=(str(linked.cognito_sub),))
        assert user.owes(Owed.EMIT)
        assert (user.owed_since, user.due_at, user.created_at) == (AT + 9, AT + 9, AT)

    @pytest.mark.parametrize("linked_at", [AT, None], ids=["", "an edit by hand had removed linkedAt"])
    def test_is_refused_where_the_record_was_relinked_meanwhile(
        self, db: Any, users: UserWrites, linked: User, new: Claim, linked_at: int | None
    ) -> None:
        users.relink(linked, new)
        before = row(db, USERS, linked.user_id)
        assert not users.relink(replace(linked, linked_at=linked_at), replace(new, sub=str(uuid.uuid4())))
        assert row(db, USERS, linked.user_id) == before

    def test_is_refused_where_the_record_came_back_to_the_same_sub(
        self, db: Any, users: UserWrites, linked: User, new: Claim
    ) -> None:
        """A -> B -> A after it was read: the chain of subs and `linkedAt` are other than those that were read."""
        users.relink(linked, new)
        again = UserTable(db, USERS).get(linked.user_id)
        assert again is not None
        assert users.relink(again, replace(new, sub=str(linked.cognito_sub)))
        before = row(db, USERS, linked.user_id)
        assert not users.relink(linked, new)
        assert row(db, USERS, linked.user_id) == before

    def test_remembers_every_sub_once_and_is_later_at_any_clock(
        self, db: Any, users: UserWrites, linked: User, new: Claim
    ) -> None:
        first, second = str(linked.cognito_sub), new.sub
        for sub, chain in ((second, (first,)), (first, (first, second)), (second, (first, second))):
            before = UserTable(db, USERS).get(linked.user_id)
            assert before is not None
            assert users.relink(before, replace(new, sub=sub, at=AT - 5))
            after = UserTable(db, USERS).get(linked.user_id)
            assert after is not None
            assert (after.cognito_sub, after.linked_before) == (sub, chain)
            assert (after.linked_at or 0) > (before.linked_at or 0)

    def test_does_not_create_a_deleted_record_again(self, db: Any, users: UserWrites, linked: User, new: Claim) -> None:
        db.delete_item(TableName=USERS, Key={"userId": {"S": linked.user_id}})
        assert not users.relink(linked, new)
        assert row(db, USERS, linked.user_id) is None

    def test_does_not_link_a_pre_created_record(
        self, db: Any, users: UserWrites, mara: PreCreatedUser, linked: User, new: Claim
    ) -> None:
        before = put(db, USERS, **mara.row(AT))
        assert not users.relink(linked, new)
        assert row(db, USERS, mara.user_id) == before

    def test_a_lost_reply_that_is_repeated_links_once_and_is_reported_as_refused(
        self, db: Any, retried: Any, linked: User, new: Claim
    ) -> None:
        assert not UserWrites(retried, USERS).relink(linked, new)
        assert (row(db, USERS, linked.user_id) or {})["cognitoSub"] == new.sub

    def test_the_old_subs_worker_cannot_settle_it(self, db: Any, users: UserWrites, linked: User, new: Claim) -> None:
        users.relink(linked, new)
        OwedLedger(db, USERS).settle(linked)
        user = UserTable(db, USERS).get(linked.user_id)
        assert user is not None
        assert user.owes(Owed.EMIT)


class TestDeleteRecord:
    def test_of_the_sub(self, db: Any, users: UserWrites, linked: User) -> None:
        assert users.delete(linked.user_id, linked.cognito_sub)
        assert row(db, USERS, linked.user_id) is None

    def test_never_of_another_sub(self, db: Any, users: UserWrites, linked: User) -> None:
        before = row(db, USERS, linked.user_id)
        assert not users.delete(linked.user_id, str(uuid.uuid4()))
        assert row(db, USERS, linked.user_id) == before

    def test_pre_created(self, db: Any, users: UserWrites, mara: PreCreatedUser) -> None:
        users.pre_create(mara, AT)
        assert users.delete(mara.user_id, None)
        assert row(db, USERS, mara.user_id) is None

    def test_never_a_record_that_was_linked_meanwhile(self, db: Any, users: UserWrites, linked: User) -> None:
        before = row(db, USERS, linked.user_id)
        assert not users.delete(linked.user_id, None)
        assert row(db, USERS, linked.user_id) == before

    @pytest.mark.parametrize("sub", ["7d1f3a52-90b1-70c4-5e0f-2b8c1a6d4e01", None])
    def test_of_an_absent_record(self, db: Any, users: UserWrites, mara: PreCreatedUser, sub: str | None) -> None:
        assert not users.delete(mara.user_id, sub)
        assert row(db, USERS, mara.user_id) is None

    def test_a_lost_reply_that_is_repeated(self, db: Any, retried: Any, linked: User) -> None:
        assert not UserWrites(retried, USERS).delete(linked.user_id, linked.cognito_sub)
        assert row(db, USERS, linked.user_id) is None


class TestProfile:
    @pytest.fixture
    def profiles(self, db: Any) -> ProfileWrites:
        return ProfileWrites(db, PROFILES)

    @pytest.fixture
    def sub(self) -> str:
        return str(uuid.uuid4())

    def test_delete_and_delete_again(self, db: Any, profiles: ProfileWrites, retried: Any, sub: str) -> None:
        put(db, PROFILES, userId=sub)
        ProfileWrites(retried, PROFILES).delete(sub)
        assert profiles.row(sub) is None
        profiles.delete(sub)
        assert profiles.row(sub) is None


class TestErasureJournal:
    @pytest.fixture
    def journal(self, db: Any) -> ErasureJournal:
        return ErasureJournal(db, OPERATIONS)

    @pytest.fixture
    def target(self, mara: PreCreatedUser) -> ErasureTarget:
        subs = (str(uuid.uuid4()), str(uuid.uuid4()))
        pools = {subs[1]: "eu-west-1_Other"}
        return ErasureTarget(mara.user_id, subs, "eu-west-1_Pool", busy=True, last_work=AT, pools=pools)

    def test_an_open_erasure_is_found_by_its_address_and_by_every_sub(
        self, journal: ErasureJournal, target: ErasureTarget
    ) -> None:
        journal.open(target)
        assert [journal.unfinished(name) for name in (str(target.user_id), *target.subs)] == 3 * [target]
        assert journal.unfinished(str(uuid.uuid4())) is None
        assert journal.unfinished(target.subs[1].upper()) == target, "a sub in capitals is the same sub"
        assert [target.pool_of(sub) for sub in target.subs] == ["eu-west-1_Pool", "eu-west-1_Other"]

    def test_a_record_is_the_targets_own_by_its_sub_or_an_earlier_one(self, target: ErasureTarget) -> None:
        first, second = target.subs
        relinked = User(str(target.user_id), cognito_sub=str(uuid.uuid4()), linked_before=(second,))
        assert [target.owns(User("", cognito_sub=sub)) for sub in (first, second, str(uuid.uuid4()), None)] == [
            True, True, False, False
        ]  # fmt: skip
        assert target.owns(relinked)
        assert replace(target, pre_created=True).owns(User("")), "the record was pre-created when it was found"
        assert target.extended_by(relinked).subs == (relinked.cognito_sub, second, first)

    def test_a_row_of_an_earlier_version_is_read(self, db: Any, journal: ErasureJournal, target: ErasureTarget) -> None:
        old = replace(target, pools={})
        journal.open(old)
        db.update_item(
            TableName=OPERATIONS,
            Key={"pk": {"S": "FORGETTING"}, "sk": {"S": old.key}},
            UpdateExpression="REMOVE pools, preCreated",
        )
        assert journal.unfinished(old.key) == old

    @pytest.mark.parametrize("user_id", ["known", None])
    def test_a_target_may_have_no_subs_or_no_address(
        self, journal: ErasureJournal, target: ErasureTarget, user_id: str | None
    ) -> None:
        part = replace(target, subs=(), pre_created=True) if user_id else replace(target, user_id=None)
        journal.open(part)
        assert journal.unfinished(part.key) == part

    def test_open_and_close_repeated_leave_other_erasures(
        self, journal: ErasureJournal, retried: Any, target: ErasureTarget
    ) -> None:
        other = replace(target, user_id=f"other.{target.user_id}", subs=(str(uuid.uuid4()),))
        journal.open(other)
        ErasureJournal(retried, OPERATIONS).open(target)
        assert journal.unfinished(target.key) == target
        ErasureJournal(retried, OPERATIONS).close(target)
        journal.close(target)
        assert [journal.unfinished(each.key) for each in (target, other)] == [None, other]

    def test_a_tombstone_keeps_the_time_of_the_first_run(
        self, db: Any, journal: ErasureJournal, retried: Any, target: ErasureTarget
    ) -> None:
        first, second = target.subs
        assert ErasureJournal(retried, OPERATIONS).write_tombstones([first], AT) == {first: AT}
        assert journal.write_tombstones(target.subs, AT + 9) == {first: AT, second: AT + 9}
        assert Tombstones(db, OPERATIONS).among([*target.subs, str(uuid.uuid4())]) == set(target.subs)
