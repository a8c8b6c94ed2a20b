"""The renewer of the certificate, as the cluster runs it: its configuration, its pod, and whom it reaches. Pure.

What it does is in `kamailio/renewer/`. It runs the reloader's image.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pulumi

from components.acl_network import DNS_PORT, both, pods
from components.acl_reloader import NOBODY
from settings.dns import Dns
from settings.ingress import Ingress
from settings.tls import Tls
from settings.tls_rules import challenge_host
from settings.trunk_acl import Reloader

STATUS_PORT = 9063  # /metrics for Prometheus, /healthz, /readyz
CONFIGURATION, ROOTS = "renewer.json", "directory-roots.pem"
MOUNTED, CREDENTIALS = "/etc/warp-tls", "/run/secrets/warp-tls"
GANDI_TOKEN, HMAC_KEY = "gandi-token", "eab-hmac-key"
VARIABLES = {GANDI_TOKEN: "WARP_TLS_GANDI_TOKEN_FILE", HMAC_KEY: "WARP_TLS_EAB_HMAC_FILE"}
RPC_KEY = "WARP_ACL_RPC_TOKEN"
HTTPS = 443
# Control planes: GKE's answers on 443, others on 6443. A policy sees the address behind the Service `kubernetes`.
API_PORTS = (HTTPS, 6443)
# docs.cloud.google.com/kubernetes-engine/docs/how-to/network-policy, "Network policy and Workload Identity Federation":
# the metadata server, with Dataplane V2 and without.
METADATA = (("169.254.169.254/32", 80), ("169.254.169.252/32", 988))


@dataclass(frozen=True)
class Renewal:
    """All that the renewer is configured with. `names`: the domain first; `sips`: the proxies' TLS port."""

    tls: Tls
    names: Sequence[str]
    dns: Dns
    project: str
    ingress: Ingress
    reloader: Reloader

    @property
    def chosen(self) -> dict[str, str]:
        """Labels of its pod."""
        return {"app": self.tls.name}

    @property
    def at_cloud_dns(self) -> bool:
        """Whether the challenges are there."""
        return challenge_host(self.tls, self.dns) == "cloud-dns"

    @property
    def zone(self) -> str:
        """The challenges' managed zone at Cloud DNS; the settings let no other through."""
        own = self.tls.challenge.zone or (self.dns.zone.name if self.dns.zone else "")
        assert own
        return own

    @property
    def shown_at(self) -> int:
        """The port at which a proxy shows its certificate."""
        ports = self.ingress.tcp.ports
        return ports.get("sips") or ports["wss"]


def configuration(of: Renewal) -> dict[str, str]:
    """The ConfigMap's files."""
    tls, domain = of.tls, of.tls.challenge.domain or of.dns.domain
    host: dict[str, str] = {"host": "gandi", "api": f"{of.dns.gandi.api}/v5", "zone": domain}
    if of.at_cloud_dns:
        host = {
            "host": "cloudDns",
            "api": "https://dns.googleapis.com",
            "project": of.project,
            "zone": of.zone,
            "domain": domain,
        }
    document = {
        "directory": tls.directory,
        "directoryRoots": f"{MOUNTED}/{ROOTS}" if tls.issuer_roots else None,
        "contact": [f"mailto:{each}" for each in tls.contact],
        "externalAccount": {"keyId": tls.external_account_key_id} if tls.external_account_key_id else None,
        "profile": tls.profile,
        "key": tls.key,
        "names": list(of.names),
        "renewAtRemaining": tls.renew_at_percent / 100,
        "dns": host,
        "challengeDomain": tls.challenge.domain,
        "nameServers": list(tls.name_servers) or None,
        "secret": {"namespace": of.ingress.namespace, "name": tls.secret},
    }
    given = {key: value for key, value in document.items() if value is not None}
    roots = {ROOTS: tls.issuer_roots} if tls.issuer_roots else {}
    return {CONFIGURATION: json.dumps(given, indent=2) + "\n", **roots}


def pod(of: Renewal, rpc_secret: pulumi.Input[str], credentials: Sequence[str]) -> dict[str, Any]:
    """The pod's spec. `rpc_secret`: Secret with the proxies' RPC token; `credentials`: files of its own Secret."""
    reloader, tls = of.reloader, of.tls
    container: dict[str, Any] = {
        "name": "renewer",
        "image": reloader.image,
        "command": ["python", "-m", "kamailio.renewer"],
        "env": [
            {"name": "WARP_TLS_CONFIG", "value": f"{MOUNTED}/{CONFIGURATION}"},
            {"name": "WARP_ACL_PROXIES", "value": f"{reloader.service}.{of.ingress.namespace}.svc"},
            {"name": "WARP_TLS_RPC_PORT", "value": str(tls.reload_port)},
            {"name": "WARP_TLS_PORT", "value": str(of.shown_at)},
            # This one key alone: the Secret has the database's password as well.
            {"name": RPC_KEY, "valueFrom": {"secretKeyRef": {"name": rpc_secret, "key": RPC_KEY}}},
            *({"name": VARIABLES[each], "value": f"{CREDENTIALS}/{each}"} for each in credentials),
        ],
        "ports": [{"name": "status", "containerPort": STATUS_PORT}],
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": "status"}, "periodSeconds": 10},
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "status"}, "periodSeconds": 5},
        "resources": {"requests": {"cpu": tls.cpu, "memory": tls.memory}, "limits": {"memory": tls.memory}},
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": NOBODY,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [
            {"name": "configuration", "mountPath": MOUNTED, "readOnly": True},
            {"name": "temporary", "mountPath": "/tmp"},  # noqa: S108
            *([{"name": "credentials", "mountPath": CREDENTIALS, "readOnly": True}] if credentials else ()),
        ],
    }
    volumes: list[dict[str, Any]] = [
        {"name": "configuration", "configMap": {"name": tls.name}},
        {"name": "temporary", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
    ]
    if credentials:
        volumes.append({"name": "credentials", "secret": {"secretName": f"{tls.name}-credentials"}})
    return {
        "containers": [container],
        "serviceAccountName": tls.name,
        "automountServiceAccountToken": True,  # it writes the Secret
        "volumes": volumes,
    }


def network_policy(of: Renewal) -> dict[str, Any]:
    """It answers on its status port, and reaches DNS, the CA, the zone's host, the Kubernetes API and the proxies."""
    ca, tls = urlsplit(of.tls.directory or ""), of.tls
    https = sorted({*API_PORTS, ca.port or HTTPS, urlsplit(of.dns.gandi.api).port or HTTPS})
    asked = sorted({DNS_PORT, *(int(each.rpartition(":")[2]) for each in tls.name_servers)})
    metadata = [
        {"to": [{"ipBlock": {"cidr": cidr}}], "ports": [{"protocol": "TCP", "port": port}]} for cidr, port in METADATA
    ]
    return {
        "podSelector": {"matchLabels": of.chosen},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"ports": [{"protocol": "TCP", "port": STATUS_PORT}]}],
        "egress": [
            {"ports": [each for port in asked for each in both(port)]},
            {"ports": [{"protocol": "TCP", "port": port} for port in https]},
            *(metadata if of.at_cloud_dns else ()),
            {
                "to": [pods(of.ingress.selector)],
                "ports": [{"protocol": "TCP", "port": port} for port in (tls.reload_port, of.shown_at)],
            },
        ],
    }


def checksum(data: Mapping[str, str]) -> str:
    """SHA-256, in hexadecimal. Of credentials as well: they are random, and long enough not to be guessed."""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
