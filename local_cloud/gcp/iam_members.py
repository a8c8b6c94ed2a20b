"""Roles that are granted to one member on one object: a zone at Cloud DNS, a service account.

docs.cloud.google.com/dns/docs/zones/iam-per-resource-zones
docs.cloud.google.com/iam/docs/manage-access-service-accounts
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from local_cloud.cloud import Transaction
from local_cloud.errors import CheckFailure, CloudError, google_error
from local_cloud.gcp.credentials import ACCOUNT
from local_cloud.gcp.dns_zones import ZONE
from local_cloud.links import name_of
from local_cloud.resource_type import ResourceType, Settings, known
from local_cloud.shapes import Shape
from local_cloud.values import Props

_MEMBER: Final = re.compile(
    r"allUsers|allAuthenticatedUsers|(user|serviceAccount|group|domain|projectOwner|projectEditor|projectViewer):\S+"
    r"|(principal|principalSet)://\S+|deleted:\S+"
)
# Not of a Kubernetes ServiceAccount, `PROJECT.svc.id.goog[NAMESPACE/NAME]`: that need not exist.
_ACCOUNT: Final = re.compile(r"serviceAccount:(?P<email>[^\s\[]+@(?P<project>[a-z0-9-]+)\.iam\.gserviceaccount\.com)")


class _Member(ResourceType):
    """`parents`: pattern of the object's path; `granted`: the roles that exist there."""

    stable_name = "member"
    granted: ClassVar[frozenset[str]]
    parents: ClassVar[str]

    def identity(self, id_: str, settings: Settings) -> Props:
        match = re.fullmatch(rf"({self.parents})[/ ]((?:\w+/)+[\w.]+)[/ ](\S+)", id_)
        if match is None:
            raise CloudError(f'Import id "{id_}" doesn\'t match OBJECT ROLE MEMBER')
        return {**self.object_of(match[1]), "role": match[2], "member": match[3]}

    def object_of(self, path: str) -> Props:
        raise NotImplementedError

    def engine_id(self, body: Mapping[str, Any]) -> str:
        return self.key(body)

    def check(self, inputs: Props) -> list[CheckFailure]:
        member = known(inputs, "member")
        if member is None or _MEMBER.fullmatch(member):
            return []
        words = "invalid value for member (IAM members must have one of the values outlined in the API's documentation)"
        return [CheckFailure("member", f"{words}: {member}")]

    def refuse_existing(self, tx: Transaction, planned: Props) -> None:
        """Granting an existing grant changes nothing."""

    def make(self, tx: Transaction, planned: Props) -> Props:
        if planned["role"] not in self.granted:
            raise google_error(400, f"Role {planned['role']} is not supported for this resource.", "badRequest")
        member = planned["member"]
        if (account := _ACCOUNT.fullmatch(member)) and not tx.get(
            ACCOUNT, f"projects/{account['project']}/serviceAccounts/{account['email']}"
        ):
            raise google_error(400, f"Service account {account['email']} does not exist.", "badRequest")
        etag = base64.b64encode(tx.next_number("policies").to_bytes(4)).decode()
        return {**planned, "etag": etag}


class ZoneMember(_Member):
    """A role at one zone."""

    token = "gcp:dns/dnsManagedZoneIamMember:DnsManagedZoneIamMember"
    noun = "DnsManagedZoneIamMember"
    key_format = "projects/{project}/managedZones/{managedZone}/{role}/{member}"
    parents = r"projects/[^/ ]+/managedZones/[^/ ]+"
    granted = frozenset({"roles/dns.admin", "roles/dns.reader"})
    shape = Shape.parse(
        """
        root: managedZone*! member*! project!~ role*! condition{}! etag^
        condition: expression*! title*! description!
        """
    )

    def key(self, values: Mapping[str, Any]) -> str:
        return super().key({**values, "managedZone": name_of(values["managedZone"])})

    def object_of(self, path: str) -> Props:
        _, project, _, zone = path.split("/")
        return {"project": project, "managedZone": zone}

    def make(self, tx: Transaction, planned: Props) -> Props:
        zone = f"projects/{planned['project']}/managedZones/{name_of(planned['managedZone'])}"
        if tx.get(ZONE, zone) is None:
            raise google_error(404, f"The 'parameters.managedZone' resource named '{zone}' does not exist.", "notFound")
        return super().make(tx, planned)


class ServiceAccountMember(_Member):
    """Who may act as a service account."""

    token = "gcp:serviceaccount/iAMMember:IAMMember"
    noun = "ServiceAccountIAMMember"
    key_format = "{serviceAccountId}/{role}/{member}"
    parents = r"projects/[^/ ]+/serviceAccounts/[^/ ]+"
    granted = frozenset(
        f"roles/iam.{name}"
        for name in ("workloadIdentityUser", "serviceAccountUser", "serviceAccountTokenCreator", "serviceAccountAdmin")
    )
    shape = Shape.parse(
        """
        root: serviceAccountId*! member*! role*! condition{}! etag^
        condition: expression*! title*! description!
        """
    )

    def object_of(self, path: str) -> Props:
        return {"serviceAccountId": path}

    def make(self, tx: Transaction, planned: Props) -> Props:
        account = planned["serviceAccountId"]
        if tx.get(ACCOUNT, account) is None:
            raise google_error(404, f"Service account {account} does not exist.", "notFound")
        return super().make(tx, planned)
