"""So many reserved addresses and a LoadBalancer Service on each: plain inputs, no model, no component, no output."""

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

config = pulumi.Config()
cluster = pulumi.ResourceOptions(provider=Provider("cluster"))
for number in range(config.require_int("pairs")):
    address = Address(
        f"address-{number}", name=f"bare-{number}-ip", region=config.require("region"), address_type="EXTERNAL"
    )
    Service(
        f"service-{number}",
        metadata={
            "name": f"bare-{number}",
            "namespace": "warp-core",
            "annotations": {
                "pulumi.com/waitFor": "jsonpath={.status.loadBalancer.ingress[0].ip}",
                "networking.gke.io/load-balancer-ip-addresses": address.name,
            },
        },
        spec={
            "type": "LoadBalancer",
            "load_balancer_class": "networking.gke.io/l4-regional-external",
            "external_traffic_policy": "Local",
            "selector": {"app": "kamailio"},
            "ports": [{"name": "sip", "port": 5060, "target_port": 15060, "protocol": "UDP"}],
        },
        opts=cluster,
    )
