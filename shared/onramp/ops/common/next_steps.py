"""What the commands advise to run next, by state. A test runs each in its state: tests/unit/test_next_steps.py.

A command ends at a comma, a semicolon, two spaces or the end of the text. `{...}` is filled in, quoted for the shell;
words in capitals are the operator's to fill in.
"""

from __future__ import annotations

from onramp.ops.common.shell import command

NEXT_STEPS = {
    # dlq show: one letter
    "letter_settled": "onramp dlq redrive --id {id}, which only removes the letter: nothing is wrong any more",
    "letter_forgotten": "onramp dlq redrive --id {id}, which only removes the letter: the user was erased",
    "letter_of_the_sub_before": (
        "onramp dlq drop --id {id} --reason-why 'sent before the relink', since the record was relinked from this sub"
    ),
    "letter_malformed": (
        "onramp dlq export FILE --id {id}, then fix the producer; then onramp dlq drop --id {id} --reason-why 'WHY'"
    ),
    "letter_of_another_sub": (
        "onramp user relink {email} --sub {sub}, if the user was deleted and has come back;"
        " otherwise onramp dlq drop --id {id} --reason-why 'WHY'"
    ),
    "letter_of_an_unknown_user": (
        "onramp user explain {sub}, and if the user is not to exist: onramp dlq drop --id {id} --reason-why 'WHY'"
    ),
    "letter_of_a_newer_version": "deploy a worker that knows this version, then onramp dlq redrive --id {id}",
    "letter_undelivered": (
        "onramp doctor --only bus --only queues, which checks queue policy and key; then onramp dlq redrive --id {id}"
    ),
    "letter": "onramp dlq redrive --id {id}, as soon as the cause is fixed",
    # dlq list: a group of letters
    "group": "onramp dlq redrive --reason {reason}",
    "group_malformed": "onramp dlq drop --reason {reason} --reason-why 'WHY'",
    "group_to_look_at": "onramp dlq show {id}",
    "no_such_letter": "onramp dlq list, which shows a sample of each group",
    # dlq redrive
    "redriven_with_a_rest": "onramp dlq list; another redrive continues with the letters that remain",
    "move_stopped": "onramp dlq redrive",
    "moved": "onramp status",
    "owed_users": "onramp user list",
    "backfill_forecast": "onramp backfill, without --apply, counts all",
    # users that `operator` is owed to and that have no letter: it was dropped, or has expired
    "owed_without_letter": "onramp dlq redrive --from-table",
    "owed_with_letter": "onramp dlq list",
    "owed_some_with_letter": "onramp dlq list; for users without a letter: onramp dlq redrive --from-table",
    # doctor
    "users_wait_for_a_provider": "onramp user list --waiting-for {step}; for users who failed: onramp dlq list",
    # user explain
    "user_failed": "fix the cause, then: onramp dlq redrive --user {sub}",
    "user_unsettled": "onramp replay --from-table --from {since} --to {until}",
    "user_not_started": "onramp doctor, since the reconciler should have emitted it by now",
    "user_waits_for_a_key": (
        "onramp doctor --only stripe --only revenuecat, which names the key; once it works, provisioning continues"
    ),
    "reference_of_a_user": "onramp user explain {sub}",
    "reference_of_a_failure": (
        "onramp doctor --only pool --only functions; once the cause is fixed, the sweep creates the record"
    ),
    # user heal, relink, pre-create and others
    "record_refused": "onramp user explain {sub}",
    "no_record": "onramp user explain EMAIL, which shows the reason",
    "relinked_meanwhile": "onramp user show EMAIL, which shows the new link",
    "another_record": "onramp user show EMAIL",
    "user_nowhere": "onramp dlq drop --user {user} --reason-why 'WHY', if a dead letter still names the user",
}


def next_step(state: str, **values: object) -> str:
    return command(NEXT_STEPS[state], **values)
