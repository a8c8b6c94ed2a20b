"""So many reserved addresses and a LoadBalancer Service on each, with the inputs that `DedicatedIngress` gives them:
no model, no component, no output."""

from __future__ import annotations

import sys
from pathlib import Path

import pulumi

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from pulumi_kubernetes import Provider

# Declared as our own program does it: the import of the generated classes is not what is compared.
from components.sdk.google import Address
from components.sdk.kubernetes import Service

LABELS = {"platform": "warp", "component": "edge", "managed-by": "pulumi"}

config = pulumi.Config()
cluster = pulumi.ResourceOptions(provider=Provider("cluster"))
for number in range(config.require_int("pairs")):
    address = Address(
        f"address-{number}",
        {"name": f"bare-{number}-ip", "region": config.require("region"), "addressType": "EXTERNAL", "labels": LABELS},
    )
    Service(
        f"service-{number}",
        {
            "metadata": {
                "name": f"bare-{number}",
                "namespace": "warp-core",
                "labels": LABELS,
                "annotations": {
                    "pulumi.com/waitFor": "jsonpath={.status.loadBalancer.ingress[0].ip}",
                    "pulumi.com/timeoutSeconds": "300",
                    "networking.gke.io/load-balancer-ip-addresses": address.name,
                },
            },
            "spec": {
                "type": "LoadBalancer",
                "loadBalancerClass": "networking.gke.io/l4-regional-external",
                "externalTrafficPolicy": "Local",
                "sessionAffinity": "ClientIP",
                "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}},
                "selector": {"app": "kamailio"},
                "ports": [{"name": "sip", "port": 5060, "targetPort": 15060, "protocol": "UDP"}],
            },
        },
        cluster,
    )
