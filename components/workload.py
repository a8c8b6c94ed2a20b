"""A workload of ours in the cluster: what reloader, renewer and prober have in common.

Each serves `/metrics` and its probes at one port, `status`, passes Pod Security's profile "restricted"
(kubernetes.io/docs/concepts/security/pod-security-standards), and is nothing that a call goes through.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pulumi

from components.load_balancer import SKIP_WAIT
from components.sdk.kubernetes import Deployment, NetworkPolicy, PodMonitoring, Service
from components.sdk.resource import Properties

DNS_PORT: Final = 53
PROTOCOLS: Final = ("UDP", "TCP")
SCRAPE_INTERVAL: Final = "30s"
SECURITY: Final[Mapping[str, Any]] = {
    "runAsNonRoot": True,
    "runAsUser": 65534,  # nobody
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


@dataclass(frozen=True)
class Workload:
    """`name`: of its resources, and the label `app` of its pods; `labels`: of everything; `status`: its port."""

    name: str
    namespace: str
    labels: Mapping[str, str]
    status: int

    @property
    def chosen(self) -> dict[str, str]:
        """Labels of its pods."""
        return {"app": self.name}

    def metadata(self, name: str | None = None, annotations: Mapping[str, str] | None = None) -> Properties:
        """Of a resource; `name`: where it has one of its own."""
        return {
            "name": name or self.name,
            "namespace": self.namespace,
            "labels": self.labels,
            "annotations": annotations,
        }

    def container(self, name: str, image: str | None, *, cpu: str, memory: str) -> Properties:
        """What every container of ours has."""
        return {
            "name": name,
            "image": image,
            "ports": [{"name": "status", "containerPort": self.status}],
            "livenessProbe": {"httpGet": {"path": "/healthz", "port": "status"}, "periodSeconds": 10},
            "readinessProbe": {"httpGet": {"path": "/readyz", "port": "status"}, "periodSeconds": 5},
            "resources": {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory}},
            "securityContext": SECURITY,
        }

    def deploy(
        self,
        logical_name: str,
        pod: Mapping[str, Any],
        checksums: Mapping[str, pulumi.Input[str]],
        opts: pulumi.ResourceOptions,
        *,
        replicas: int = 1,
        strategy: Mapping[str, Any] | None = None,
    ) -> None:
        """Its Deployment. `checksums`: annotations that change with what a pod reads only at its start."""
        Deployment(
            logical_name,
            {
                # An image that cannot be pulled must not block the edge.
                "metadata": self.metadata(annotations={SKIP_WAIT: "true"}),
                "spec": {
                    "replicas": replicas,
                    "strategy": strategy,
                    "selector": {"matchLabels": self.chosen},
                    "template": {
                        "metadata": {"labels": {**self.labels, **self.chosen}, "annotations": checksums},
                        "spec": pod,
                    },
                },
            },
            opts,
        )

    def restrict(self, logical_name: str, spec: pulumi.Input[Mapping[str, Any]], opts: pulumi.ResourceOptions) -> None:
        """Its NetworkPolicy, with a spec of `answers`."""
        NetworkPolicy(logical_name, {"metadata": self.metadata(), "spec": spec}, opts)

    def monitor(self, logical_name: str, opts: pulumi.ResourceOptions) -> None:
        """Its PodMonitoring."""
        spec = {
            "selector": {"matchLabels": self.chosen},
            "endpoints": [{"port": "status", "path": "/metrics", "interval": SCRAPE_INTERVAL}],
        }
        PodMonitoring(logical_name, {"metadata": self.metadata(), "spec": spec}, opts)

    def answers(self, reached: Sequence[Mapping[str, Any]] | None) -> dict[str, Any]:
        """Spec of a NetworkPolicy: everybody reaches the status port, the pods reach these; None: everything."""
        spec = {
            "podSelector": {"matchLabels": self.chosen},
            "policyTypes": ["Ingress"],
            "ingress": [{"ports": [{"protocol": "TCP", "port": self.status}]}],
        }
        return spec if reached is None else {**spec, "policyTypes": ["Ingress", "Egress"], "egress": list(reached)}


def headless_service(
    logical_name: str,
    metadata: Properties,
    pods: Mapping[str, str],
    port: Mapping[str, int],
    opts: pulumi.ResourceOptions,
) -> None:
    """By which every pod with these labels is found, ready or not. `metadata`: without annotations; `port`: one, by
    name."""
    ((name, number),) = port.items()
    Service(
        logical_name,
        {
            "metadata": {**metadata, "annotations": {SKIP_WAIT: "true"}},
            "spec": {
                "clusterIP": "None",
                "publishNotReadyAddresses": True,
                "selector": pods,
                "ports": [{"name": name, "port": number, "targetPort": number, "protocol": "TCP"}],
            },
        },
        opts,
    )


def pods(labels: Mapping[str, str]) -> dict[str, Any]:
    """A peer of a NetworkPolicy: the pods with these labels."""
    return {"podSelector": {"matchLabels": labels}}


def both(port: int) -> list[dict[str, Any]]:
    """A port over UDP and TCP."""
    return [{"protocol": protocol, "port": port} for protocol in PROTOCOLS]


def checksum(data: Mapping[str, str]) -> str:
    """SHA-256 of a ConfigMap's or Secret's content, in hexadecimal."""
    return hashlib.sha256(canonical(data)).hexdigest()


def canonical(data: Mapping[str, str]) -> bytes:
    """The same for the same content."""
    return json.dumps(data, sort_keys=True).encode()
