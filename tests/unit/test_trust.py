"""Every row of the trust table (docs/architecture.md), and inputs that match no row."""

from __future__ import annotations

import json
from typing import Any

import pytest

from onramp.domain.errors import ConfigurationError
from onramp.domain.trust import TrustPolicy, Vouching

EMAIL = "someone@example.com"
POLICY = TrustPolicy.parse("Contoso@example.com, Anywhere@*", allow_unverified=False)
ALLOW_UNVERIFIED = TrustPolicy.parse("", allow_unverified=True)


def identity(name: Any, kind: Any = "OIDC", **more: Any) -> dict[str, Any]:
    return {"providerName": name, "providerType": kind, "primary": True, **more}


def vouch(
    policy: TrustPolicy = POLICY,
    *,
    status: object = "EXTERNAL_PROVIDER",
    identities: object = None,
    verified: object = None,
    email: str = EMAIL,
) -> Vouching:
    attributes = {"email_verified": verified, "identities": identities}
    if isinstance(identities, list):
        attributes["identities"] = json.dumps(identities)
    return policy.vouching(attributes, status, email, "eu-west-1_Onramp001")


def rights(vouching: Vouching) -> tuple[bool, bool]:
    return vouching.may_create, vouching.may_link


def test_a_name_that_cannot_be_stored_is_unknown() -> None:
    assert vouch(identities=[identity("")]).identity_provider == "unknown"


@pytest.mark.parametrize(("status", "provider"), [("CONFIRMED", "Cognito"), ("RESET_REQUIRED", "unknown")])
def test_a_user_without_rights_has_the_provider_that_is_certain(status: str, provider: str) -> None:
    assert vouch(status=status, verified="false").identity_provider == provider


class TestNativeUser:
    @pytest.mark.parametrize("verified", ["true", True])
    def test_verified_may_create_and_link(self, verified: object) -> None:
        vouching = vouch(status="CONFIRMED", verified=verified)
        assert rights(vouching) == (True, True)
        assert (vouching.identity_provider, vouching.vouched_by) == ("Cognito", "cognito")

    @pytest.mark.parametrize("verified", ["false", False, None, "True", "yes", 1, ["true"], {}])
    def test_unverified_has_no_rights(self, verified: object) -> None:
        assert rights(vouch(status="CONFIRMED", verified=verified)) == (False, False)

    @pytest.mark.parametrize("verified", ["false", None])
    def test_unverified_may_create_where_the_operator_allows_it(self, verified: object) -> None:
        vouching = vouch(ALLOW_UNVERIFIED, status="CONFIRMED", verified=verified)
        assert rights(vouching) == (True, False)
        assert vouching.vouched_by == "nobody"

    @pytest.mark.parametrize("identities", [None, "", "[]", [identity("Google", "Google", primary=False)]])
    def test_without_a_primary_identity_is_native(self, identities: object) -> None:
        assert rights(vouch(status="CONFIRMED", verified="true", identities=identities)) == (True, True)

    @pytest.mark.parametrize("status", ["UNCONFIRMED", "RESET_REQUIRED", None, 1, "", "confirmed"])
    def test_any_other_status_is_anyone_else(self, status: object) -> None:
        assert rights(vouch(status=status, verified="true")) == (False, False)


class TestTrustedProvider:
    @pytest.mark.parametrize("verified", ["true", "false", None])
    def test_listed_with_the_domain_may_create_and_link(self, verified: object) -> None:
        vouching = vouch(identities=[identity("Contoso")], verified=verified)
        assert rights(vouching) == (True, True)
        assert vouching.vouched_by == vouching.identity_provider == "Contoso"

    @pytest.mark.parametrize(
        "email", ["someone@other.example", "someone@sub.example.com", "x@example.com.evil.example"]
    )
    def test_listed_with_another_domain_is_anyone_else(self, email: str) -> None:
        assert rights(vouch(identities=[identity("Contoso")], verified="true", email=email)) == (False, False)

    def test_listed_with_a_star_takes_any_domain(self) -> None:
        assert rights(vouch(identities=[identity("Anywhere")], email="x@other.example")) == (True, True)

    @pytest.mark.parametrize("name", ["contoso", "Contoso ", "Contoso@example.com", "*", None, ["Contoso"], 5])
    def test_a_similar_name_is_anyone_else(self, name: Any) -> None:
        assert rights(vouch(identities=[identity(name)], verified="true")) == (False, False)


