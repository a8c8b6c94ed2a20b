"""The renewer of the certificate, as the cluster runs it: its configuration, its pod, and whom it reaches. Pure.

What it does is in `kamailio/renewer/`. It runs the reloader's image.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pulumi

from components.acl_enforcement import RPC_KEY, RPC_KEY_BEFORE
from components.workload import DNS_PORT, Workload, both, pods
from settings import Settings
from settings.dns import Dns
from settings.ingress import Ingress
from settings.tls import RELOAD_PORT, Tls
from settings.tls_rules import challenge_host
from settings.trunk_acl import Reloader

STATUS_PORT = 9063  # /metrics for Prometheus, /healthz, /readyz
CONFIGURATION, ROOTS = "renewer.json", "directory-roots.pem"
MOUNTED, CREDENTIALS = "/etc/warp-tls", "/run/secrets/warp-tls"
GANDI_TOKEN, HMAC_KEY = "gandi-token", "eab-hmac-key"
VARIABLES = {GANDI_TOKEN: "WARP_TLS_GANDI_TOKEN_FILE", HMAC_KEY: "WARP_TLS_EAB_HMAC_FILE"}
HTTPS = 443
# Control planes: GKE's answers on 443, others on 6443. A policy sees the address behind the Service `kubernetes`.
API_PORTS = (HTTPS, 6443)
# docs.cloud.google.com/kubernetes-engine/docs/how-to/network-policy, "Network policy and Workload Identity Federation":
# the metadata server, with Dataplane V2 and without.
METADATA = (("169.254.169.254/32", 80), ("169.254.169.252/32", 988))


@dataclass(frozen=True)
class Renewal:
    """All that the renewer is configured with; `tls` and `reloader` are those of `settings`. `names`: the domain first;
    `rotated`: whether there is an RPC token of before."""

    settings: Settings
    tls: Tls
    reloader: Reloader
    names: Sequence[str]
    rotated: bool

    @property
    def dns(self) -> Dns:
        """The zone."""
        return self.settings.dns

    @property
    def ingress(self) -> Ingress:
        """The proxies."""
        return self.settings.ingress

    @property
    def workload(self) -> Workload:
        """What it is in the cluster."""
        return Workload(self.tls.name, self.ingress.namespace, self.settings.labels, STATUS_PORT)

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
            "project": of.settings.project,
            "zone": of.zone,
            "domain": domain,
        }
    document = {
        "directory": tls.directory,
        "directoryRoots": f"{MOUNTED}/{ROOTS}" if tls.issuer_roots else None,
        "contact": [f"mailto:{each}" for each in tls.contact] or None,
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
    container = {
        **of.workload.container("renewer", reloader.image, cpu=tls.cpu, memory=tls.memory),
        "command": ["python", "-m", "kamailio.renewer"],
        "env": [
            {"name": "WARP_TLS_CONFIG", "value": f"{MOUNTED}/{CONFIGURATION}"},
            {"name": "WARP_ACL_PROXIES", "value": f"{reloader.service}.{of.ingress.namespace}.svc"},
            {"name": "WARP_TLS_RPC_PORT", "value": str(RELOAD_PORT)},
            {"name": "WARP_TLS_PORT", "value": str(of.shown_at)},
            # These keys alone: the Secret has the database's password as well.
            *(
                {"name": key, "valueFrom": {"secretKeyRef": {"name": rpc_secret, "key": key}}}
                for key in (RPC_KEY, *([RPC_KEY_BEFORE] if of.rotated else ()))
            ),
            *({"name": VARIABLES[each], "value": f"{CREDENTIALS}/{each}"} for each in credentials),
        ],
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
    return of.workload.answers(
        [
            {"ports": [each for port in asked for each in both(port)]},
            {"ports": [{"protocol": "TCP", "port": port} for port in https]},
            *(metadata if of.at_cloud_dns else ()),
            {
                "to": [pods(of.ingress.selector)],
                "ports": [{"protocol": "TCP", "port": port} for port in (RELOAD_PORT, of.shown_at)],
            },
        ]
    )
