"""REF: the least that a trigger can be with boto3. It has no rules, no log line and no handling of errors."""

import os
import time

import boto3

dynamodb = boto3.client("dynamodb")
events = boto3.client("events")


def handler(event, context):
    attributes = event["request"]["userAttributes"]
    now = int(time.time() * 1000)
    dynamodb.update_item(
        TableName=os.environ["USERS_TABLE_NAME"],
        Key={"userId": {"S": attributes["email"]}},
        UpdateExpression="SET cognitoSub = :sub, createdAt = if_not_exists(createdAt, :now)",
        ExpressionAttributeValues={":sub": {"S": attributes["sub"]}, ":now": {"N": str(now)}},
    )
    detail = '{"userId": "%s", "sub": "%s"}' % (attributes["email"], attributes["sub"])
    entry = {
        "EventBusName": os.environ["EVENT_BUS_NAME"],
        "Source": "bench",
        "DetailType": "SignedUp",
        "Detail": detail,
    }
    events.put_events(Entries=[entry])
    return event
