"""REF: the least that a trigger can be with boto3. It has no rules, no log line and no handling of errors."""

import json
import os
import time
from typing import Any

import boto3

dynamodb = boto3.client("dynamodb")
events = boto3.client("events")


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    user = event["request"]["userAttributes"]
    dynamodb.update_item(
        TableName=os.environ["USERS_TABLE_NAME"],
        Key={"userId": {"S": user["email"]}},
        UpdateExpression="SET cognitoSub = :sub, createdAt = if_not_exists(createdAt, :now)",
        ExpressionAttributeValues={":sub": {"S": user["sub"]}, ":now": {"N": str(int(time.time() * 1000))}},
    )
    detail = json.dumps({"userId": user["email"], "sub": user["sub"]})
    bus = os.environ["EVENT_BUS_NAME"]
    events.put_events(Entries=[{"EventBusName": bus, "Source": "ref", "DetailType": "SignedUp", "Detail": detail}])
    return event
