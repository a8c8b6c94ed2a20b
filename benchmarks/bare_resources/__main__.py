"""So many reserved addresses and a LoadBalancer Service on each, with the inputs that `DedicatedIngress` gives them:
no model, no component, no output."""

from __future__ import annotations

import sys
from pathlib import Path

import pulumi

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
# isort: off
import components  # noqa: F401  (loads the SDKs as our own program does: their import is not what is compared)
from pulumi_gcp.compute import Address
from pulumi_kubernetes import Provider
from pulumi_kubernetes.core.v1 import Service

LABELS = {"platform": "warp", "component": "edge", "managed-by": "pulumi"}

config = pulumi.Config()
cluster = pulumi.ResourceOptions(provider=Provider("cluster"))
for number in range(config.require_int("pairs")):
    address = Address(
        f"address-{number}",
        name=f"bare-{number}-ip",
        region=config.require("region"),
        address_type="EXTERNAL",
        labels=LABELS,
    )
    Service(
        f"service-{number}",
        metadata={
            "name": f"bare-{number}",
            "namespace": "warp-core",
            "labels": LABELS,
            "annotations": {
                "pulumi.com/waitFor": "jsonpath={.status.loadBalancer.ingress[0].ip}",
                "pulumi.com/timeoutSeconds": "300",
                "networking.gke.io/load-balancer-ip-addresses": address.name,
            },
        },
        spec={
            "type": "LoadBalancer",
            "load_balancer_class": "networking.gke.io/l4-regional-external",
            "external_traffic_policy": "Local",
            "session_affinity": "ClientIP",
            "session_affinity_config": {"client_ip": {"timeout_seconds": 10800}},
            "selector": {"app": "kamailio"},
            "ports": [{"name": "sip", "port": 5060, "target_port": 15060, "protocol": "UDP"}],
        },
        opts=cluster,
    )
