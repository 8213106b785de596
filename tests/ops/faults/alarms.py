"""Faults of the alarms and their topic."""

from __future__ import annotations

from onramp.local.parameters import REGION, STACK_NAME
from tests.ops.faults.planting import Fault, Planting, Undo

TOPIC = f"arn:aws:sns:{REGION}:000000000000:pager"


class AlarmFaults(Planting):
    def _alarms(self) -> list[str]:
        alarms = self.client("cloudwatch").describe_alarms(AlarmNamePrefix=STACK_NAME)["MetricAlarms"]
        return [alarm["AlarmName"] for alarm in alarms]

    def alarms_without_enabled_actions(self) -> Undo:
        self.client("cloudwatch").disable_alarm_actions(AlarmNames=self._alarms())
        return lambda: None

    def deleted_alarm(self) -> Undo:
        names = [name for name in self._alarms() if "ProvisioningDlqAlarm" in name]
        self.client("cloudwatch").delete_alarms(AlarmNames=names)
        return lambda: None

    def changed_alarm(self) -> Undo:
        (alarm,) = (name for name in self._alarms() if "ProvisioningQueueAge" in name)
        (settings,) = self.client("cloudwatch").describe_alarms(AlarmNames=[alarm])["MetricAlarms"]
        known = self.client("cloudwatch").meta.service_model.operation_model("PutMetricAlarm").input_shape.members
        request = {name: value for name, value in settings.items() if name in known}
        self.client("cloudwatch").put_metric_alarm(**request | {"Threshold": 1_000_000.0})
        return lambda: None

    def topic_without_subscription(self) -> Undo:
        sns = self.client("sns")
        (known,) = sns.list_subscriptions_by_topic(TopicArn=TOPIC)["Subscriptions"]
        sns.unsubscribe(SubscriptionArn=known["SubscriptionArn"])
        return lambda: None

    def no_topic(self) -> Undo:
        sns = self.client("sns")
        sns.delete_topic(TopicArn=TOPIC)
        return lambda: None

    def alarm_in_alarm(self) -> Undo:
        name = next(name for name in self._alarms() if "ProviderKeyRejected" in name)
        self.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="planted")
        return lambda: self.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue="OK", StateReason="over")


FAULTS = [
    Fault(
        AlarmFaults.alarms_without_enabled_actions,
        "alarms",
        "warning",
        "22 of 22 alarms",
        "aws cloudwatch enable-alarm",
    ),
    Fault(AlarmFaults.deleted_alarm, "alarms", "trouble", "was deleted by hand", "aws cloudwatch put-metric-alarm"),
    Fault(AlarmFaults.changed_alarm, "alarms", "warning", "Threshold", "aws cloudwatch put-metric-alarm"),
    Fault(AlarmFaults.topic_without_subscription, "alarms", "warning", "no confirmed", "aws sns subscribe"),
    Fault(AlarmFaults.no_topic, "alarms", "trouble", "does not exist", "aws sns create-topic ... aws sns subscribe"),
    Fault(
        AlarmFaults.alarm_in_alarm, "alarms", "trouble", "ProviderKeyRejectedAlarm", "onramp doctor --only", runs=False
    ),
]
