"""The promises of a deployed stack, each tested from outside. Each function returns what it saw, or raises Broken."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from onramp.adapters.aws import error_code
from onramp.domain.event_data import delivery, user_signed_up
from onramp.domain.users import Claim, Names
from onramp.ops.common.dead_letters import POISON, PROVISIONING, Letter
from onramp.ops.common.letter_removal import LetterRemoval
from onramp.ops.common.queue_reader import QueueReader
from onramp.ops.common.shell import command
from onramp.ops.tables.users import PreCreatedUser
from onramp.ops.verify.pool_users import Refusal, SyntheticUser
from onramp.ops.verify.stored import is_provisioned, record_row, state_of
from onramp.ops.verify.wiring import PREFIX, VerifyWiring

REFUSED = "UserLambdaValidationException"
UNKNOWN_USER = "unknown_user"
EMIT_DUE_MILLIS = 300_000
LETTER_POLL_SECONDS = 2.0


class Broken(Exception):
    """What was seen instead of the promise."""


def signup(wiring: VerifyWiring) -> str:
    """A confirmed user gets a record, an event and a profile, and nothing stays owed."""
    user = wiring.user("signup")
    sub = _sign_up(wiring, user)
    _erase_later(wiring, user.email, sub)
    _open_tap(wiring, sub)
    wiring.pool.mark_verified(user)
    start = wiring.monotonic()
    wiring.pool.confirm(user)
    record = wiring.users.get(user.email)
    if record is None or record.cognito_sub != sub:
        raise Broken("the confirmation succeeded, and there is no record of the user.")
    times = {"record": wiring.monotonic() - start}
    for kind in ("UserSignedUp", "UserProvisioned"):
        if not wiring.wait_for(partial(wiring.tap.has, kind)):
            raise Broken(f"{kind} did not arrive on the bus; {state_of(wiring, user.email, sub)}")
        times[kind] = wiring.monotonic() - start
    if not wiring.wait_for(partial(is_provisioned, wiring, user.email, sub)):
        raise Broken(state_of(wiring, user.email, sub))
    times["nothing owed"] = wiring.monotonic() - start
    return ", ".join(f"{name} after {seconds:.1f} s" for name, seconds in times.items()) + "."


def takeover(wiring: VerifyWiring) -> str:
    """A user who did not verify the address cannot take a pre-created record."""
    user = wiring.user("takeover")
    roles = (wiring.parameters["AllowedRoles"].split(",")[0].strip(),)
    wiring.cleanup.add(
        f"record of {user.email}", command("onramp user forget {}", user.email), partial(_delete, wiring, user)
    )
    wiring.records.pre_create(PreCreatedUser(user.email, roles), wiring.now())
    before = record_row(wiring, user)
    sub = _sign_up(wiring, user)
    at = wiring.now()
    try:
        wiring.pool.confirm(user)
    except ClientError as error:
        if error_code(error) != REFUSED:
            raise
        wiring.refusals.append(Refusal(user, sub, error_code(error), at))
    else:
        raise Broken("an unverified user was confirmed without an error.")
    if record_row(wiring, user) != before:
        raise Broken("the pre-created record was changed.")
    return "the unverified user was refused, and the pre-created record is unchanged."


def poison(wiring: VerifyWiring) -> str:
    """A message that is no event is dead-lettered with its reason, and can be dropped."""
    marker = f"{PREFIX}-{wiring.run}-poison"
    _drop_later(wiring, marker, command("onramp dlq drop --reason {} --reason-why {}", POISON, "onramp verify"))
    start = wiring.monotonic()
    wiring.sqs.send_message(QueueUrl=wiring.outputs["ProvisioningQueueUrl"], MessageBody=json.dumps({"any": marker}))
    letter = _dead_letter(wiring, marker)
    if letter.reason != POISON:
        raise Broken(f"the reason of its dead letter is {letter.reason}, not {POISON}.")
    seconds = wiring.monotonic() - start
    if not _removal(wiring).run([marker]):
        raise Broken("the dead letter could not be dropped.")
    return f"dead-lettered after {seconds:.1f} s as {letter.reason} ({letter.error_code}), then dropped."


def redrive(wiring: VerifyWiring) -> str:
    """A dead letter whose cause was repaired is redriven, and the user is provisioned.

    The message comes before the record, so it is refused; then the record is written without its event.
    """
    user, sub = wiring.user("redrive"), str(uuid.uuid4())
    _erase_later(wiring, user.email, sub)
    claim = _claim(wiring, user, sub)
    event = user_signed_up(claim.as_new_user(), correlation_id=f"verify-{wiring.run}")
    wiring.sqs.send_message(
        QueueUrl=wiring.outputs["ProvisioningQueueUrl"], MessageBody=json.dumps(delivery(event), separators=(",", ":"))
    )
    letter = _dead_letter(wiring, sub)
    if letter.reason != UNKNOWN_USER:
        raise Broken(f"the reason of its dead letter is {letter.reason}, not {UNKNOWN_USER}.")
    wiring.users.claim(claim)
    counts: Mapping[str, Any] = wiring.redrive("--user", user.email, "--wait", str(round(wiring.patience)), "--yes")[
        "counts"
    ]
    if counts["repaired"] != 1:
        seen = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise Broken(f"the redrive repaired no user ({seen}); {state_of(wiring, user.email, sub)}")
    if not is_provisioned(wiring, user.email, sub):
        raise Broken(state_of(wiring, user.email, sub))
    return f"refused as {letter.reason}; after the repair one redrive provisioned the user."


PROMISES: Mapping[str, Callable[[VerifyWiring], str]] = {
    "signup": signup,
    "takeover": takeover,
    "poison": poison,
    "redrive": redrive,
}


def _sign_up(wiring: VerifyWiring, user: SyntheticUser) -> str:
    by_hand = command("aws cognito-idp admin-delete-user --user-pool-id {} --username {}", wiring.pool.pool, user.email)
    wiring.cleanup.add(f"pool user {user.email}", by_hand, partial(wiring.pool.delete, user))
    return wiring.pool.sign_up(user)


def _open_tap(wiring: VerifyWiring, sub: str) -> None:
    tap = wiring.tap
    targets = command("aws events remove-targets --ids queue --rule {} --event-bus-name {}", tap.name, tap.bus)
    rule = command("aws events delete-rule --name {} --event-bus-name {}", tap.name, tap.bus)
    queue = command(
        'aws sqs delete-queue --queue-url "$(aws sqs get-queue-url --queue-name {} --output text)"', tap.name
    )
    wiring.cleanup.add(f"queue {tap.name}", queue, tap.delete_queue)
    wiring.cleanup.add(f"rule {tap.name}", f"{targets}; {rule}", tap.delete_rule)
    tap.open(sub)
    if not wiring.wait_for(partial(tap.probe, sub)):
        raise Broken("the temporary rule delivers nothing: the bus may not accept events, or its key not permit it.")


def _erase_later(wiring: VerifyWiring, email: str, sub: str) -> None:
    wiring.cleanup.add(f"user {email} ({sub})", wiring.erase.by_hand(sub), partial(wiring.erase, email, sub))


def _drop_later(wiring: VerifyWiring, marker: str, by_hand: str) -> None:
    wiring.cleanup.add(f"dead letter {marker}", by_hand, partial(_removal(wiring).run, [marker]))


def _delete(wiring: VerifyWiring, user: SyntheticUser) -> None:
    """The pre-created record; where a broken stack has linked it, the linked user."""
    if not wiring.records.delete(user.email, None) and (linked := wiring.users.get(user.email)):
        wiring.erase(user.email, str(linked.cognito_sub))


def _dead_letter(wiring: VerifyWiring, marker: str) -> Letter:
    """Waits for the letter whose body contains `marker`, and leaves it in the queue."""

    def find() -> Letter | None:
        with QueueReader(wiring.dead_letters, [PROVISIONING]) as reader:
            return next((letter for letter in reader if marker in letter.body), None)

    if letter := wiring.wait_for(find, LETTER_POLL_SECONDS):
        return letter
    raise Broken(f"no dead letter arrived within {wiring.patience:.0f} s; the message is still in the queue.")


def _claim(wiring: VerifyWiring, user: SyntheticUser, sub: str) -> Claim:
    """The claim of a native user with a verified address."""
    now = wiring.now()
    return Claim(
        user_id=user.email,
        sub=sub,
        user_pool_id=wiring.pool.pool,
        identity_provider="Cognito",
        email_vouched_by="cognito",
        names=Names(),
        may_link=True,
        at=now,
        due_at=now + EMIT_DUE_MILLIS,
        default_role=wiring.parameters["DefaultRole"],
    )


def _removal(wiring: VerifyWiring) -> LetterRemoval:
    return LetterRemoval(wiring.dead_letters, wiring.sleep, on_wait=lambda hidden: None)
