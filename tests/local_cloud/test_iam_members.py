"""Grants at one zone and at one service account."""

from __future__ import annotations

from typing import Any

import pytest

from local_cloud.gcp.credentials import ACCOUNT
from local_cloud.gcp.dns_zones import ZONE
from local_cloud.gcp.iam_members import ServiceAccountMember, ZoneMember
from tests.local_cloud.plugin import Invalid, Plugin, Refused

EMAIL = "warp-tls@warp-sandbox.iam.gserviceaccount.com"
AT_ZONE: dict[str, Any] = {
    "project": "warp-sandbox", "managedZone": "ringer-tel", "role": "roles/dns.admin",
    "member": f"serviceAccount:{EMAIL}",
}  # fmt: skip
IDENTITY: dict[str, Any] = {
    "serviceAccountId": f"projects/warp-sandbox/serviceAccounts/{EMAIL}", "role": "roles/iam.workloadIdentityUser",
    "member": "serviceAccount:warp-sandbox.svc.id.goog[warp-core/warp-tls-renewer]",
}  # fmt: skip


@pytest.fixture
def ready(gcp: Plugin) -> Plugin:
    gcp.create(ZONE, "zone", {"name": "ringer-tel", "dnsName": "ringer.tel."})
    gcp.create(ACCOUNT, "tls", {"accountId": "warp-tls"})
    return gcp


@pytest.mark.parametrize(
    ("token", "given", "id_"),
    [
        (
            ZoneMember.token,
            AT_ZONE,
            f"projects/warp-sandbox/managedZones/ringer-tel/roles/dns.admin/serviceAccount:{EMAIL}",
        ),
        (
            ServiceAccountMember.token,
            IDENTITY,
            f"{IDENTITY['serviceAccountId']}/roles/iam.workloadIdentityUser/{IDENTITY['member']}",
        ),
    ],
)
def test_a_grant_lives_and_is_replaced_when_it_changes(
    ready: Plugin, token: str, given: dict[str, Any], id_: str
) -> None:
    made = ready.create(token, "it", given)
    assert made.id == id_
    assert ready.diff(made, given).changes == {}
    found = ready.read(made)
    assert found
    assert found.outputs == made.outputs
    assert ready.diff(made, given | {"member": "user:ann@example.com"}).changes == {"member": "update_replace"}
    assert ready.create(token, "again", given).id == id_, "granting it again is no error"
    ready.delete(made)
    assert ready.read(made) is None


def test_google_grants_nothing_on_what_is_not_there_nor_to_whom_is_not_there(gcp: Plugin, ready: Plugin) -> None:
    for given, words in (
        ({"managedZone": "nowhere"}, "does not exist"),
        ({"role": "roles/owner"}, "Role roles/owner is not supported"),
        ({"member": "serviceAccount:gone@warp-sandbox.iam.gserviceaccount.com"}, "Service account gone@"),
    ):
        with pytest.raises(Refused, match=words):
            ready.create(ZoneMember.token, "it", AT_ZONE | given)
    other = IDENTITY | {"serviceAccountId": "projects/warp-sandbox/serviceAccounts/gone@x.iam.gserviceaccount.com"}
    with pytest.raises(Refused, match="does not exist"):
        ready.create(ServiceAccountMember.token, "it", other)
    with pytest.raises(Invalid, match="invalid value for member"):
        gcp.check(ZoneMember.token, "it", AT_ZONE | {"member": "warp-tls"})
