"""Service accounts, secrets, and keys for the public CA."""

from __future__ import annotations

import base64

import pytest

from local_cloud.cloud import Cloud
from local_cloud.gcp.credentials import ACCOUNT, KEY, SECRET
from tests.local_cloud.plugin import UNKNOWN, Invalid, Plugin, Refused

EMAIL = "warp-acme@warp-sandbox.iam.gserviceaccount.com"
AUTO = {"secretId": "acme", "replication": {"auto": {}}}


def test_a_service_accounts_address_is_known_in_the_preview(gcp: Plugin) -> None:
    previewed = gcp.create(ACCOUNT, "acme", {"accountId": "warp-acme"}, preview=True)
    assert (previewed.outputs["email"], previewed.outputs["uniqueId"]) == (EMAIL, UNKNOWN)
    made = gcp.create(ACCOUNT, "acme", {"accountId": "warp-acme"})
    assert made.id == f"projects/warp-sandbox/serviceAccounts/{EMAIL}"
    assert made.outputs["member"] == f"serviceAccount:{EMAIL}"
    assert gcp.diff(made, {"accountId": "warp-acme"}).changes == {}
    named = gcp.diff(made, {"accountId": "warp-acme", "displayName": "ACME"})
    assert named.changes == {"displayName": "update"}
    other = gcp.diff(made, {"accountId": "warp-acmes"})
    assert other.changes == {"accountId": "update_replace", "email": "update", "member": "update"}


def test_a_service_account_exists_once_unless_existing_ones_are_accepted(gcp: Plugin) -> None:
    gcp.create(ACCOUNT, "acme", {"accountId": "warp-acme"})
    with pytest.raises(Refused, match="Error 409: Service account warp-acme already exists"):
        gcp.create(ACCOUNT, "again", {"accountId": "warp-acme"})
    assert gcp.create(ACCOUNT, "again", {"accountId": "warp-acme", "createIgnoreAlreadyExists": True}).id
    with pytest.raises(Invalid, match="must match regex"):
        gcp.check(ACCOUNT, "acme", {"accountId": "acme"})


def test_a_secret_lives_and_is_protected(gcp: Plugin) -> None:
    made = gcp.create(SECRET, "acme", {**AUTO, "labels": {"app": "warp"}, "deletionProtection": True})
    assert made.id == made.outputs["name"] == "projects/warp-sandbox/secrets/acme"
    with pytest.raises(Refused, match="deletion_protection=false"):
        gcp.delete(made)
    noted = {**AUTO, "labels": {"app": "warp"}, "annotations": {"by": "warp"}}
    changes = gcp.diff(made, noted).changes
    assert changes == {"annotations.by": "add", "effectiveAnnotations.by": "add", "deletionProtection": "update"}
    after = gcp.update(made, noted)
    assert after.outputs["effectiveAnnotations"] == {"by": "warp"}
    gcp.delete(after)
    assert gcp.read(after) is None


def test_secrets_that_secret_manager_refuses(gcp: Plugin) -> None:
    gcp.create(SECRET, "acme", AUTO)
    with pytest.raises(Refused, match="already exists"):
        gcp.create(SECRET, "again", AUTO)
    with pytest.raises(Refused, match="does not match the expected format"):
        gcp.create(SECRET, "dotted", {**AUTO, "secretId": "a.b"})
    with pytest.raises(Refused, match="Topics are required"):
        gcp.create(SECRET, "turning", {**AUTO, "secretId": "b", "rotation": {"rotationPeriod": "3600s"}})
    with pytest.raises(Invalid, match="one of `replication"):
        gcp.check(SECRET, "nowhere", {"secretId": "c", "replication": {}})


def test_a_key_for_the_public_ca_is_secret_and_kept_by_the_state_alone(gcp: Plugin, cloud: Cloud) -> None:
    made = gcp.create(KEY, "eab", {})
    assert {"keyId", "macKey", "b64MacKey", "b64urlMacKey"} <= made.secrets
    mac = made.outputs["macKey"]
    assert len(base64.urlsafe_b64decode(mac)) == 32
    assert base64.b64decode(made.outputs["b64MacKey"]).decode() == mac
    with cloud.view() as tx:
        assert all(mac not in str(one.body) for one in tx.all(KEY))
    assert gcp.diff(made, {}).changes == {}
    assert gcp.diff(made, {"location": "us-central1"}).replaces
    with pytest.raises(Refused, match="doesn't support import"):
        gcp.adopt(KEY, made.id)
