"""Rules common to many Google resources: names, labels, the contents of a new project."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

from local_cloud.cloud import Transaction, now
from local_cloud.errors import CheckFailure, google_text
from local_cloud.links import relative, self_link
from local_cloud.values import UNKNOWN, Props

# Google's own wording of RFC 1035 (a letter, then letters, digits and hyphens, 63 at most).
RFC1035: Final = "(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)"
_LABEL_KEY: Final = re.compile(r"[^\W\dA-Z_](?:[^\WA-Z]|-)*")
_LABEL_VALUE: Final = re.compile(r"(?:[^\WA-Z]|-)*")

NETWORK: Final = "gcp:compute/network:Network"
SUBNETWORK: Final = "gcp:compute/subnetwork:Subnetwork"


def check_name(inputs: Props, name: str = "name") -> list[CheckFailure]:
    value = inputs.get(name)
    if value in (None, UNKNOWN) or re.fullmatch(RFC1035, str(value)):
        return []
    message = f"Invalid value for field 'resource.{name}': '{value}'. Must be a match of regex '{RFC1035}'"
    return [CheckFailure(name, google_text(400, message, "invalid"))]


def check_labels(inputs: Props, name: str = "labels") -> list[CheckFailure]:
    """https://docs.cloud.google.com/compute/docs/labeling-resources#requirements"""
    labels = inputs.get(name)
    if not isinstance(labels, Mapping):
        return []
    failures = []
    if len(labels) > 64:
        message = f"Invalid value for field 'resource.labels': ''. Too many labels: {len(labels)}, at most 64"
        failures.append(CheckFailure(name, google_text(400, message, "invalid")))
    for key, value in labels.items():
        if len(key) > 63 or not _LABEL_KEY.fullmatch(key):
            failures.append(_label_failure(name, key, f"key '{key}'", "key must start with a lowercase character, can"))
        if value != UNKNOWN and (len(str(value)) > 63 or not _LABEL_VALUE.fullmatch(str(value))):
            failures.append(_label_failure(name, key, f"value '{value}'", "value can"))
    return failures


def _label_failure(name: str, key: str, what: str, rule: str) -> CheckFailure:
    message = (
        f"Invalid value for field 'resource.labels': ''. Label {what} violates format constraints. The {rule} only "
        f"contain lowercase letters, numeric characters, underscores and dashes. It can be at most 63 "
        "characters long. International characters are allowed."
    )
    return CheckFailure(f"{name}.{key}", google_text(400, message, "invalid"))


def one_of(inputs: Props, name: str, allowed: tuple[str, ...]) -> list[CheckFailure]:
    """The plugin's own check of a field with a fixed set of values."""
    value = inputs.get(name)
    if value in (None, "", UNKNOWN) or value in allowed:
        return []
    return [CheckFailure(name, f"expected {name} to be one of [{', '.join(allowed)}], got {value}")]


def numeric_id(tx: Transaction) -> str:
    return str(4_100_000_000_000_000_000 + tx.next_number("numeric ids"))


def fingerprint(value: Any) -> str:
    return hashlib.sha256(repr(sorted(dict(value or {}).items())).encode()).hexdigest()[:11] + "="


def born(tx: Transaction, path: str) -> Props:
    """Fields that every Compute Engine resource gets at creation."""
    return {"creationTimestamp": now(), "selfLink": self_link(path)}


def ensure_project(tx: Transaction, project: str, region: str) -> None:
    """A project has the network `default`, with an automatic subnetwork in each region."""
    network = f"projects/{project}/global/networks/default"
    if project and tx.get(NETWORK, network) is None:
        body = {
            **born(tx, network),
            "name": "default",
            "project": project,
            "autoCreateSubnetworks": True,
            "description": "Default network for the project",
            "networkId": numeric_id(tx),
            "routingMode": "REGIONAL",
            "mtu": 1460,
            "networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL",
        }
        tx.put(NETWORK, network, {**body, "numericId": body["networkId"]})
    subnetwork = f"projects/{project}/regions/{region}/subnetworks/default"
    if project and region and tx.get(SUBNETWORK, subnetwork) is None:
        body = {
            **born(tx, subnetwork),
            "name": "default",
            "project": project,
            "region": region,
            "network": self_link(network),
            "ipCidrRange": "10.128.0.0/20",
            "gatewayAddress": "10.128.0.1",
            "privateIpGoogleAccess": False,
            "purpose": "PRIVATE",
            "stackType": "IPV4_ONLY",
            "subnetworkId": int(numeric_id(tx)),
        }
        tx.put(SUBNETWORK, subnetwork, body)


def find_network(tx: Transaction, network: str, project: str) -> tuple[str, Props] | None:
    """A network by link, path or name."""
    path = relative(network) if "/" in network else f"projects/{project}/global/networks/{network}"
    if not path.startswith("projects/"):
        path = f"projects/{project}/{path}"
    body = tx.get(NETWORK, path)
    return None if body is None else (path, body)
