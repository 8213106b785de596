"""From the bus to the worker: permissions to send, retention, number of receives."""

from __future__ import annotations

import pytest

from onramp.usecases.retries import Backoff
from tests.infrastructure.translation import NO_VALUE, QUEUES, Translation, attribute, if_else, ref

DAY = 86_400


def from_the_rule(queue: str) -> dict[str, object]:
    rule = "SignupNotRecordedRule" if queue.startswith("SignupHeal") else "UserSignedUpRule"
    return {
        "ArnEquals": {"aws:SourceArn": attribute(rule)},
        "StringEquals": {"aws:SourceAccount": ref("AWS::AccountId")},
    }


def statements(template: Translation, queue: str) -> dict[str, dict[str, object]]:
    policy = template[f"{queue}Policy"]
    assert policy["Queues"] == [ref(queue)]
    return {statement["Effect"]: statement for statement in policy["PolicyDocument"]["Statement"]}


def test_the_rule_matches_signups_of_onramp_in_this_account_only(template: Translation) -> None:
    assert template["UserSignedUpRule"]["EventPattern"] == {
        "source": ["onramp.signup"],
        "detail-type": ["UserSignedUp"],
        "account": [ref("AWS::AccountId")],
    }
    assert template["UserSignedUpRule"]["EventBusName"] == ref("EventBus")
    assert template["UserSignedUpRule"]["State"] == "ENABLED"


def test_the_internal_rule_matches_signups_without_a_record_only(template: Translation) -> None:
    """The archive and consumers of `onramp.signup` never see them, see the archive's pattern below."""
    assert template["SignupNotRecordedRule"]["EventPattern"] == {
        "source": ["onramp.internal"],
        "detail-type": ["SignupNotRecorded"],
        "account": [ref("AWS::AccountId")],
    }
    assert template["SignupNotRecordedRule"]["EventBusName"] == ref("EventBus")
    assert template["SignupNotRecordedRule"]["State"] == "ENABLED"


@pytest.mark.parametrize(
    ("rule", "queue", "dlq"),
    [
        ("UserSignedUpRule", "ProvisioningQueue", "EventDeliveryDlq"),
        ("SignupNotRecordedRule", "SignupHealQueue", "SignupHealDlq"),
    ],
)
def test_undeliverable_events_go_to_their_own_dlq(template: Translation, rule: str, queue: str, dlq: str) -> None:
    (target,) = template[rule]["Targets"]
    assert target["Arn"] == attribute(queue)
    assert target["DeadLetterConfig"] == {"Arn": attribute(dlq)}
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": DAY, "MaximumRetryAttempts": 185}


def test_the_archive_keeps_the_events_for_a_bounded_time(template: Translation) -> None:
    archive = template["EventArchive"]
    assert archive["SourceArn"] == attribute("EventBus")
    assert archive["EventPattern"] == {"source": ["onramp.signup"], "account": [ref("AWS::AccountId")]}
    assert archive["RetentionDays"] == ref("ArchiveRetentionDays")
    assert template.parameters["ArchiveRetentionDays"]["MinValue"] == 1  # 0 means indefinitely
    assert template.parameters["ArchiveRetentionDays"]["MaxValue"] == 365


def test_bus_and_archive_use_the_customer_key(template: Translation) -> None:
    key = if_else("HasDataKey", ref("DataKeyArn"), NO_VALUE)
    assert template["EventBus"]["KmsKeyIdentifier"] == key
    assert template["EventArchive"]["KmsKeyIdentifier"] == key


