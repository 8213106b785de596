"""The sweep over users with arbitrary attributes: no user stops it for the others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from onramp.domain.identity import canonical_email, usable_sub
from tests.fakes.cognito import STATUSES
from tests.fuzz.strategies import ANY_TEXT, FUZZ, ODD_TEXT
from tests.fuzz.test_trigger import GOOGLE
from tests.pipeline import EMAIL, OTHER_SUB, SUB, USERS, InMemoryPipeline

LAST = "zoe@example.com"
_text = ODD_TEXT | ANY_TEXT
attributes = st.fixed_dictionaries(
    {"sub": st.just(SUB) | _text, "email": st.just(EMAIL) | st.emails() | _text},
    optional={
        "email_verified": st.sampled_from(["true", "false"]) | _text,
        "identities": st.just(GOOGLE) | _text,
        "given_name": _text,
        "family_name": _text,
        "name": _text,
        "custom:roles": _text,
    },
)


@FUZZ
@given(st.lists(st.tuples(attributes, st.sampled_from(sorted(STATUSES))), max_size=4))
def test_every_user_is_healed_or_counted(people: list[tuple[dict[str, str], str]]) -> None:
    with InMemoryPipeline() as pipeline:
        for number, (person, status) in enumerate(people):
            pipeline.cognito.add_user(f"user-{number}", person, status)
        pipeline.cognito.add_user("last", {"sub": OTHER_SUB, "email": LAST, "email_verified": "true"})
        pipeline.clock.advance(3600)
        pipeline.reconcile()
        assert any("ReconcileCompleted" in line for line in pipeline.log_lines())
        (swept,) = (line["found"] for line in pipeline.log_lines() if line.get("message") == "swept")
        assert sum(swept.values()) == len(people) + 1
        users = pipeline.dynamodb.rows(USERS)
        assert LAST in {user["userId"] for user in users}
        assert all(user["userId"] == canonical_email(user["userId"]) for user in users)
        assert all(usable_sub(user["cognitoSub"]) and user["roles"] == ["team_member"] for user in users)
        assert len({user["cognitoSub"] for user in users}) == len(users)
