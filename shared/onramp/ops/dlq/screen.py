"""Prints dead letters and the reports of the `dlq` commands."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from onramp.domain.users import Profile, User
from onramp.ops.common.dead_letters import DELIVER, POISON, UNKNOWN, Letter
from onramp.ops.common.next_steps import next_step
from onramp.ops.common.output import Output
from onramp.ops.common.when import format_duration, format_time
from onramp.ops.dlq.export import letter_row
from onramp.ops.dlq.groups import LetterGroups
from onramp.ops.dlq.redrive_command import RedriveReport

_STATE_OF_REASON = {
    POISON: "letter_malformed",
    "linked_to_another_sub": "letter_of_another_sub",
    "unknown_user": "letter_of_an_unknown_user",
    "unsupported_schema_version": "letter_of_a_newer_version",
}
_NOT_REDRIVEN = ("linked_to_another_sub", "unknown_user")
"""Reasons that a redrive repeats as long as the record stays as it is."""


def show_groups(out: Output, groups: LetterGroups, now: int, *, owed: int, reveal: bool) -> None:
    """Two lines per group: a table with this many columns would wrap on most terminals.

    `owed`: to how many users `operator` is owed, counted where there are no letters and no other reader holds any.
    """
    rows = groups.rows(reveal=reveal)
    if not rows:
        out.line("There are no dead letters.")
        show_owed_without_letter(out, owed)
        return
    width = len(f"{rows[0]['count']:,}")
    for row in rows:
        group, sample = groups[row["queue"], row["step"], row["reason"]], row["sample"]
        cause = f"{row['queue']}  {row['step']}  {row['reason']}  {_most_common(row['errorCodes'])}"
        out.line(f"{row['count']:>{width},}  {cause}", "bold")
        ages = f"oldest {format_duration(now - group.oldest)}, newest {format_duration(now - group.newest)}"
        example = f"{sample['id'][:8]} {sample['user'] or ''}".rstrip()
        out.line(f"{'':{width}}  {ages}, code {_most_common(row['codeVersions'])}, such as {example}")
    out.line("")
    out.line(f"Show one:        {next_step('group_to_look_at', id=rows[0]['sample']['id'][:8])}")
    for title, step in group_steps(rows):
        out.line(f"{title:<15}  {step}")


def group_steps(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """For the largest group that a redrive helps, the letters that no redrive helps, and those that ask for a look."""
    redriven = [row for row in rows if row["reason"] not in (POISON, *_NOT_REDRIVEN)]
    if redriven:
        yield "Cause fixed?", next_step("group", reason=redriven[0]["reason"])
    if any(row["reason"] == POISON for row in rows):
        yield "Never redriven:", next_step("group_malformed", reason=POISON)
    for row in rows[1:]:
        if row["reason"] in _NOT_REDRIVEN:
            yield f"{row['reason']}:", next_step("group_to_look_at", id=row["sample"]["id"][:8])


def show_owed_without_letter(out: Output, owed: int) -> None:
    """A dropped or expired letter leaves its user owed: the table still has what the message needs."""
    if owed:
        users = f"{owed:,} user{'s' * (owed != 1)}"
        out.line(f"`operator` is owed to {users} without a letter: {next_step('owed_without_letter')}")


def say_held_by_others(out: Output, count: int) -> None:
    """A letter that another reader holds is hidden: a queue that looks empty may not be empty."""
    if count:
        out.say(f"About {count} are held by another reader: look again in two minutes.")


def _most_common(counts: Mapping[str, int]) -> str:
    """The most common key, and how many others there are. `counts` is sorted."""
    others = len(counts) - 1
    return next(iter(counts), "unknown") + (f" (+{others})" if others > 0 else "")


def letter_data(
    letter: Letter, user: User | None, profile: Profile | None, *, forgotten: bool, reveal: bool
) -> dict[str, Any]:
    """`forgotten`: an operator erased the user of the letter's sub."""
    return letter_row(letter, reveal=reveal) | {
        "receives": letter.receives,
        "reasonFrom": "the letter" if letter.has_reason else "the profile's step record",
        "owed": user.owed.partition("#")[0] if user and user.owed else None,
        "linkedToThisSub": bool(user and user.cognito_sub == letter.sub),
        "profileStatus": profile.status if profile else None,
        "steps": profile.steps if profile else {},
        "next": next_step(
            letter_state(letter, user, profile, forgotten=forgotten),
            id=letter.id[:8],
            sub=letter.sub,
            email=letter.user_id if reveal and letter.user_id else "EMAIL",
        ),
    }


