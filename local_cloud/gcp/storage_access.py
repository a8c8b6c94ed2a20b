"""Cloud Storage: access to a bucket's objects.

`local_cloud/storage_server.py` serves public objects over HTTP from what is stored here.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from local_cloud.cloud import Cloud, Transaction
from local_cloud.errors import CheckFailure, CloudError, google_error
from local_cloud.gcp.storage import BUCKET, MEMBER, OBJECT
from local_cloud.links import name_of
from local_cloud.resource_type import ResourceType, Settings, known
from local_cloud.shapes import Shape
from local_cloud.values import Props

# docs.cloud.google.com/storage/docs/access-control/iam-roles: roles for buckets that can read, and all of them.
READERS: Final = frozenset(
    f"roles/storage.{name}" for name in ("admin", "legacyObjectReader", "objectAdmin", "objectUser", "objectViewer")
)
_ROLES: Final = READERS | {
    f"roles/storage.{name}"
    for name in ("legacyBucketOwner", "legacyBucketReader", "legacyBucketWriter", "legacyObjectOwner", "objectCreator")
}
_MEMBER: Final = re.compile(
    r"allUsers|allAuthenticatedUsers|(user|serviceAccount|group|domain|projectOwner|projectEditor|projectViewer):\S+"
    r"|(principal|principalSet)://\S+|deleted:\S+"
)
_PUBLIC: Final = ("allUsers", "allAuthenticatedUsers")


class BucketIAMMember(ResourceType):
    """A role granted to one member on a bucket."""

    token = MEMBER
    noun = "BucketIAMMember"
    key_format = "b/{bucket}/{role}/{member}"
    import_formats = ("b/{bucket} {role} {member}",)
    stable_name = "member"
    shape = Shape.parse(
        """
        root: bucket*!@ member*! role*! condition{}! etag^
        condition: expression*! title*! description!
        """
    )

    def identity(self, id_: str, settings: Settings) -> Props:
        match = re.fullmatch(r"b/([^/ ]+)[/ ]((?:\w+/)+[\w.]+)[/ ](\S+)", id_)
        if match is None:
            raise CloudError(f'Import id "{id_}" doesn\'t match b/BUCKET ROLE MEMBER')
        return dict(zip(("bucket", "role", "member"), match.groups(), strict=True))

    def key(self, values: Mapping[str, Any]) -> str:
        return super().key({**values, "bucket": name_of(values["bucket"])})

    def engine_id(self, body: Mapping[str, Any]) -> str:
        return self.key(body)

    def see(self, tx: Transaction, body: Props) -> Props:
        """The plugin's state has the bucket in the IAM API's notation."""
        return {**body, "bucket": f"b/{name_of(body['bucket'])}"}

    def check(self, inputs: Props) -> list[CheckFailure]:
        member = known(inputs, "member")
        if member is None or _MEMBER.fullmatch(member):
            return []
        return [
            CheckFailure(
                "member",
                f"invalid value for member (IAM members must have one of the values outlined"
                f" in the API's documentation): {member}",
            )
        ]

    def refuse_existing(self, tx: Transaction, planned: Props) -> None:
        """Granting an existing grant changes nothing."""

    def make(self, tx: Transaction, planned: Props) -> Props:
        bucket = tx.get(BUCKET, planned["bucket"])
        if bucket is None:
            raise google_error(404, "The specified bucket does not exist.", "notFound")
        if planned["role"] not in _ROLES:
            raise google_error(400, f"Role {planned['role']} is not supported for this resource.", "invalid")
        if planned["member"] in _PUBLIC and bucket["publicAccessPrevention"] == "enforced":
            message = (
                "The member bindings allUsers and allAuthenticatedUsers are not allowed since public access prevention"
                " is enforced."
            )
            raise google_error(412, message, "conditionNotMet")
        etag = base64.b64encode(tx.next_number("policies").to_bytes(4)).decode()
        return {**planned, "etag": etag}


@dataclass(frozen=True)
class Served:
    """The object for an anonymous reader, or the error code of the XML API."""

    body: Props | None
    code: str = ""


def anonymously(cloud: Cloud, bucket: str, name: str) -> Served:
    """An object for an anonymous reader. Without read access the error does not reveal whether it exists."""
    with cloud.view() as tx:
        found, body = tx.get(BUCKET, bucket), tx.get(OBJECT, f"{bucket}/{name}")
        grants = [one.body for one in tx.all(MEMBER, f"b/{bucket}/")]
    if found is None:
        return Served(None, "NoSuchBucket")
    open_to_all = any(one["member"] == "allUsers" and one["role"] in READERS for one in grants)
    if not open_to_all or found["publicAccessPrevention"] == "enforced":
        return Served(None, "AccessDenied")
    return Served(body, "" if body else "NoSuchKey")