def test_events_that_an_encrypted_bus_cannot_process_are_kept_without_its_key(template: Translation) -> None:
    assert template["EventBus"]["DeadLetterConfig"] == if_else(
        "HasDataKey", {"Arn": attribute("EventBusDlq")}, NO_VALUE
    )
    for name in ("EventBusDlq", "EventBusDlqPolicy", "EventBusDlqAlarm"):
        assert template.resources[name]["Condition"] == "HasDataKey"
    queue = template["EventBusDlq"]
    assert queue["SqsManagedSseEnabled"] is True
    assert "KmsMasterKeyId" not in queue
    assert queue["MessageRetentionPeriod"] == 14 * DAY
    assert statements(template, "EventBusDlq")["Allow"] == {
        "Sid": "EventsThatTheBusCannotProcess",
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": attribute("EventBusDlq"),
        "Condition": {
            "ArnEquals": {"aws:SourceArn": attribute("EventBus")},
            "StringEquals": {"aws:SourceAccount": ref("AWS::AccountId")},
        },
    }


def test_the_dlq_keeps_a_message_longer_than_its_queue(template: Translation) -> None:
    # A dead letter keeps its original enqueue time.
    assert template["ProvisioningQueue"]["MessageRetentionPeriod"] == 4 * DAY
    assert template["ProvisioningDlq"]["MessageRetentionPeriod"] == 14 * DAY
    assert template["EventDeliveryDlq"]["MessageRetentionPeriod"] == 14 * DAY
    assert template["SignupHealQueue"]["MessageRetentionPeriod"] == 4 * DAY
    assert template["SignupHealDlq"]["MessageRetentionPeriod"] == 14 * DAY


@pytest.mark.parametrize(
    ("queue", "dlq", "receives"),
    [("ProvisioningQueue", "ProvisioningDlq", ref("MaxReceiveCount")), ("SignupHealQueue", "SignupHealDlq", 240)],
)
def test_queue_and_dlq_name_each_other(template: Translation, queue: str, dlq: str, receives: object) -> None:
    assert template[queue]["RedrivePolicy"] == {"deadLetterTargetArn": attribute(dlq), "maxReceiveCount": receives}
    name = template[queue]["QueueName"]["Fn::Sub"]
    arn = f"arn:${{AWS::Partition}}:sqs:${{AWS::Region}}:${{AWS::AccountId}}:{name}"
    assert template[dlq]["RedriveAllowPolicy"] == {
        "redrivePermission": "byQueue",
        "sourceQueueArns": [{"Fn::Sub": arn}],
    }


def test_a_signup_without_a_record_is_tried_for_a_day(template: Translation) -> None:
    receives = template["SignupHealQueue"]["RedrivePolicy"]["maxReceiveCount"]
    assert receives * template.default("VisibilityTimeoutSeconds") == DAY


def test_retries_last_longer_than_a_six_hour_outage(template: Translation) -> None:
    shortest = Backoff(int(template.default("RetryBackoffBaseSeconds")), jitter=lambda: 0.0)
    waits = [shortest.delay(receive, None) for receive in range(1, int(template.default("MaxReceiveCount")))]
    assert sum(waits) > 6 * 3600


@pytest.mark.parametrize("queue", QUEUES)
class TestEveryQueue:
    def test_is_encrypted_with_a_key_that_eventbridge_may_use(self, template: Translation, queue: str) -> None:
        assert template[queue]["SqsManagedSseEnabled"] == if_else("HasDataKey", NO_VALUE, True)
        assert template[queue]["KmsMasterKeyId"] == if_else("HasDataKey", ref("DataKeyArn"), NO_VALUE)

    def test_refuses_requests_without_tls(self, template: Translation, queue: str) -> None:
        denied = statements(template, queue)["Deny"]
        assert denied["Principal"] == "*"
        assert denied["Action"] == "sqs:*"
        assert denied["Resource"] == attribute(queue)
        assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}

    def test_only_the_rule_may_send(self, template: Translation, queue: str) -> None:
        allowed = statements(template, queue).get("Allow")
        if queue == "ProvisioningDlq":  # SQS and the worker send to it, with their own permissions
            assert allowed is None
        else:
            assert allowed == {
                "Sid": allowed and allowed["Sid"],
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": attribute(queue),
                "Condition": from_the_rule(queue),
            }
