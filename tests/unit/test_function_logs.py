"""The log lines and metrics by which an operator follows one user: outcome and sub, nothing personal."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pipeline import EMAIL, POOL, SUB, InMemoryPipeline, signup


def lines(pipeline: InMemoryPipeline, message: str) -> list[dict[str, Any]]:
    return [line for line in pipeline.log_lines() if line.get("message") == message]


def sign_in(pipeline: InMemoryPipeline, **attributes: Any) -> None:
    pipeline.invoke_trigger(signup(EMAIL, SUB, **attributes) | {"triggerSource": "PostAuthentication_Authentication"})


def test_a_signup_is_logged_with_its_outcome(pipeline: InMemoryPipeline) -> None:
    pipeline.sign_up(EMAIL, SUB)
    (line,) = lines(pipeline, "signed up")
    assert (line["outcome"], line["sub"], line.get("emit_error")) == ("created", SUB, None)
    assert (pipeline.metric("SignedUp"), pipeline.metric("EmitFailed")) == (1, None)


def test_a_retried_signup_is_not_counted_again(pipeline: InMemoryPipeline) -> None:
    pipeline.inject_faults("events", "throttled")
    pipeline.sign_up(EMAIL, SUB)
    pipeline.sign_up(EMAIL, SUB)
    assert [line["outcome"] for line in lines(pipeline, "signed up")] == ["created", "retried"]
    assert sum("SignedUp" in line for line in pipeline.log_lines()) == 1
    assert sum("EmitFailed" in line for line in pipeline.log_lines()) == 2


def test_a_healed_sign_in_is_logged_and_counted(pipeline: InMemoryPipeline) -> None:
    sign_in(pipeline)
    (line,) = lines(pipeline, "sign-in of a user without a record")
    assert (line["outcome"], line["sub"]) == ("healed", SUB)
    assert pipeline.metric("Healed") == 1


def test_a_sign_in_of_a_user_with_a_record_is_not_logged(pipeline: InMemoryPipeline) -> None:
    pipeline.sign_up(EMAIL, SUB)
    before = len(pipeline.log_lines())
    sign_in(pipeline)
    assert len(pipeline.log_lines()) == before


def test_a_sign_in_that_heals_nothing_is_logged_and_not_counted(pipeline: InMemoryPipeline) -> None:
    pipeline.sign_up("old@example.com", SUB)
    sign_in(pipeline)
    (line,) = lines(pipeline, "sign-in of a user without a record")
    assert (line["outcome"], pipeline.metric("Healed")) == ("email_changed", None)


def test_a_refused_sign_in_is_logged_with_its_cause_and_not_counted(pipeline: InMemoryPipeline) -> None:
    sign_in(pipeline, email_verified="false")
    (line,) = lines(pipeline, "sign-in of a refused user")
    assert line["sub"] == SUB
    assert pipeline.metric("SignupRejected") is None


def test_a_refused_signup_is_logged_with_its_cause_and_counted(pipeline: InMemoryPipeline) -> None:
    with pytest.raises(Exception, match="could not complete"):
        pipeline.sign_up(EMAIL, SUB, email_verified="false")
    (line,) = lines(pipeline, "signup rejected")
    assert (line["sub"], pipeline.metric("SignupRejected")) == (SUB, 1)


def test_a_failed_write_is_counted_by_its_code(pipeline: InMemoryPipeline) -> None:
    pipeline.inject_faults("dynamodb", "throttled")
    with pytest.raises(Exception, match="could not complete"):
        pipeline.sign_up(EMAIL, SUB)
    (line,) = lines(pipeline, "record not written")
    assert line["code"] == "users_update_ThrottlingException"
    assert pipeline.metric("SignupFailed") == 1


def test_a_message_is_logged_with_its_outcome(pipeline: InMemoryPipeline) -> None:
    pipeline.sign_up(EMAIL, SUB)
    pipeline.run_worker()
    (line,) = lines(pipeline, "provisioned")
    assert line["sub"] == SUB


def test_a_sweep_is_logged_with_what_it_found(pipeline: InMemoryPipeline) -> None:
    standard = {"sub": SUB, "email": EMAIL, "email_verified": "true"}
    pipeline.cognito.add_user(SUB, standard)
    pipeline.cognito.add_user("guest", {"sub": "x"}, "UNCONFIRMED")
    pipeline.clock.advance(3600)
    pipeline.reconcile()
    (line,) = lines(pipeline, "swept")
    assert {label: count for label, count in line["found"].items() if count} == {"healed": 1, "not_confirmed": 1}
    (owed,) = lines(pipeline, "owed")
    assert (sum(owed["owed"].values()), owed["oldest_owed_seconds"], owed["held_back"]) == (0, 0, 0)
    assert POOL not in str(line)
