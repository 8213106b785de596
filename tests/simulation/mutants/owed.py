"""The rows of the protocol's first "why each" table: the conditions and the order of each move of what is owed."""

from __future__ import annotations

from typing import Any

from onramp.adapters.users import UserTable
from onramp.domain.users import Claim
from onramp.usecases.signup import Refused, Written
from tests.simulation.edits import Edit, Value
from tests.simulation.mutants.mutant import HOUR, NIA, NIA_AGAIN, ONE_RECEIVE, TWICE, Covered, at, mutant, plan
from tests.simulation.mutants.naive import CLAIM, OWING_NOTHING

LEDGER = "onramp.adapters.owed:OwedLedger"
PROVISION = "onramp.usecases.enrich:Enrich._provision"
GIVE_UP = "onramp.usecases.enrich:Enrich._give_up"
EMIT = "onramp.usecases.reconcile:Reconcile.emit"
PUBLISHED = "self._accepted(self.publisher.publish, users, run, refused)"
SENT = "self._accepted(self.queue.send, claimed, run, refused)"
SETTLE = "    self.ledger.settle(user)\n"
PUBLISH = "    self.publisher.publish(user_provisioned(profile, pool, at=now, correlation_id=correlation))\n"
HAND_OVER = "    self.ledger.hand_to_operator(user)\n"
WITHOUT_SUB = Edit(f"{LEDGER}._request", '"cognitoSub = :sub"', '"(cognitoSub = :sub OR attribute_exists(userId))"')
ALWAYS = "(begins_with(owed, :emit) OR attribute_exists(userId))"
LOST = {"bus-nia-1 deliver": "lost", "bus-nia-2 deliver": "lost"}
A_SLOW = {"worker-nia-1 ProfileTable.mark_ready": 40.0}
B_REFUSED = {"worker-nia-2 RevenueCatSubscribers.ensure": "refused"}
_claim = UserTable.claim


def in_two_writes(self: UserTable, claim: Claim) -> Written | Refused:
    answer = _claim(self, claim)
    if isinstance(answer, Written):
        self.client.update_item(
            TableName=self.table,
            Key={"userId": {"S": claim.user_id}},
            UpdateExpression="SET owed = :owed, owedSince = :now, dueAt = :due",
            ExpressionAttributeValues={
                ":owed": {"S": claim.owed},
                ":now": {"N": str(claim.at)},
                ":due": {"N": str(claim.due_at)},
            },
        )
    return answer


def whole_item(sim: Any, step: Any) -> None:
    """Get, change, put: every write in between is lost."""
    dynamodb, key = sim.clients["dynamodb"], {"userId": {"S": step.args["email"]}}
    item = dynamodb.get_item(TableName="UsersTable", Key=key, ConsistentRead=True)["Item"]
    dynamodb.put_item(TableName="UsersTable", Item=item | {"roles": {"L": [{"S": step.args["role"]}]}})


