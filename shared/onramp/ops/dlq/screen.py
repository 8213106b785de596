"""Prints dead letters and the reports of the `dlq` commands."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from onramp.domain.users import Profile, User
from onramp.ops.common.dead_letters import DELIVER, POISON, UNKNOWN, Letter
from onramp.ops.common.output import Output
from onramp.ops.common.shell import command
from onramp.ops.common.text import visible
from onramp.ops.common.when import format_duration, format_time
from onramp.ops.dlq.export import letter_row
from onramp.ops.dlq.groups import LetterGroups
from onramp.ops.dlq.redrive_command import RedriveReport

_NEXT = {
    POISON: "onramp dlq export FILE --reason malformed_event, then onramp dlq drop --id {id} --reason-why '...'",
    "linked_to_another_sub": "onramp user relink EMAIL --sub {sub}, if the user was deleted and has come back",
    "unknown_user": "onramp user explain {sub}",
    "unsupported_schema_version": "deploy a worker that knows this version, then onramp dlq redrive --id {id}",
}
_USUAL = "onramp dlq redrive --id {id}, as soon as the cause is mended"
_DELIVERY = "onramp doctor, which looks at queue policy and key; then onramp dlq redrive --id {id}"


def show_groups(out: Output, groups: LetterGroups, now: int, *, reveal: bool) -> None:
    """Two lines per group: a table with this many columns would wrap on most terminals."""
    rows = groups.rows(reveal=reveal)
    if not rows:
        out.line("There are no dead letters.")
        return
    width = len(f"{rows[0]['count']:,}")
    for row in rows:
        group, sample = groups[row["queue"], row["step"], row["reason"]], row["sample"]
        cause = f"{row['queue']}  {row['step']}  {row['reason']}  {_most_common(row['errorCodes'])}"
        out.line(f"{row['count']:>{width},}  {cause}", "bold")
        ages = f"oldest {format_duration(now - group.oldest)}, newest {format_duration(now - group.newest)}"
        example = f"{sample['id'][:8]} {sample['user'] or ''}".rstrip()
        out.line(f"{'':{width}}  {ages}, code {_most_common(row['codeVersions'])}, such as {example}")
    first = rows[0]
    out.line("")
    out.line(command("Show one:       onramp dlq show {}", first["sample"]["id"][:8]))
    out.line(command("Cause mended?   onramp dlq redrive --reason {}", first["reason"]))


def say_held_by_others(out: Output, count: int) -> None:
    """A letter that another reader holds is hidden: a queue that looks empty may not be empty."""
    if count:
        out.say(f"About {count} are held by another reader: look again in two minutes.")


def _most_common(counts: Mapping[str, int]) -> str:
    """The most common key, and how many others there are. `counts` is sorted."""
    others = len(counts) - 1
    return next(iter(counts), "unknown") + (f" (+{others})" if others > 0 else "")


def letter_data(letter: Letter, user: User | None, profile: Profile | None, *, reveal: bool) -> dict[str, Any]:
    return letter_row(letter, reveal=reveal) | {
        "receives": letter.receives,
        "reasonFrom": "the letter" if letter.has_reason else "the profile's step record",
        "owed": user.owed.partition("#")[0] if user and user.owed else None,
        "linkedToThisSub": bool(user and user.cognito_sub == letter.sub),
        "profileStatus": profile.status if profile else None,
        "steps": profile.steps if profile else {},
        "next": next_command(letter, user, profile),
    }


def next_command(letter: Letter, user: User | None, profile: Profile | None) -> str:
    if user and user.cognito_sub == letter.sub and user.owed is None and profile and profile.ready:
        return command("nothing is wrong any more: onramp dlq redrive --id {} removes the letter", letter.id[:8])
    usual = _DELIVERY if letter.step == DELIVER else _USUAL
    return _NEXT.get(letter.reason, usual).format(id=shlex.quote(letter.id[:8]), sub=shlex.quote(str(letter.sub)))


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


def _step_text(record: object) -> str:
    if not isinstance(record, Mapping):
        return visible(record)
    at = record.get("at")
    when = f" at {format_time(at)}" if isinstance(at, int) else ""
    code = f" {record['errorCode']}" if record.get("errorCode") else ""
    return f"{record.get('state')}{code}{when}, attempts {record.get('attempts')}, code {record.get('codeVersion')}"


def show_moved(out: Output, count: int) -> None:
    out.line(f"SQS moved {count}. For the result, run: onramp status")


def show_report(out: Output, report: RedriveReport) -> None:
    if not report.plan.ids:
        poison = report.plan.poison_count
        rest = f" except {poison} malformed_event, which would only fail again: onramp dlq drop" if poison else ""
        out.line(f"There is nothing to redrive{rest}.")
        say_held_by_others(out, report.held_by_others)
        return
    out.facts({name.replace("_", " "): count for name, count in report.summary().items()})
    verified = report.stages.verified
    for title, causes in (("failed again", verified.failed), ("on the way", verified.on_the_way)):
        for (step, code), count in causes.most_common(5):
            out.line(f"  {title}: {count} {step} {code}")
    if report.stages.stopped:
        out.line("Stopped: the other letters are still in the queue. Mend the cause and run this again.")
    elif report.needs_attention:
        out.line("Check with: onramp dlq list. Another run continues with the letters that remain.")
