"""Faults of the providers' keys."""

from __future__ import annotations

from onramp.local.fakes import revenuecat, stripe
from tests.ops.faults.planting import Fault, Planting, Undo

STRIPE, REVENUECAT = "/doctor/stripe", "/doctor/revenuecat"
KEYS = {"stripe": stripe.LOCAL_KEY, "revenuecat": revenuecat.LOCAL_KEY}


class SecretFaults(Planting):
    def put_secret(self, name: str, value: str, kind: str = "SecureString") -> None:
        self.client("ssm").delete_parameter(Name=name)
        self.client("ssm").put_parameter(Name=name, Value=value, Type=kind)

    def missing_key(self) -> Undo:
        self.client("ssm").delete_parameter(Name=STRIPE)
        return lambda: None

    def revoked_key(self) -> Undo:
        self.put_secret(STRIPE, "sk_test_revoked")
        return lambda: None

    def key_of_the_old_api(self) -> Undo:
        self.put_secret(REVENUECAT, revenuecat.LOCAL_V1_KEY)
        return lambda: None

    def unencrypted_key(self) -> Undo:
        self.put_secret(STRIPE, stripe.LOCAL_KEY, "String")
        return lambda: None


FAULTS = [
    Fault(SecretFaults.missing_key, "stripe", "trouble", "no SSM parameter", "aws ssm put-parameter ... --overwrite"),
    Fault(SecretFaults.revoked_key, "stripe", "trouble", "refuses the key", "aws ssm put-parameter"),
    Fault(SecretFaults.key_of_the_old_api, "revenuecat", "trouble", "refuses the key", "aws ssm put-parameter"),
    Fault(
        SecretFaults.unencrypted_key,
        "stripe",
        "trouble",
        "not a SecureString",
        "delete-parameter ... SecureString --value",
    ),
]