MUTANTS = (
    mutant(
        "claim_again",
        "1: condition (two calls overlap, the worker finishes, the second call sets `emit` again)",
        Edit(CLAIM, "{'cognitoSub' if claim.may_link else 'userId'}", "nothing"),
        on=plan(at(0, "sign_up", NIA, calls=(0.0, 3.0))),
        only="owed_moves_by_protocol",
    ),
    mutant(
        "roles_by_plain_set",
        "1: if_not_exists(roles)",
        Edit("onramp.adapters.users:_CLAIM", "if_not_exists(#roles, :roles)", ":roles"),
        on=plan(at(0, "pre_create", email=NIA.email, role="manager"), at(9, "sign_up", NIA)),
        only="admin_fields_untouched",
    ),
    mutant(
        "emit_in_a_second_write",
        "1: `emit` in the same write",
        *OWING_NOTHING,
        Value(CLAIM, in_two_writes),
        on=plan(at(0, "sign_up", NIA), faults={"sign_up-1/call-1 signup.SignUp._settle": "killed_before"}),
        by=("settled_only_when_ready", "no_half_records", "both_events_published", "redrives_repair"),
    ),
    mutant(
        "flip_before_emit",
        "3: emit first",
        Edit(EMIT, f"accepted = {PUBLISHED}", "accepted = users"),
        Edit(EMIT, "len(accepted)", f"len({PUBLISHED})"),
        on=plan(
            at(0, "sign_up", NIA),
            at(400, "reconcile"),
            faults={
                "sign_up-1/call-1 EventBus.publish": "not_sent",
                "reconcile-2/run EventBus.publish": "killed_before",
            },
        ),
        only="both_events_published",
    ),
    mutant(
        "flip_any_owed",
        "3, 4: `emit` (A slow, B finishes, A flips)",
        Value("onramp.adapters.owed:_EMIT", ALWAYS),
        on=plan(
            at(0, "sign_up", NIA, **TWICE),
            waits={"worker-nia-1 StripeCustomers.create": 30},
            faults={"worker-nia-1 StripeCustomers.create": "server_error"},
        ),
        only="owed_moves_by_protocol",
    ),
    mutant(
        "flip_hides_the_operators_case",
        "3, 4: `emit` (A slow, B is refused, A flips)",
        Value("onramp.adapters.owed:_EMIT", ALWAYS),
        on=plan(
            at(0, "sign_up", NIA, **TWICE),
            waits={"worker-nia-1 StripeCustomers.create": 30},
            faults={
                "worker-nia-1 StripeCustomers.create": "server_error",
                "worker-nia-2 RevenueCatSubscribers.ensure": "refused",
            },
        ),
        only="owed_moves_by_protocol",
    ),
    mutant(
        "settle_without_sub",
        "3-6: cognitoSub = :sub",
        WITHOUT_SUB,
        on=plan(
            at(0, "sign_up", NIA),
            at(5, "sign_up", NIA_AGAIN),
            at(9, "relink", email=NIA.email, to=NIA_AGAIN),
            waits={"worker-nia-1 OwedLedger.settle": 50},
        ),
        by=("settled_only_when_ready", "both_events_published", "redrives_repair"),
    ),
    mutant(
        "operator_only_from_read_value",
        "5: emit OR enrich",
        Edit(f"{LEDGER}.hand_to_operator", '":emit": "emit#", ":enrich": "enrich#"', '":read": user.owed'),
        Edit(f"{LEDGER}.hand_to_operator", "_EMIT_OR_ENRICH", '"owed = :read"'),
        on=plan(
            at(0, "sign_up", NIA),
            at(305, "reconcile"),
            waits={"bus-nia-1 deliver": 295, "worker-nia-1 ProfileTable.mark_failed": 30},
            faults={"worker-nia-1 RevenueCatSubscribers.ensure": "refused", "bus-nia-2 deliver": "lost"},
        ),
        only="given_up_reaches_operator",
    ),
    mutant(
        "operator_before_dead_letter",
        "5: status and dead letter before the flip",
        Edit(GIVE_UP, HAND_OVER, ""),
        Edit(
            GIVE_UP,
            "    if (profile := self.profiles.mark_failed(sub, now)) is None:\n",
            f"{HAND_OVER}    if (profile := self.profiles.mark_failed(sub, now)) is None:\n",
        ),
        on=plan(at(0, "sign_up", NIA), faults={"worker-nia-1 RevenueCatSubscribers.ensure": "refused"}),
        only="operator_gets_a_reason",
    ),
    mutant(
        "settle_only_read_value",
        "6: any value of owed",
        Edit(
            f"{LEDGER}.settle",
            '"REMOVE owed, owedSince, dueAt"',
            '"REMOVE owed, owedSince, dueAt", "owed = :read", {":read": user.owed}',
        ),
        on=plan(at(0, "sign_up", NIA, **TWICE), waits=A_SLOW, faults=B_REFUSED),
        only="provisioned_owes_nothing",
    ),
    mutant(
        "settle_before_the_event",
        "6: ready, emit, remove",
        Edit(PROVISION, PUBLISH + SETTLE, SETTLE + PUBLISH),
        on=plan(at(0, "sign_up", NIA), faults={"worker-nia-1 EventBus.publish": "killed_before"}),
        only="both_events_published",
    ),
    mutant(
        "settle_before_ready",
        "6: ready, emit, remove",
        Edit(PROVISION, SETTLE, ""),
        Edit(PROVISION, "    profile = self.profiles.mark_ready", SETTLE + "    profile = self.profiles.mark_ready"),
        on=plan(at(0, "sign_up", NIA)),
        only="settled_only_when_ready",
    ),
    mutant(
        "send_before_claim",
        "7: claim, then send",
        Edit(
            "onramp.usecases.reconcile:Reconcile.queue_again",
            "if self._is_due(user) and self._claimed(user)]",
            "if self._is_due(user)]",
        ),
        Edit("onramp.usecases.reconcile:Reconcile.queue_again", f"len({SENT})", f"sum(map(self._claimed, {SENT}))"),
        on=plan(
            at(0, "sign_up", NIA),
            at(400, "reconcile"),
            at(13 * HOUR, "reconcile"),
            at(13 * HOUR, "reconcile"),
            faults=LOST,
        ),
        only="queued_once_a_day",
    ),
    mutant(
        "claim_without_due_condition",
        "7: dueAt = :read (two reconcilers have read the same)",
        Edit(f"{LEDGER}.claim_due", "owed = :read AND dueAt = :was", "(owed = :read OR dueAt = :was)"),
        on=plan(
            at(0, "sign_up", NIA),
            at(400, "reconcile"),
            at(13 * HOUR, "reconcile"),
            at(13 * HOUR, "reconcile"),
            faults=LOST,
        ),
        only="queued_once_a_day",
    ),
    mutant(
        "redrive_any_owed",
        "8: `operator`",
        Edit(
            "tests.simulation.operator_steps:Redrive.flip",
            "begins_with(owed, :operator)",
            "(begins_with(owed, :operator) OR attribute_exists(userId))",
        ),
        on=plan(
            at(0, "sign_up", NIA, **TWICE),
            at(20, "redrive"),
            waits={**A_SLOW, "redrive-2 operator_steps.write": 40},
            faults=B_REFUSED,
        ),
        only="owed_moves_by_protocol",
    ),
    mutant(
        "redrive_from_queue_only",
        "8: from the table too",
        Edit(
            "tests.simulation.operator_steps:redrive_from_table", "for shard in range(SHARDS)", "for shard in range(0)"
        ),
        on=plan(
            at(0, "sign_up", NIA),
            at(99, "empty_dead_letters"),
            faults={"worker-nia-1 RevenueCatSubscribers.ensure": "refused"},
        ),
        only="redrives_repair",
    ),
    mutant(
        "ready_not_healed",
        "9",
        Edit(
            "onramp.usecases.reconcile:Reconcile.heal_ready",
            "if (found := profiles.get(str(user.cognito_sub))) and found.ready",
            "if False",
        ),
        on=plan(
            at(0, "sign_up", NIA, **TWICE),
            waits=A_SLOW,
            faults={**B_REFUSED, "worker-nia-1 EventBus.publish": "killed_before"},
            settings=ONE_RECEIVE,
        ),
        only="every_signup_ends",
    ),
    mutant(
        "admin_puts_whole_item",
        "11, 12: named attributes",
        Value("tests.simulation.user_steps:edit", whole_item),
        on=plan(
            at(0, "pre_create", email=NIA.email, role="manager"),
            at(5, "edit", email=NIA.email, role="admin"),
            at(6, "sign_up", NIA),
            waits={"edit-2 dynamodb.put_item": 60},
        ),
        by=("sub_set_once", "owed_moves_by_protocol"),
    ),
)
COVERED = (
    Covered(
        "retry_always_emits",
        (
            Edit(
                "onramp.usecases.signup:SignUp.__call__",
                "outcome is SignUpOutcome.RETRIED and not (user.owes(Owed.EMIT) and user.is_linked)",
                "False",
            ),
        ),
        plan(at(0, "sign_up", NIA, calls=(0.0, 3.0))),
        "2: the same eventId, at most once for each call of the trigger: consumers deduplicate it",
    ),
)
