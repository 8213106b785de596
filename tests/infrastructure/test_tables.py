"""The three tables: retention, encryption, keys and indexes."""

from __future__ import annotations

import pytest

from tests.infrastructure.translation import NO_VALUE, TABLES, Translation, if_else, ref

INDEXES = {
    "UsersTable": {
        "CognitoSubIndex": (["cognitoSub"], {"ProjectionType": "KEYS_ONLY"}),
        "OwedIndex": (["owed", "dueAt"], {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["owedSince"]}),
    },
    "UserProfilesTable": {"EmailIndex": (["email"], {"ProjectionType": "KEYS_ONLY"})},
    "OperationsTable": {},
}
KEYS = {"UsersTable": ["userId"], "UserProfilesTable": ["userId"], "OperationsTable": ["pk", "sk"]}


def test_there_are_no_others(template: Translation) -> None:
    assert set(template.of_type("AWS::DynamoDB::Table")) == set(TABLES)


@pytest.mark.parametrize("table", TABLES)
class TestEveryTable:
    def test_is_retained_when_the_stack_is_deleted(self, template: Translation, table: str) -> None:
        # A failed first deployment leaves no empty table behind.
        assert template.resources[table]["DeletionPolicy"] == "RetainExceptOnCreate"
        assert template.resources[table]["UpdateReplacePolicy"] == "Retain"
        assert template[table]["DeletionProtectionEnabled"] == if_else("IsProtected", True, False)
        assert template.default("DeletionProtection") == "true"

    def test_can_be_restored_to_any_second(self, template: Translation, table: str) -> None:
        assert template[table]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}

    def test_is_encrypted_with_the_customer_key_if_there_is_one(self, template: Translation, table: str) -> None:
        assert template[table]["SSESpecification"] == {
            "SSEEnabled": True,
            "SSEType": "KMS",
            "KMSMasterKeyId": if_else("HasDataKey", ref("DataKeyArn"), NO_VALUE),
        }

    def test_is_on_demand_and_unnamed(self, template: Translation, table: str) -> None:
        assert template[table]["BillingMode"] == "PAY_PER_REQUEST"
        assert "TableName" not in template[table]

    def test_has_its_keys_and_indexes(self, template: Translation, table: str) -> None:
        properties = template[table]
        found = {
            index["IndexName"]: (names(index["KeySchema"]), index["Projection"])
            for index in properties.get("GlobalSecondaryIndexes", [])
        }
        assert names(properties["KeySchema"]) == KEYS[table]
        assert found == INDEXES[table]

    def test_types_numbers_as_numbers(self, template: Translation, table: str) -> None:
        types = {a["AttributeName"]: a["AttributeType"] for a in template[table]["AttributeDefinitions"]}
        assert types.pop("dueAt", "N") == "N"
        assert set(types.values()) == {"S"}


def names(schema: list[dict[str, str]]) -> list[str]:
    assert [key["KeyType"] for key in schema] == ["HASH", "RANGE"][: len(schema)]
    return [key["AttributeName"] for key in schema]
