"""The usual style: Powertools' logger, metrics and tracer, a pydantic model of the event, boto3's resource API."""

import os
import time

import boto3
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from pydantic import BaseModel, EmailStr


class UserAttributes(BaseModel):
    sub: str
    email: EmailStr
    name: str | None = None


class Request(BaseModel):
    userAttributes: UserAttributes


class PostConfirmation(BaseModel):
    userPoolId: str
    userName: str
    triggerSource: str
    request: Request


logger = Logger(service="usual")
metrics = Metrics(namespace="Usual", service="usual")
tracer = Tracer(service="usual")
users = boto3.resource("dynamodb").Table(os.environ["USERS_TABLE_NAME"])
events = boto3.client("events")


@metrics.log_metrics
@logger.inject_lambda_context
@tracer.capture_lambda_handler
def handler(event, context):
    user = PostConfirmation.model_validate(event).request.userAttributes
    users.update_item(
        Key={"userId": user.email},
        UpdateExpression="SET cognitoSub = :sub, createdAt = if_not_exists(createdAt, :now)",
        ExpressionAttributeValues={":sub": user.sub, ":now": int(time.time() * 1000)},
    )
    entry = {"EventBusName": os.environ["EVENT_BUS_NAME"], "Source": "bench", "DetailType": "SignedUp"}
    events.put_events(Entries=[entry | {"Detail": user.model_dump_json()}])
    metrics.add_metric(name="SignedUp", unit=MetricUnit.Count, value=1)
    logger.info("signed up")
    return event
