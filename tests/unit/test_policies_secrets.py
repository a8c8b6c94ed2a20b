"""No secret in clear, in any property of any resource."""

from __future__ import annotations

import json
from typing import Any

import pytest

from policies.declared import UNKNOWN, Declared
from tests.unit.policies_under_test import refused, unjudged, verdicts

RULE = "no-plaintext-secret"
URN = "urn:pulumi:prod::warp-edge::any:thing:Thing::it"
PRIVATE_KEY = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"


def thing(properties: dict[str, Any], *secret: str) -> Declared:
    return Declared("any:thing:Thing", "it", URN, properties, secret=frozenset(secret))


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "rootPassword",
        "root_password",
        "readerPassword",
        "apiKey",
        "api-key",
        "token",
        "accessToken",
        "clientSecret",
        "privateKey",
        "credentials",
        "Authorization",
        "dsn",
        "connectionString",
    ],
)
def test_what_is_called_like_a_secret_must_be_one(key: str) -> None:
    assert refused(RULE, thing({key: "hunter2"})) == [f"it: {key} has a secret (by its name) in clear text"]
    assert verdicts(RULE, thing({key: "hunter2"}, key)) == []


@pytest.mark.parametrize("key", ["passwordPolicy", "tokenTtl", "secretName", "passwordWoVersion", "keyRing", "path"])
def test_what_only_begins_like_one_need_not(key: str) -> None:
    assert verdicts(RULE, thing({key: "x"})) == []


@pytest.mark.parametrize("value", ["", "  ", True, 12.0, None])
def test_only_a_text_can_be_one(value: Any) -> None:
    assert verdicts(RULE, thing({"password": value})) == []


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (PRIVATE_KEY, "a private key"),
        ("postgresql://warp:hunter2@10.126.0.3:5432/warp", "a URL with a password"),
        ("host=10.126.0.3 user=warp password=hunter2", "a connection string with a password"),
        ("Authorization: Bearer abcdefghijklmnopqrst", "an authorization header"),
        ("ghp_" + "a" * 36, "an access token"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ3YXJwIn0.c2lnbmF0dXJlLW9m", "a signed token"),
        ("users:\n- user:\n    token: abc\n", "a token in a document"),
        (json.dumps({"users": [{"user": {"token": "abc"}}]}), "a secret (by its name)"),
        (json.dumps({"private_key": PRIVATE_KEY}), "a private key"),
    ],
)
def test_what_looks_like_a_secret_must_be_one_whatever_it_is_called(value: str, what: str) -> None:
    assert refused(RULE, thing({"spec": {"data": [value]}})) == [f"it: spec.data[0] has {what} in clear text"]
    assert verdicts(RULE, thing({"spec": {"data": [value]}}, "spec.data[0]")) == []
    assert verdicts(RULE, thing({"spec": {"data": [value]}}, "spec")) == [], "what is inside a secret is one"


@pytest.mark.parametrize(
    "value",
    [
        "https://34.44.183.87:5060/path@here",
        "projects/warp-prod/regions/us-central1/addresses/warp-nat-ip-1",
        "10 50 5060 sip-udp.ringer.tel.",
        json.dumps({"users": [{"user": {"exec": {"command": "gke-gcloud-auth-plugin"}}}]}),
        "{not json",
        "-----BEGIN CERTIFICATE-----",
    ],
)
def test_what_people_write_into_properties_is_fine(value: str) -> None:
    assert verdicts(RULE, thing({"data": value})) == []


def test_no_message_holds_the_secret() -> None:
    reported = str(verdicts(RULE, thing({"password": "hunter2", "url": "https://me:hunter2@example.net"})))
    assert "password has" in reported
    assert "hunter2" not in reported


def test_an_unknown_value_hides_no_secret_in_clear() -> None:
    both = thing({"password": UNKNOWN, "token": "hunter2", "name": UNKNOWN})
    assert unjudged(RULE, both) == ["it: password"]
    assert refused(RULE, both) == ["it: token has a secret (by its name) in clear text"]


def test_a_secret_that_is_not_known_yet_is_one() -> None:
    assert verdicts(RULE, thing({"password": UNKNOWN}, "password")) == []


def test_a_path_that_holds_none_can_be_named() -> None:
    assert verdicts(RULE, thing({"labels": {"token": "ring"}}), known=["labels.token"]) == []
    assert len(refused(RULE, thing({"labels": {"token": "ring"}, "token": "x"}), known=["labels.token"])) == 1


def test_without_a_report_of_what_is_secret_the_rule_does_not_pass() -> None:
    unreported = Declared("any:thing:Thing", "it", URN, {"size": 1})
    assert refused(RULE, unreported) == ["it: which of its values are secret was not reported"]