class TestBuiltInProvider:
    @pytest.mark.parametrize("name", ["Google", "SignInWithApple"])
    def test_verified_may_create_and_link(self, name: str) -> None:
        vouching = vouch(identities=[identity(name, name)], verified="true")
        assert rights(vouching) == (True, True)
        assert vouching.vouched_by == name

    @pytest.mark.parametrize("verified", ["false", None])
    def test_not_marked_verified_may_create_only(self, verified: object) -> None:
        vouching = vouch(identities=[identity("Google", "Google")], verified=verified)
        assert rights(vouching) == (True, False)
        assert vouching.vouched_by == "nobody"

    @pytest.mark.parametrize(
        ("name", "kind"), [("Google", "OIDC"), ("Google", "SAML"), ("Facebook", "Facebook"), ("MyGoogle", "Google")]
    )
    def test_a_provider_of_the_same_name_is_anyone_else(self, name: str, kind: str) -> None:
        assert rights(vouch(identities=[identity(name, kind)], verified="true")) == (False, False)


class TestAnyoneElse:
    @pytest.mark.parametrize("verified", ["true", True, "false", None])
    def test_another_federated_user_has_no_rights(self, verified: object) -> None:
        assert rights(vouch(identities=[identity("UnknownIdp", "SAML")], verified=verified)) == (False, False)

    def test_another_federated_user_may_create_where_the_operator_allows_it(self) -> None:
        vouching = vouch(ALLOW_UNVERIFIED, identities=[identity("UnknownIdp", "SAML")], verified="true")
        assert rights(vouching) == (True, False)

    @pytest.mark.parametrize("status", ["CONFIRMED", "EXTERNAL_PROVIDER"])
    @pytest.mark.parametrize(
        "identities", ["{", "null", "5", '"Google"', '["Google"]', '{"providerName": "Google"}', 7, {}, "[" * 100_000]
    )
    def test_unreadable_identities(self, identities: object, status: str) -> None:
        assert rights(vouch(status=status, identities=identities, verified="true")) == (False, False)

    def test_federated_without_an_identity(self) -> None:
        assert rights(vouch(identities=[], verified="true")) == (False, False)

    @pytest.mark.parametrize("primary", [True, "true", 1, "yes", None, []])
    def test_a_primary_identity_makes_a_confirmed_user_federated(self, primary: object) -> None:
        identities = [identity("UnknownIdp", primary=primary)]
        assert rights(vouch(status="CONFIRMED", identities=identities, verified="true")) == (False, False)


class TestSeveralIdentities:
    @pytest.mark.parametrize("flip", [False, True])
    def test_the_least_trusted_decides(self, flip: bool) -> None:
        entries = [identity("Contoso"), identity("UnknownIdp", primary=False)]
        assert rights(vouch(identities=entries[::-1] if flip else entries, verified="true")) == (False, False)

    def test_an_unverified_built_in_one_removes_the_right_to_link(self) -> None:
        assert rights(vouch(identities=[identity("Contoso"), identity("Google", "Google")])) == (True, False)


@pytest.mark.parametrize("listed", ["Contoso", "@example.com", "Contoso@", "Contoso@example.com,,Bad"])
def test_an_unusable_list_is_refused(listed: str) -> None:
    with pytest.raises(ConfigurationError, match="TRUSTED_IDENTITY_PROVIDERS"):
        TrustPolicy.parse(listed, allow_unverified=False)


class TestLinkedProvider:
    """A verified native user with a linked entry: that provider can sign the user in."""

    @pytest.mark.parametrize(
        ("entry", "may_link"),
        [
            (identity("Evil", primary=False), False),
            (identity("Google", "SAML", primary=False), False),
            (identity("Google", "Google", primary=False), True),
            (identity("Contoso", primary=False), True),
            ({"primary": False}, False),
        ],
    )
    def test_links_a_pre_created_record_only_where_it_is_built_in_or_trusted(
        self, entry: dict[str, Any], may_link: bool
    ) -> None:
        assert rights(vouch(status="CONFIRMED", verified="true", identities=[entry])) == (True, may_link)


class TestOnePool:
    POLICY = TrustPolicy.parse("eu-west-1_Onramp001/Contoso@*,us-east-1_Other/Fabrikam@*", allow_unverified=False)

    def test_a_provider_is_trusted_in_its_pool_only(self) -> None:
        assert rights(vouch(self.POLICY, identities=[identity("Contoso")])) == (True, True)
        assert rights(vouch(self.POLICY, identities=[identity("Fabrikam")])) == (False, False)

    def test_a_name_that_looks_like_a_pool_is_a_name(self) -> None:
        policy = TrustPolicy.parse("my_pool/Contoso@*", allow_unverified=False)
        assert rights(vouch(policy, identities=[identity("my_pool/Contoso")])) == (True, True)
        assert rights(vouch(policy, identities=[identity("Contoso")])) == (False, False)
