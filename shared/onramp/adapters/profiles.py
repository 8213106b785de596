"""The `UserProfiles` table: what a user may edit, the provider ids, and how far each step got.

Status never goes backwards, a provider id is written once, and no replay overwrites a user's own edits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from onramp.adapters.aws import error_code, readable, retryable
from onramp.adapters.items import from_item, get_many, to_values
from onramp.adapters.profile_rows import (
    INTENT,
    NO_INTENT,
    PROVISIONING,
    SAME_INTENT,
    inheritance,
    intent_row,
    not_done,
    profile_from,
)
from onramp.domain.errors import RetryableError
from onramp.domain.users import Intent, Profile, Status, User, display_name

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

INHERIT_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class ProfileTable:
    client: DynamoDBClient
    table: str

    def get(self, sub: str) -> Profile | None:
        """A consistent read."""
        with retryable("profiles_get"):
            reply = self.client.get_item(TableName=self.table, Key={"userId": {"S": sub}}, ConsistentRead=True)
        item = readable("profiles_get", reply).get("Item")
        return profile_from(item) if item else None

    def get_many(self, subs: Sequence[str]) -> dict[str, Profile]:
        """By sub, read consistently; absent ones are left out."""
        return {profile.sub: profile for profile in map(profile_from, get_many(self.client, self.table, subs))}

    def upsert(self, user: User, now: int) -> Profile:
        """Creates the profile where it is absent; of an existing one it changes only `updatedAt`."""
        names = {"givenName": user.names.given_name, "familyName": user.names.family_name}
        once = {
            "email": user.user_id,
            "displayName": display_name(user),
            **{name: value for name, value in names.items() if value is not None},
            "createdAt": now,
            "provisioningStatus": Status.PENDING.value,
            "provisioning": {},
            "preferences": {},
        }
        paths = {name: PROVISIONING if name == "provisioning" else name for name in once}
        assignments = [f"{path} = if_not_exists({path}, :{name})" for name, path in paths.items()]
        values = {f":{name}": value for name, value in once.items()} | {":now": now}
        change = f"SET {', '.join(assignments)}, updatedAt = :now"
        sub = str(user.cognito_sub)
        return self._with_provisioning(sub, self._update(sub, change, values)[1])

    def _with_provisioning(self, sub: str, profile: Profile) -> Profile:
        """Replaces a `provisioning` that another writer made something else than a map: no step could be recorded."""
        if "provisioning" not in profile.unreadable:
            return profile
        condition = f"NOT attribute_type({PROVISIONING}, :map)"
        return self._update(sub, f"SET {PROVISIONING} = :empty", {":empty": {}, ":map": "M"}, condition=condition)[1]

    def mark_ready(self, sub: str, now: int) -> Profile:
        """Unconditional: ready wins over failed."""
        change = "SET provisioningStatus = :ready, updatedAt = :now"
        return self._update(sub, change, {":ready": Status.READY.value, ":now": now})[1]

    def mark_failed(self, sub: str, now: int) -> Profile | None:
        """None where another worker has finished this user meanwhile: then there is no failure to report."""
        marked, profile = self._update(
            sub,
            "SET provisioningStatus = :failed, updatedAt = :now",
            {":failed": Status.FAILED.value, ":now": now, ":ready": Status.READY.value},
            condition="provisioningStatus <> :ready",
        )
        return profile if marked else None

    def save_step(self, sub: str, step: str, record: dict[str, Any], found: Mapping[str, str]) -> Profile:
        """Records a finished step and the ids it found, in one update; a step that is `done` stays as it is.

        Returns the profile after the write. An id without its `done` step is another writer's and is overwritten.
        """
        change = f"SET {PROVISIONING}.#step = :record" + "".join(f", {name} = :{name}" for name in found)
        values = {":record": record, **{f":{name}": value for name, value in found.items()}}
        return self._update_step(sub, step, change, values)

    def note_failure(self, sub: str, step: str, record: dict[str, Any]) -> None:
        """Never overwrites a step that another worker finished meanwhile."""
        self._update_step(sub, step, f"SET {PROVISIONING}.#step = :record", {":record": record})

    def _update_step(self, sub: str, step: str, change: str, values: dict[str, Any]) -> Profile:
        names = {"#step": step, "#state": "state"}
        return self._update(sub, change, {**values, ":done": "done"}, condition=not_done("#step"), names=names)[1]

    def store_first_intent(self, sub: str, intent: Intent) -> Profile:
        """The profile after the write: with this intent, or with the one that another worker stored first."""
        condition = f"{NO_INTENT} AND {not_done('stripe')}"
        return self._store_intent(sub, intent, condition, {":done": "done"}, {"#state": "state"})

    def store_next_intent(self, sub: str, read: Intent, intent: Intent) -> Profile:
        """Replaces exactly the intent that was read: two workers that replace one at once agree on the next."""
        values = {":read": read.epoch, ":key": read.key}
        return self._store_intent(sub, intent, SAME_INTENT, values, {"#key": "key"})

    def _store_intent(
        self, sub: str, intent: Intent, condition: str, values: dict[str, Any], names: dict[str, str]
    ) -> Profile:
        values = {**values, ":intent": intent_row(intent)}
        return self._update(sub, f"SET {PROVISIONING}.{INTENT} = :intent", values, condition=condition, names=names)[1]

    def inherit(self, user: User) -> None:
        """Copies what the record's earlier subs began into the profile of the present one (docs/protocol.md).

        Repeating it does no harm. Raises RetryableError.
        """
        sub = str(user.cognito_sub)
        earlier = dict.fromkeys(reversed(user.linked_before))
        for _ in range(INHERIT_ATTEMPTS):
            items = get_many(self.client, self.table, list(earlier | {sub: None}))
            rows = {row["userId"]: row for row in map(from_item, items)}
            # A sub that was linked before as well is among the earlier ones: it takes nothing over from itself.
            found = [rows[one] for one in earlier if one in rows]
            if (update := inheritance(rows.get(sub, {}), found, user.linked_at or 0)) is None:
                return
            if self._update(sub, update.change, update.values, condition=update.condition, names=update.names)[0]:
                return
        raise RetryableError("profiles_inherit_contended")

    def _update(
        self,
        sub: str,
        change: str,
        values: dict[str, Any],
        *,
        condition: str | None = None,
        names: dict[str, str] | None = None,
    ) -> tuple[bool, Profile]:
        """Whether the condition held, and the profile after the attempt."""
        optional: dict[str, Any] = {"ConditionExpression": condition} if condition else {}
        aliases = {PROVISIONING: "provisioning"} if PROVISIONING in f"{change} {condition}" else {}
        if names or aliases:
            optional["ExpressionAttributeNames"] = {**(names or {}), **aliases}
        with retryable("profiles_update"):
            try:
                reply = self.client.update_item(
                    TableName=self.table,
                    Key={"userId": {"S": sub}},
                    UpdateExpression=change,
                    ExpressionAttributeValues=to_values(values),
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **optional,
                )
            except ClientError as error:
                if error_code(error) != "ConditionalCheckFailedException":
                    raise
                stored: Any = error.response.get("Item")
                return False, profile_from(stored or {"userId": {"S": sub}})
        return True, profile_from(readable("profiles_update", reply)["Attributes"])
