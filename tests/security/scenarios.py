"""The work of each function as facts. With a role that lacks a needed grant, at least one fact differs.

The facts are yielded one by one, so that a comparison can stop at the first difference.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from onramp.domain.users import Owed, User
from tests.deployed import eventually, unique_email
from tests.pipeline import signup
from tests.security.stage import Stage, message

Facts = Iterator[tuple[str, Any]]
WITHIN = 5.0
ABSENT = "eu-west-1_Absent"


def post_confirmation(stage: Stage) -> Facts:
    email, sub = unique_email("signup"), str(uuid.uuid4())
    event = signup(email, sub) | {"userPoolId": stage.pool}
    sign_in = event | {"triggerSource": "PostAuthentication_Authentication"}

    stage.invoke("PostConfirmation", event)
    yield "a record", stage.deployed.user(email) is not None
    yield "its event", ("UserSignedUp", sub) in stage.published()
    yield "a sign-in without a failure", "HealFailed" not in stage.invoke("PostConfirmation", sign_in)[1]
    stage.lose_record(email)
    stage.invoke("PostConfirmation", sign_in)
    yield "a lost record healed", stage.deployed.user(email) is not None
    stage.forget(sub, email)
    stage.invoke("PostConfirmation", sign_in)
    yield "a forgotten user left alone", stage.deployed.user(email) is None


def enrich_profile(stage: Stage) -> Facts:
    later, done, refused = stage.new_user(), stage.new_user(), stage.new_user()
    stripe = stage.deployed.stripe
    stripe.fault("server_error", operation="create", match=later.user_id)
    stripe.fault("refused", operation="create", match=refused.user_id)
    stage.drain(stage.queue)
    stage.deployed.sqs.send_message(QueueUrl=stage.queue, MessageBody=message(later))
    (received,) = stage.deployed.sqs.receive_message(QueueUrl=stage.queue)["Messages"]
    yield "a message that must be retried", stage.run_worker(later, received["ReceiptHandle"])

    stage.rotate_keys()
    yield (
        "a user done",
        (stage.run_worker(done), owed(stage, done.user_id), event_kinds(stage, done)),
    )
    stage.rotate_keys()
    yield "a duplicate", stage.run_worker(done)
    relinked = stage.relink(stage.new_user())
    yield "a relinked user", (stage.run_worker(relinked), owed(stage, relinked.user_id))
    stage.forget(str(done.cognito_sub), done.user_id)
    yield (
        "a forgotten user's message",
        (stage.run_worker(done), stage.drain(stage.dead_letter_queue)),
    )
    yield (
        "a refused user",
        (stage.run_worker(refused), owed(stage, refused.user_id), event_kinds(stage, refused)),
    )
    yield "a dead letter", refused.user_id in json.dumps(stage.drain(stage.dead_letter_queue))
    yield "received again after the backoff, not after the visibility timeout", is_received_again(stage)


def heal_signup(stage: Stage) -> Facts:
    lost, erased = unique_email("handed-over"), unique_email("erased")
    lost_sub, erased_sub = stage.deployed.join(lost), stage.deployed.join(erased)
    stage.lose_record(lost)
    stage.forget(erased_sub, erased)
    stage.published()

    yield "a user healed", stage.heal_signup(stage.pool, lost_sub)[0]
    yield "their record", stage.deployed.user(lost) is not None
    yield "their event", ("UserSignedUp", lost_sub) in stage.published()
    yield "a forgotten user", (stage.heal_signup(stage.pool, erased_sub)[0], stage.deployed.user(erased))
    # The second pool does not exist: with the permission, the answer is that it does not.
    yield "another pool", re.findall(r'"code":"(\w+)"', stage.heal_signup(ABSENT, lost_sub)[1])


def reconcile(stage: Stage) -> Facts:
    unpublished, waiting, finished = (stage.new_user(owed) for owed in Owed)
    stage.mark_ready(finished)
    lost, erased = unique_email("lost"), unique_email("erased")
    stage.deployed.join(lost)
    stage.lose_record(lost)
    stage.forget(stage.deployed.join(erased), erased)
    late = stage.new_user()
    stage.bury(str(late.cognito_sub))  # confirmed after the erasure: the trigger wrote a record
    stage.drain(stage.queue), stage.published()

    log = stage.reconcile()
    # The second pool does not exist: with the permission, the answer is that it does not.
    yield "failures", sorted(set(re.findall(r'"code":"(\w+)"', log)))
    published, queued = stage.published(), stage.queued()
    yield (
        "an event emitted again",
        (("UserSignedUp", unpublished.cognito_sub) in published, owed(stage, unpublished.user_id)),
    )
    yield "a user queued again", waiting.cognito_sub in queued
    yield "a ready user queued for the last step", finished.cognito_sub in queued
    yield "a lost user healed", stage.deployed.user(lost) is not None
    yield "a forgotten user left alone", stage.deployed.user(erased) is None
    yield (
        "the record of a forgotten user removed",
        (("UserForgotten", late.cognito_sub) in published, stage.deployed.user(late.user_id)),
    )


SCENARIOS: dict[str, Callable[[Stage], Facts]] = {
    "PostConfirmation": post_confirmation,
    "EnrichProfile": enrich_profile,
    "HealSignup": heal_signup,
    "Reconcile": reconcile,
}


def owed(stage: Stage, email: str) -> str:
    return str((stage.deployed.user(email) or {}).get("owed", "nothing")).partition("#")[0]


def event_kinds(stage: Stage, user: User) -> list[str]:
    return sorted(kind for kind, sub in stage.published() if sub == user.cognito_sub)


def is_received_again(stage: Stage) -> bool:
    try:
        return bool(eventually(lambda: stage.drain(stage.queue), within=WITHIN))
    except AssertionError:
        return False
