"""The sweep and whatever stands in a user pool: nobody's attributes stop the walk for the others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from onramp.domain.identity import canonical_email, usable_sub
from tests.fakes.cognito import STATUSES
from tests.fuzz.strategies import ANY_TEXT, FUZZ, ODD_TEXT
from tests.fuzz.test_trigger import EMAIL, GOOGLE, SUB
from tests.pipeline import USERS, InMemoryPipeline

LAST, LAST_SUB = "zoe@example.com", "a4e8c0d6-1071-70f3-8b2a-6c5d9e3f1b02"
_odd = ODD_TEXT | ANY_TEXT
attributes = st.fixed_dictionaries(
    {"sub": st.just(SUB) | _odd, "email": st.just(EMAIL) | st.emails() | _odd},
    optional={
        "email_verified": st.sampled_from(["true", "false"]) | _odd,
        "identities": st.just(GOOGLE) | _odd,
        "given_name": _odd,
        "family_name": _odd,
        "name": _odd,
        "custom:roles": _odd,
    },
)


@FUZZ
@given(st.lists(st.tuples(attributes, st.sampled_from(sorted(STATUSES))), max_size=4))
def test_whoever_can_be_healed_is_and_the_rest_is_counted(people: list[tuple[dict[str, str], str]]) -> None:
    with InMemoryPipeline() as pipeline:
        for number, (person, status) in enumerate(people):
            pipeline.cognito.add_user(f"user-{number}", person, status)
        pipeline.cognito.add_user("last", {"sub": LAST_SUB, "email": LAST, "email_verified": "true"})
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
