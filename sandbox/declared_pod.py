"""A pod that the stack declared in the local cloud's cluster, as a kubelet reads it: command, environment, files."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sandbox.layout import SandboxError

if TYPE_CHECKING:
    from local_cloud.cloud import Transaction

CONFIG_MAP: Final = "kubernetes:core/v1:ConfigMap"
SECRET: Final = "kubernetes:core/v1:Secret"
DEPLOYMENT: Final = "kubernetes:apps/v1:Deployment"


@dataclass(frozen=True)
class Pod:
    """`files`: path in the container to content; `template`: changes when the Deployment would replace its pods."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    files: Mapping[str, bytes] = field(repr=False)
    account: str
    template: str

    def mount(self, folder: Path) -> dict[str, str]:
        """Write the files below this folder. Returns the environment, in which a file's path is the one written to."""
        for path, content in self.files.items():
            private(folder / path.lstrip("/"), content)
        return {
            name: str(folder / value.lstrip("/")) if value in self.files else value
            for name, value in self.environment.items()
        }


def declared(tx: Transaction, namespace: str, deployment: str) -> Pod | None:
    """The pod of a Deployment with one container; None: there is no such Deployment. `namespace`: CLUSTER/NAMESPACE.

    Raises `SandboxError` where a pod would wait for a ConfigMap or Secret that does not exist."""
    body = tx.get(DEPLOYMENT, f"{namespace}/{deployment}")
    if body is None:
        return None
    template = body["spec"]["template"]
    spec = template["spec"]
    (container,) = spec["containers"]
    volumes = {each["name"]: _content(tx, namespace, each) for each in spec.get("volumes") or ()}
    return Pod(
        tuple(container["command"]),
        {each["name"]: _value(tx, namespace, each) for each in container.get("env") or ()},
        {
            f"{mount['mountPath']}/{name}": content
            for mount in container.get("volumeMounts") or ()
            for name, content in volumes[mount["name"]].items()
        },
        spec["serviceAccountName"],
        hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest(),
    )


def data_of(tx: Transaction, type_: str, namespace: str, name: str) -> dict[str, bytes]:
    """The content of a ConfigMap or Secret. Raises `SandboxError` where it does not exist."""
    body = tx.get(type_, f"{namespace}/{name}")
    if body is None:
        raise SandboxError(f"there is no {type_.rpartition(':')[2]} {name} in {namespace}\n  -> make up")
    data: dict[str, str] = body.get("data") or {}
    return {key: base64.b64decode(text) if type_ == SECRET else text.encode() for key, text in data.items()}


def private(file: Path, content: bytes) -> None:
    """Written so that only the owner can read it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(0o600)
    file.write_bytes(content)


def _content(tx: Transaction, namespace: str, volume: Mapping[str, Any]) -> dict[str, bytes]:
    if "configMap" in volume:
        return data_of(tx, CONFIG_MAP, namespace, volume["configMap"]["name"])
    if "secret" in volume:
        return data_of(tx, SECRET, namespace, volume["secret"]["secretName"])
    return {}


def _value(tx: Transaction, namespace: str, variable: Mapping[str, Any]) -> str:
    if "valueFrom" not in variable:
        return str(variable["value"])
    reference = variable["valueFrom"]["secretKeyRef"]
    return data_of(tx, SECRET, namespace, reference["name"])[reference["key"]].decode()
