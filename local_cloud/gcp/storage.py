"""Cloud Storage: buckets, and their objects with earlier versions. Access: `storage_access.py`."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Final

from local_cloud.cloud import Transaction, now
from local_cloud.errors import CheckFailure, CloudError, google_error, google_text
from local_cloud.gcp.rules import check_labels, one_of
from local_cloud.planning import Change
from local_cloud.resource_type import ResourceType, Settings, known
from local_cloud.shapes import Shape
from local_cloud.values import UNKNOWN, Props

BUCKET: Final = "gcp:storage/bucket:Bucket"
OBJECT: Final = "gcp:storage/bucketObject:BucketObject"
EARLIER: Final = "gcp:storage/bucketObject:BucketObject#earlier"
MEMBER: Final = "gcp:storage/bucketIAMMember:BucketIAMMember"
API: Final = "https://www.googleapis.com/storage/v1"

# docs.cloud.google.com/storage/docs/buckets, "Naming"
_NAME: Final = re.compile(r"(?=.{3,222}$)[a-z0-9]([-_a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-_a-z0-9]{0,61}[a-z0-9])?)*")
_ADDRESS: Final = re.compile(r"[0-9]+(\.[0-9]+){3}")
_LONGEST_OBJECT_NAME: Final = 1024
_ENFORCEMENT: Final = "EncryptionEnforcementConfig"


class Bucket(ResourceType):
    """A bucket; its name is globally unique."""

    token = BUCKET
    noun = "Bucket"
    key_format = "{name}"
    import_formats = ("{project}/{name}",)
    shape = Shape.parse(
        f"""
        root: location*! name!+ autoclass{{}} cors[] customPlacementConfig{{}} defaultEventBasedHold:bool
            deletionPolicy~% enableObjectRetention:bool! encryption{{}} forceDestroy:bool%=false
            hierarchicalNamespace{{}}! ipFilter{{}} labels{{}} lifecycleRules[] logging{{}} project!~
            publicAccessPrevention~ requesterPays:bool retentionPolicy{{}} rpo~ softDeletePolicy{{}}~
            storageClass=STANDARD uniformBucketLevelAccess:bool~ versioning{{}}~ website{{}}~#
            effectiveLabels{{}}$^ projectNumber:int^ pulumiLabels{{}}$^ selfLink^ timeCreated^ updated^ url^
        autoclass: enabled:bool* terminalStorageClass~
        cors: maxAgeSeconds:int methods[] origins[] responseHeaders[]
        customPlacementConfig: dataLocations[]*!
        encryption: defaultKmsKeyName customerManaged{_ENFORCEMENT}{{}} customerSupplied{_ENFORCEMENT}{{}}
            googleManaged{_ENFORCEMENT}{{}}
        encryption.customerManaged{_ENFORCEMENT}: restrictionMode* effectiveTime^
        encryption.customerSupplied{_ENFORCEMENT}: restrictionMode* effectiveTime^
        encryption.googleManaged{_ENFORCEMENT}: restrictionMode* effectiveTime^
        hierarchicalNamespace: enabled:bool*!
        ipFilter: mode* allowAllServiceAgentAccess:bool allowCrossOrgVpcs:bool publicNetworkSource{{}}
            vpcNetworkSources[]
        ipFilter.publicNetworkSource: allowedIpCidrRanges[]*
        ipFilter.vpcNetworkSources: allowedIpCidrRanges[]* network*
        lifecycleRules: action{{}}*& condition{{}}*&
        lifecycleRules.action: type* storageClass
        lifecycleRules.condition: age:int- createdBefore customTimeBefore daysSinceCustomTime:int-
            daysSinceNoncurrentTime:int- matchesPrefixes[] matchesStorageClasses[] matchesSuffixes[]
            noncurrentTimeBefore numNewerVersions:int- sendAgeIfZero:bool- sendDaysSinceCustomTimeIfZero:bool-
            sendDaysSinceNoncurrentTimeIfZero:bool- sendNumNewerVersionsIfZero:bool- sizeAboveBytes:int-
            sizeBelowBytes:int- withState:LIVE|ARCHIVED|ANY~
        logging: logBucket* logObjectPrefix~
        retentionPolicy: retentionPeriod* isLocked:bool
        softDeletePolicy: retentionDurationSeconds:int effectiveTime^
        versioning: enabled:bool*
        website: mainPageSuffix notFoundPage
        """
    )

    def check(self, inputs: Props) -> list[CheckFailure]:
        name = known(inputs, "name")
        if name is None or _is_bucket_name(name):
            return []
        return [CheckFailure("name", google_text(400, f"Invalid bucket name: '{name}'", "invalid"))]

    def judge(self, planned: Props) -> list[CheckFailure]:
        return [
            *check_labels(planned),
            *one_of(planned, "publicAccessPrevention", ("inherited", "enforced")),
            *one_of(planned, "storageClass", ("STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE")),
        ]

    def refuse_existing(self, tx: Transaction, planned: Props) -> None:
        other = tx.get(BUCKET, planned["name"])
        if other is None:
            return
        if other["project"] == planned["project"]:
            message = "Your previous request to create the named bucket succeeded and you already own it."
        else:
            message = (
                "The requested bucket name is not available. The bucket namespace is shared by all users of the system."
                " Please select a different name and try again."
            )
        raise google_error(409, message, "conflict")

    def make(self, tx: Transaction, planned: Props) -> Props:
        made = now()
        computed = {
            "publicAccessPrevention": planned.get("publicAccessPrevention") or "inherited",
            "rpo": planned.get("rpo") or "DEFAULT",
            "softDeletePolicy": planned.get("softDeletePolicy") or {"retentionDurationSeconds": 604_800},
            "uniformBucketLevelAccess": bool(planned.get("uniformBucketLevelAccess")),
            "projectNumber": 100_000_000_000,
            "selfLink": f"{API}/b/{planned['name']}",
            "timeCreated": made,
            "updated": made,
            "url": f"gs://{planned['name']}",
        }
        return {**planned, **computed, "location": planned["location"].upper()}

    def change(self, tx: Transaction, body: Props, planned: Props) -> Props:
        return {**body, **planned, "updated": now()}

    def delete(self, values: Props) -> None:
        with self.cloud.change() as tx:
            name = values["name"]
            if tx.get(BUCKET, name) is None:
                return
            found = [*tx.all(OBJECT, f"{name}/"), *tx.all(EARLIER, f"{name}/")]
            if found and not values.get("forceDestroy"):
                raise CloudError(
                    f"Error trying to delete bucket {name} containing objects without `force_destroy` set to true"
                )
            for one in found:
                tx.drop(one.type, one.id)
            for grant in tx.all(MEMBER, f"b/{name}/"):
                tx.drop(MEMBER, grant.id)
            tx.delete(BUCKET, name)


class BucketObject(ResourceType):
    """One object. Overwriting or deleting it leaves an earlier version in a bucket with versioning."""

    token = OBJECT
    noun = "BucketObject"
    key_format = "{bucket}/{name}"
    id_format = "{bucket}-{name}"
    shape = Shape.parse(
        """
        root: bucket*! name!+ cacheControl! content~%$ contentDisposition! contentEncoding! contentLanguage!
            contentType!~ contexts{} customerEncryption{}$ deletionPolicy~% detectMd5hash%="different hash"
            eventBasedHold:bool
            forceEmptyContentType:bool!% kmsKeyName!~ metadata{}! retention{} source!% sourceMd5hash% storageClass!~
            temporaryHold:bool crc32c^ generation:int^ md5hash^ md5hexhash^ mediaLink^ outputName^ selfLink^
        contexts: customs[]*
        contexts.customs: key* value* createTime^ updateTime^
        customerEncryption: encryptionKey*! encryptionAlgorithm!=AES256
        retention: mode* retainUntilTime*
        """
    )

    def identity(self, id_: str, settings: Settings) -> Props:
        """The id cannot be split: names contain hyphens. The state has both parts."""
        return {}

    def read(self, values: Props) -> Props | None:
        if "bucket" not in values:
            raise CloudError("resource google_storage_bucket_object doesn't support import")
        return super().read(values)

    def stored(self, body: Props) -> Props:
        return {**super().stored(body), "content": body["content"]}

    def check(self, inputs: Props) -> list[CheckFailure]:
        name = known(inputs, "name")
        if inputs.get("content") is None and inputs.get("source") is None:
            return [CheckFailure("content", "one of `content,source` must be specified")]
        if name is not None and not _is_object_name(name):
            return [CheckFailure("name", google_text(400, f"Invalid object name: '{name}'", "invalid"))]
        return []

    def adjust(self, prior: Props, planned: Props) -> Props:
        """The plugin replaces any value of `detectMd5hash` with the content's hash."""
        content = planned.get("content")
        digest = UNKNOWN if content == UNKNOWN else _md5(content or "") if content is not None else ""
        return {**planned, "detectMd5hash": digest or prior.get("detectMd5hash")}

    def customize(self, prior: Props, planned: Props) -> list[Change]:
        """When the content changes, outputs computed from it are unknown."""
        if planned["detectMd5hash"] == prior.get("detectMd5hash"):
            return []
        return [Change((name,), "update", replace=False) for name in ("crc32c", "generation", "md5hash")]

    def refuse_existing(self, tx: Transaction, planned: Props) -> None:
        """Overwriting an existing object is allowed."""

    def make(self, tx: Transaction, planned: Props) -> Props:
        return self._written(tx, planned, planned)

    def change(self, tx: Transaction, body: Props, planned: Props) -> Props:
        return self._written(tx, {**body, **planned}, planned)

    def _written(self, tx: Transaction, body: Props, planned: Props) -> Props:
        bucket, name = planned["bucket"], planned["name"]
        if tx.get(BUCKET, bucket) is None:
            raise google_error(404, "The specified bucket does not exist.", "notFound")
        content = planned.get("content") or ""
        if not content:
            raise CloudError(
                'Error, either "content" or "source" must be specified; the local cloud supports only content'
            )
        _keep_earlier(tx, bucket, name)
        link = f"{API}/b/{bucket}/o/{name}"
        generation = 1_700_000_000_000_000 + tx.next_number("generations")
        return {
            **body,
            "content": content,
            "contentType": body.get("contentType") or "text/plain; charset=utf-8",
            "storageClass": body.get("storageClass") or "STANDARD",
            "crc32c": base64.b64encode(crc32c(content.encode()).to_bytes(4)).decode(),
            "md5hash": _md5(content),
            "md5hexhash": base64.b64decode(_md5(content)).hex(),
            "generation": generation,
            "mediaLink": f"{link}?generation={generation}&alt=media",
            "outputName": name,
            "selfLink": link,
            "updated": now(),
        }

    def remove(self, tx: Transaction, body: Props) -> None:
        _keep_earlier(tx, body["bucket"], body["name"])


