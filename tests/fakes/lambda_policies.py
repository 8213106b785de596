"""The resource policies of Lambda's aliases, with the one operation that the reconciler needs: GetPolicy."""

import json
from collections.abc import Mapping, Sequence

from tests.fakes.client import ACCOUNT, Clock, FakeClient, Reply, Request, operation


class FakeLambda(FakeClient):
    service = "lambda"

    def __init__(self, sources: Mapping[str, Sequence[str]], clock: Clock, *, validate: bool = True) -> None:
        """`sources`: by the ARN of an alias, the ARNs of the user pools for which Cognito may invoke it."""
        super().__init__(clock, validate=validate)
        self.sources = dict(sources)

    @operation("FunctionName")
    def get_policy(self, request: Request) -> Reply:
        """An alias without a statement has no policy, which is an error."""
        alias = request["FunctionName"]
        if not (pools := self.sources.get(alias)):
            message = "The resource you requested does not exist."
            raise self.error("get_policy", "ResourceNotFoundException", message)
        statements = [
            {
                "Effect": "Allow",
                "Principal": {"Service": "cognito-idp.amazonaws.com"},
                "Action": "lambda:InvokeFunction",
                "Resource": alias,
                "Condition": {"StringEquals": {"AWS:SourceAccount": ACCOUNT}, "ArnLike": {"AWS:SourceArn": pool}},
            }
            for pool in pools
        ]
        return {"Policy": json.dumps({"Version": "2012-10-17", "Statement": statements}), "RevisionId": "fake"}
