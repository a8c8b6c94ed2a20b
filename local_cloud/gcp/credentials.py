"""Service accounts, secrets (without versions), and keys for Google's public CA."""

from __future__ import annotations

import base64
import re
import secrets
from typing import Any, Final

from local_cloud.cloud import Transaction, now
from local_cloud.errors import CheckFailure, CloudError, google_error, google_text
from local_cloud.gcp.rules import check_labels, numeric_id
from local_cloud.planning import Change
from local_cloud.resource_type import ResourceType, Settings, known
from local_cloud.shapes import Shape
from local_cloud.values import UNKNOWN, Props

ACCOUNT: Final = "gcp:serviceaccount/account:Account"
SECRET: Final = "gcp:secretmanager/secret:Secret"
KEY: Final = "gcp:compute/caExternalAccountKey:CaExternalAccountKey"


class Account(ResourceType):
    """A service account. The plugin derives its email address from id and project in the plan."""

    token = ACCOUNT
    noun = "service account"
    key_format = "projects/{project}/serviceAccounts/{email}"
    stable_name = "accountId"
    shape = Shape.parse(
        """
        root: accountId!+ createIgnoreAlreadyExists:bool% deletionPolicy~% description disabled:bool=false displayName
            project!~ email^ member^ name^ uniqueId^
        """
    )

    def check(self, inputs: Props) -> list[CheckFailure]:
        name = known(inputs, "accountId")
        if name is None or re.fullmatch(r"[a-z](?:[-a-z0-9]{4,28}[a-z0-9])", name):
            return []
        reason = f'"accountId" ("{name}") must match regex "^[a-z](?:[-a-z0-9]{{4,28}}[a-z0-9])$"'
        return [CheckFailure("accountId", reason)]

    def adjust(self, prior: Props, planned: Props) -> Props:
        return {**planned, **_address(planned)}

    def customize(self, prior: Props, planned: Props) -> list[Change]:
        return [
            Change((name,), "update" if prior.get(name) else "add", replace=False)
            for name in ("email", "member")
            if prior.get(name) != planned[name]
        ]

    def create(self, planned: Props) -> Props:
        with self.cloud.view() as tx:
            existing = tx.get(ACCOUNT, self.key(planned))
        if existing is not None and planned.get("createIgnoreAlreadyExists"):
            return existing
        return super().create(planned)

    def refuse_existing(self, tx: Transaction, planned: Props) -> None:
        if tx.get(ACCOUNT, self.key(planned)) is not None:
            message = (
                f"Service account {planned['accountId']} already exists within project projects/{planned['project']}."
            )
            raise google_error(409, message, "alreadyExists")

    def make(self, tx: Transaction, planned: Props) -> Props:
        return {**planned, "name": self.key(planned), "uniqueId": numeric_id(tx)}


def _address(values: Props) -> Props:
    account, project = values.get("accountId"), values.get("project")
    if UNKNOWN in (account, project):
        return {"email": UNKNOWN, "member": UNKNOWN}
    email = f"{account}@{project}.iam.gserviceaccount.com"
    return {"email": email, "member": f"serviceAccount:{email}"}


class Secret(ResourceType):
    """A secret's name and settings. The contents are in versions, which the local cloud does not have."""

    token = SECRET
    noun = "Secret"
    key_format = "projects/{project}/secrets/{secretId}"
    import_formats = ("{project}/{secretId}", "{secretId}")
    stable_name = "secretId"
    shape = Shape.parse(
        """
        root: replication{}*! secretId!+ annotations{} deletionPolicy~% deletionProtection:bool%=false expireTime~
            labels{} project!~ rotation{} tags{}! topics[] ttl versionAliases{} versionDestroyTtl createTime^
            effectiveAnnotations{}^ effectiveLabels{}$^ name^ pulumiLabels{}$^
        replication: auto{}! userManaged{}!
        replication.auto: customerManagedEncryption{}
        replication.auto.customerManagedEncryption: kmsKeyName*
        replication.userManaged: replicas[]*!
        replication.userManaged.replicas: location*! customerManagedEncryption{}
        replication.userManaged.replicas.customerManagedEncryption: kmsKeyName*
        rotation: nextRotationTime rotationPeriod
        topics: name*
        """
    )

    def check(self, inputs: Props) -> list[CheckFailure]:
        replication = known(inputs, "replication") or {}
        ways = [name for name in ("auto", "userManaged") if replication.get(name) is not None]
        if len(ways) == 1 or inputs.get("replication") == UNKNOWN:
            return []
        wanted = "one" if not ways else "only one"
        return [
            CheckFailure(
                "replication", f"{wanted} of `replication.0.auto,replication.0.user_managed` must be specified"
            )
        ]

    def judge(self, planned: Props) -> list[CheckFailure]:
        failures = check_labels(planned)
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,255}", planned["secretId"]):
            text = google_text(
                400, f"The provided Secret ID [{planned['secretId']}] does not match the expected format.", "invalid"
            )
            failures.append(CheckFailure("secretId", text))
        if planned.get("rotation") and not planned.get("topics"):
            text = google_text(400, "Topics are required when rotation is set.", "invalid")
            failures.append(CheckFailure("rotation", text))
        return failures

    def customize(self, prior: Props, planned: Props) -> list[Change]:
        """Annotations appear twice, like labels."""
        before, after = prior.get("effectiveAnnotations"), planned.get("annotations") or {}
        if before is None or after == before or UNKNOWN in (before, after):
            return []  # a state without them: `differences.py`
        return [
            Change(
                ("effectiveAnnotations", key),
                "add" if key not in before else "update" if key in after else "delete",
                False,
            )
            for key in sorted({*before, *after})
            if before.get(key) != after.get(key)
        ]

    def refuse_existing(self, tx: Transaction, planned: Props) -> None:
        if tx.get(SECRET, self.key(planned)) is not None:
            raise google_error(409, f"Secret [{self.key(planned)}] already exists.", "alreadyExists")

    def make(self, tx: Transaction, planned: Props) -> Props:
        annotations = planned.get("annotations") or {}
        return {**planned, "name": self.key(planned), "createTime": now(), "effectiveAnnotations": annotations}

    def change(self, tx: Transaction, body: Props, planned: Props) -> Props:
        return {**body, **planned, "effectiveAnnotations": planned.get("annotations") or {}}

    def delete(self, values: Props) -> None:
        if values.get("deletionProtection"):
            raise CloudError("cannot destroy secret without setting deletion_protection=false and running `apply`")
        super().delete(values)


class CaExternalAccountKey(ResourceType):
    """A key for registering an ACME account at Google's public CA. It can be neither read again nor revoked."""

    token = KEY
    noun = "CaExternalAccountKey"
    key_format = "projects/{project}/locations/{location}/externalAccountKeys/{keyId}"
    stable_name = "location"
    shape = Shape.parse("root: location!=global project!~ b64MacKey$^ b64urlMacKey$^ keyId$^ macKey$^ name^")

    def identity(self, id_: str, settings: Settings) -> Props:
        raise CloudError("resource google_public_ca_external_account_key doesn't support import")

    def create(self, planned: Props) -> Props:
        mac, number = base64.urlsafe_b64encode(secrets.token_bytes(32)), secrets.token_hex(16)
        body: dict[str, Any] = {**planned, "keyId": number}
        body["name"] = self.key(body)
        with self.cloud.change() as tx:
            tx.create(KEY, body["name"], body)  # the cloud keeps no key material
        key = mac.decode()  # as ACME clients expect it; the API's field is this text in base64 again
        return {**body, "macKey": key, "b64urlMacKey": key, "b64MacKey": base64.b64encode(mac).decode()}

    def read(self, values: Props) -> Props | None:
        return values

    def delete(self, values: Props) -> None:
        """No API call: it is only removed from the state."""