def letter_state(letter: Letter, user: User | None, profile: Profile | None, *, forgotten: bool) -> str:
    """The state of NEXT_STEPS: the record as it is now comes before the reason as it was then."""
    linked = user is not None and user.cognito_sub == letter.sub
    if user and linked and user.owed is None and profile and profile.ready:
        return "letter_settled"
    if user and not linked and letter.sub in user.linked_before:  # after A, B, A the present sub is among them
        return "letter_of_the_sub_before"
    if forgotten and not linked:
        return "letter_forgotten"
    usual = "letter_undelivered" if letter.step == DELIVER else "letter"
    if linked and letter.reason in _NOT_REDRIVEN:
        return usual
    if user and not linked and letter.sub:
        return "letter_of_another_sub"
    return _STATE_OF_REASON.get(letter.reason, usual)


def show_letter(out: Output, letter: Letter, data: Mapping[str, Any], now: int) -> None:
    linked = "" if data["linkedToThisSub"] or data["owed"] is None else " (of another sub)"
    out.facts(
        {
            "id": letter.id,
            "queue": letter.queue,
            "step": letter.step,
            "reason": letter.reason + ("" if letter.has_reason or letter.reason == UNKNOWN else " (from the profile)"),
            "error code": letter.error_code,
            "attempts": letter.attempts,
            "first failed": f"{format_time(letter.failed_at)}, {format_duration(now - letter.failed_at)} ago",
            "in the queue since": format_time(letter.sent_at),
            "code version": letter.code_version,
            "user": data["user"],
            "sub": letter.sub,
            "owed now": f"{data['owed'] or 'nothing'}{linked}",
            "profile now": data["profileStatus"],
            **{f"step {name}": _step_text(record) for name, record in sorted(data["steps"].items())},
            **{name: value for name, value in letter.attributes.items() if name.isupper()},
        }
    )
    out.line("")
    for line in json.dumps(data["body"], indent=2).splitlines():
        out.line(line)
    out.line("")
    out.line(f"Next: {data['next']}")


def _step_text(record: Mapping[str, Any]) -> str:
    when = f" at {format_time(record['at'])}" if "at" in record else ""
    code = f" {record['errorCode']}" if record.get("errorCode") else ""
    return f"{record.get('state')}{code}{when}, attempts {record.get('attempts')}, code {record.get('codeVersion')}"


def show_moved(out: Output, count: int) -> None:
    out.line(f"SQS moved {count}. For the result: {next_step('moved')}")


def show_dropped(out: Output, count: int) -> None:
    out.line(f"Deleted: {count:,}.")
    if count:
        out.line(f"A user who is still owed to the operator can be redriven: {next_step('owed_without_letter')}")


def show_report(out: Output, report: RedriveReport) -> None:
    if not report.plan.ids:
        poison = report.plan.poison_count
        drop = next_step("group_malformed", reason=POISON)
        rest = f", except {poison} {POISON}, which would only fail again: {drop}" if poison else "."
        out.line(f"There is nothing to redrive{rest}")
        show_owed_without_letter(out, 0 if report.held_by_others else report.owed_without_letter)
        say_held_by_others(out, report.held_by_others)
        return
    out.facts({name.replace("_", " "): count for name, count in report.summary().items()})
    verified = report.stages.verified
    for title, causes in (("failed again", verified.failed), ("on the way", verified.on_the_way)):
        for (step, code), count in causes.most_common(5):
            out.line(f"  {title}: {count} {step} {code}")
    if report.stages.stopped:
        out.line("Stopped: the other letters are still in the queue. Fix the cause and run this again.")
    elif report.needs_attention:
        out.line(f"Check with: {next_step('redriven_with_a_rest')}")
