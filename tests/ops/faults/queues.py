"""Faults of the queues."""

from __future__ import annotations

import json

from tests.ops.faults.planting import Fault, Planting, Undo


class QueueFaults(Planting):
    def queue_without_policy(self) -> Undo:
        return self._set_attributes("ProvisioningQueueUrl", Policy='{"Version": "2012-10-17", "Statement": []}')

    def heal_queue_without_policy(self) -> Undo:
        return self._set_attributes("SignupHealQueueUrl", Policy='{"Version": "2012-10-17", "Statement": []}')

    def heal_queue_without_redrive_policy(self) -> Undo:
        return self._set_attributes("SignupHealQueueUrl", RedrivePolicy="")

    def _no_queue(self, output: str) -> Undo:
        self.client("sqs").delete_queue(QueueUrl=self.outputs[output])
        return lambda: None

    def no_heal_queue(self) -> Undo:
        return self._no_queue("SignupHealQueueUrl")

    def no_heal_dlq(self) -> Undo:
        return self._no_queue("SignupHealDlqUrl")

    def no_provisioning_queue(self) -> Undo:
        return self._no_queue("ProvisioningQueueUrl")

    def no_provisioning_dlq(self) -> Undo:
        return self._no_queue("ProvisioningDlqUrl")

    def no_delivery_dlq(self) -> Undo:
        return self._no_queue("EventDeliveryDlqUrl")

    def queue_open_to_everyone(self) -> Undo:
        sqs, url = self.client("sqs"), self.outputs["ProvisioningQueueUrl"]
        policy = json.loads(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"])
        del policy["Statement"][0]["Condition"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
        return lambda: None

    def queue_without_redrive_policy(self) -> Undo:
        sqs, url = self.client("sqs"), self.outputs["ProvisioningQueueUrl"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": ""})
        return lambda: None

    def queue_with_aws_managed_key(self) -> Undo:
        self._set_attributes("EventDeliveryDlqUrl", KmsMasterKeyId="alias/aws/sqs")
        return lambda: None

    def key_without_a_grant(self) -> Undo:
        self.key = self.client("kms").create_key()["KeyMetadata"]["Arn"]
        url = self.outputs["EventDeliveryDlqUrl"]
        self._set_attributes("EventDeliveryDlqUrl", KmsMasterKeyId=self.key)
        managed = {"KmsMasterKeyId": "", "SqsManagedSseEnabled": "true"}
        return lambda: self.client("sqs").set_queue_attributes(QueueUrl=url, Attributes=managed)

    def short_dead_letter_retention(self) -> Undo:
        return self._set_attributes("ProvisioningDlqUrl", MessageRetentionPeriod="86400")


FAULTS = [
    Fault(QueueFaults.queue_without_policy, "queues", "trouble", "may not send", "aws sqs set-queue-attributes"),
    Fault(
        QueueFaults.heal_queue_without_policy, "queues", "trouble", "may not send to SignupHealQueue", "aws sqs set-"
    ),
    Fault(QueueFaults.heal_queue_without_redrive_policy, "queues", "trouble", "SignupHealQueue has no redri", "240"),
    Fault(QueueFaults.no_heal_queue, "queues", "trouble", "no queue SignupHealQueue", "aws sqs create-queue", cures=3),
    Fault(QueueFaults.no_heal_dlq, "queues", "trouble", "no queue SignupHealDlq", "aws sqs create-queue", cures=2),
    Fault(QueueFaults.no_provisioning_queue, "queues", "trouble", "no queue ProvisioningQ", "create-queue", cures=3),
    Fault(
        QueueFaults.no_provisioning_dlq,
        "queues",
        "trouble",
        "no queue ProvisioningDlq",
        "aws sqs create-queue",
        cures=1,
    ),
    Fault(QueueFaults.no_delivery_dlq, "queues", "trouble", "no queue EventDeliveryDlq", "aws sqs create-q", cures=2),
    Fault(QueueFaults.queue_open_to_everyone, "queues", "warning", "every rule of every", "aws sqs set-queue-attrib"),
    Fault(QueueFaults.queue_without_redrive_policy, "queues", "trouble", "no redrive policy", "RedrivePolicy"),
    Fault(QueueFaults.queue_with_aws_managed_key, "queues", "trouble", "alias/aws/sqs", "SqsManagedSseEnabled"),
    Fault(QueueFaults.key_without_a_grant, "queues", "trouble", "may not use the key", "aws kms put-key-policy"),
    Fault(QueueFaults.short_dead_letter_retention, "queues", "trouble", "kept for 1 d", "MessageRetentionPeriod"),
]
