"""The usual style: Powertools' logger, metrics and tracer, a pydantic model of the event, boto3's resource API."""

import os
import time
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from pydantic import BaseModel, Field


class UserAttributes(BaseModel):
    sub: str
    email: str
    name: str | None = None


class Request(BaseModel):
    user_attributes: UserAttributes = Field(alias="userAttributes")


class PostConfirmation(BaseModel):
    user_pool_id: str = Field(alias="userPoolId")
    trigger_source: str = Field(alias="triggerSource")
    request: Request


logger = Logger(service="usual")
metrics = Metrics(namespace="Usual", service="usual")
tracer = Tracer(service="usual")
users = boto3.resource("dynamodb").Table(os.environ["USERS_TABLE_NAME"])
events = boto3.client("events")


@metrics.log_metrics
@logger.inject_lambda_context
@tracer.capture_lambda_handler
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    user = PostConfirmation.model_validate(event).request.user_attributes
    users.update_item(
        Key={"userId": user.email},
        UpdateExpression="SET cognitoSub = :sub, createdAt = if_not_exists(createdAt, :now)",
        ExpressionAttributeValues={":sub": user.sub, ":now": int(time.time() * 1000)},
    )
    bus, detail = os.environ["EVENT_BUS_NAME"], user.model_dump_json()
    events.put_events(Entries=[{"EventBusName": bus, "Source": "usual", "DetailType": "SignedUp", "Detail": detail}])
    metrics.add_metric(name="SignedUp", unit=MetricUnit.Count, value=1)
    logger.info("signed up")
    return event
