"""A Cognito user pool with the two operations of a sweep: ListUsers with its paging, and DescribeUserPool.

pool = FakeCognito("eu-west-1_fake", clock)
pool.add_user("ada", {"sub": "...", "email": "ada@example.com", "email_verified": "true"})
"""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.fakes.client import ACCOUNT, REGION, Clock, FakeClient, Reply, Request, operation

PAGE = 60
STATUSES = {"UNCONFIRMED", "CONFIRMED", "RESET_REQUIRED", "FORCE_CHANGE_PASSWORD", "EXTERNAL_PROVIDER", "UNKNOWN"}
FILTER = re.compile(r"\s*\"?([\w:]+)\"?\s*(\^?=)\s*\"((?:[^\"\\]|\\.)*)\"\s*")


@dataclass
class User:
    username: str
    attributes: dict[str, str] = field(default_factory=dict)
    status: str = "CONFIRMED"
    enabled: bool = True
    created: float = 0
    number: int = 0
    modified: float = 0

    def read(self, name: str) -> str:
        own = {"username": self.username, "cognito:user_status": self.status}
        return own.get(name) or self.attributes.get(name, "")


class FakeCognito(FakeClient):
    service = "cognito-idp"

    def __init__(self, pool_id: str, clock: Clock, *, token_lifetime: float = 3600, validate: bool = True) -> None:
        super().__init__(clock, validate=validate)
        self.pool_id = pool_id
        self.arn = f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/{pool_id}"
        self.triggers: dict[str, str] = {}
        """The pool's LambdaConfig."""
        self.users: dict[str, User] = {}
        self.list_lag = 0.0
        """Seconds after its creation that a user is first listed: ListUsers is eventually consistent."""
        self.empty_page: Callable[[int], bool] = lambda _number: False
        """Whether the page of this call (by its number) is empty although the list continues."""
        self.most_listed = PAGE
        """The largest page: a page may contain fewer users than the request's limit."""
        self.estimated_users: int | None = None
        """DescribeUserPool's estimate; None: the users that were added."""
        self._token_lifetime = token_lifetime
        self._added = 0

    def add_user(self, username: str, attributes: Mapping[str, str], status: str = "CONFIRMED") -> User:
        if status not in STATUSES:
            raise ValueError(f"Cognito has no status {status}")
        with self._lock:
            self._added += 1
            now = self.clock()
            self.users[username] = User(username, dict(attributes), status, True, now, self._added, now)
            return self.users[username]

    def change_user(self, username: str, **attributes: str) -> None:
        with self._lock:
            user = self.users[username]
            user.attributes |= attributes
            user.modified = self.clock()

    @operation("UserPoolId")
    def describe_user_pool(self, request: Request) -> Reply:
        self._check_pool("describe_user_pool", request)
        estimate = len(self.users) if self.estimated_users is None else self.estimated_users
        description = {"Id": self.pool_id, "Arn": self.arn, "EstimatedNumberOfUsers": estimate}
        return {"UserPool": description | {"LambdaConfig": dict(self.triggers)}}

    def _check_pool(self, name: str, request: Request) -> None:
        if request["UserPoolId"] != self.pool_id:
            message = f"User pool {request['UserPoolId']} does not exist."
            raise self.error(name, "ResourceNotFoundException", message)

    @operation("UserPoolId AttributesToGet Limit PaginationToken Filter")
    def list_users(self, request: Request) -> Reply:
        self._check_pool("list_users", request)
        limit = request.get("Limit", PAGE)
        if not 0 <= limit <= PAGE:
            raise self._invalid(f"Value '{limit}' at 'limit' failed to satisfy constraint: at most {PAGE}")
        start = self._start(request["PaginationToken"]) if "PaginationToken" in request else 0
        listed = [user for user in self.users.values() if user.number > start and self._listed(user)]
        page = [] if self.empty_page(self.calls["list_users"]) else listed[: min(limit or PAGE, self.most_listed)]
        matching = [user for user in page if self._matches(user, request.get("Filter", ""))]
        reply: Reply = {"Users": [_described(user, request.get("AttributesToGet")) for user in matching]}
        last = page[-1].number if page else start
        return reply | ({"PaginationToken": self._token(last)} if len(page) < len(listed) else {})

    def _listed(self, user: User) -> bool:
        return user.created + self.list_lag <= self.clock()

    def _invalid(self, message: str) -> Exception:
        return self.error("list_users", "InvalidParameterException", message)

    def _token(self, position: int) -> str:
        return base64.b64encode(f"{position}@{self.clock()}".encode()).decode()

    def _start(self, token: str) -> int:
        try:
            position, issued = base64.b64decode(token, validate=True).decode().split("@")
        except ValueError:
            raise self._invalid("Invalid pagination token given.") from None
        if self.clock() > float(issued) + self._token_lifetime:
            raise self._invalid("Invalid pagination token given.")
        return int(position)

    def _matches(self, user: User, expression: str) -> bool:
        """AWS filters within the page that it has read, so a filtered page may be short or empty."""
        if not expression:
            return True
        match = FILTER.fullmatch(expression)
        if match is None:
            raise self._invalid("One or more parameters are invalid: filter")
        name, comparison, value = match.groups()
        actual, sought = user.read(name), re.sub(r"\\(.)", r"\1", value)
        return actual == sought if comparison == "=" else actual.startswith(sought)


def _described(user: User, names: list[str] | None) -> dict[str, Any]:
    chosen = {name: value for name, value in user.attributes.items() if names is None or name in names}
    return {
        "Username": user.username,
        "Attributes": [{"Name": name, "Value": value} for name, value in chosen.items()],
        "UserCreateDate": datetime.fromtimestamp(user.created, UTC),
        "UserLastModifiedDate": datetime.fromtimestamp(user.modified, UTC),
        "Enabled": user.enabled,
        "UserStatus": user.status,
    }