def _keep_earlier(tx: Transaction, bucket: str, name: str) -> None:
    before = tx.get(OBJECT, f"{bucket}/{name}")
    versioning = ((tx.get(BUCKET, bucket) or {}).get("versioning") or {}).get("enabled")
    if before is not None and versioning:
        tx.put(EARLIER, f"{bucket}/{name}#{before['generation']}", before)


def _md5(content: str) -> str:
    return base64.b64encode(hashlib.md5(content.encode(), usedforsecurity=False).digest()).decode()


def _is_bucket_name(name: str) -> bool:
    if not _NAME.fullmatch(name) or _ADDRESS.fullmatch(name) or ("." not in name and len(name) > 63):
        return False
    return not (name.startswith("goog") or "google" in name or "g00gle" in name)


def _is_object_name(name: str) -> bool:
    """docs.cloud.google.com/storage/docs/objects, "Naming"."""
    return (
        0 < len(name.encode()) <= _LONGEST_OBJECT_NAME
        and not {"\r", "\n"} & set(name)
        and name not in (".", "..")
        and not name.startswith(".well-known/acme-challenge/")
    )


def crc32c(content: bytes) -> int:
    """RFC 3720, appendix B.4 (Castagnoli's polynomial, reflected)."""
    value = 0xFFFFFFFF
    for byte in content:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF
