"""The API of `secret_api.py` with Secret and Roles of the local cloud's cluster, as they are at each request."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from local_cloud.cloud import Cloud, Transaction
from local_cloud.hand import change
from sandbox.declared_pod import SECRET
from sandbox.secret_api import Rule, SecretApi

ROLE: Final = "kubernetes:rbac.authorization.k8s.io/v1:Role"
ROLE_BINDING: Final = "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding"


def rules_of(tx: Transaction, namespace: str, account: str) -> list[Rule]:
    """What the Roles of a namespace allow a ServiceAccount of it. `namespace`: CLUSTER/NAMESPACE."""
    subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace.rpartition("/")[2]}
    found: list[Rule] = []
    for binding in tx.all(ROLE_BINDING, f"{namespace}/"):
        bound = [{key: each.get(key) for key in subject} for each in binding.body.get("subjects") or ()]
        reference = binding.body["roleRef"]
        if subject in bound and reference["kind"] == "Role":
            found += (tx.get(ROLE, f"{namespace}/{reference['name']}") or {}).get("rules") or []
    return found


@dataclass
class DeclaredSecret(SecretApi):
    """`cluster`: its name in the cloud; `account`: the ServiceAccount that asks."""

    cloud: Cloud = field(kw_only=True)
    cluster: str = field(kw_only=True)
    account: str = field(kw_only=True)

    @property
    def _key(self) -> str:
        return f"{self.cluster}/{self.namespace}/{self.name}"

    def rules(self) -> Sequence[Rule]:
        with self.cloud.view() as tx:
            return rules_of(tx, f"{self.cluster}/{self.namespace}", self.account)

    def empty(self) -> None:
        """Take out what an earlier CA issued, if the Secret exists."""
        with self.lock:
            self._load()
            if self.data:
                self.data = {}
                self._store()

    def _load(self) -> None:
        with self.cloud.view() as tx:
            body: dict[str, Any] | None = tx.get(SECRET, self._key)
        self.data = None
        if body is not None:
            self.version = int(body["metadata"]["resourceVersion"])
            self.data = {key: base64.b64decode(value) for key, value in (body.get("data") or {}).items()}

    def _store(self) -> None:
        encoded = {key: base64.b64encode(value).decode() for key, value in (self.data or {}).items()}
        with self.cloud.change("hand") as tx:
            self.version = tx.next_number("resource versions")
            change(tx, SECRET, self._key, "data", encoded)
            body = tx.get(SECRET, self._key) or {}
            body["metadata"]["resourceVersion"] = str(self.version)
            tx.put(SECRET, self._key, body)
