"""The reloader of the trunk ACL, as the cluster runs it, and the headless Service by which it finds every SIP proxy.

What it does is in `kamailio/reloader/`; what it reads, ConfigMap and Secret, is `AclEnforcement`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from components import acl_database_proxy, acl_snapshot
from components.load_balancer import SKIP_WAIT
from components.sdk.kubernetes import Deployment, Service
from components.sdk.resource import Properties
from settings.ingress import Ingress
from settings.trunk_acl import Reloader

# Where the ConfigMap is mounted (kamailio/README.md).
MOUNTED = "/etc/kamailio/warp"
NOBODY = 65534
STATUS_PORT = 9062  # /metrics for Prometheus, /healthz


@dataclass(frozen=True)
class ReloaderArgs:
    """`config_map`, `secret`: their names; `checksums`: annotations of the pod template that change with the content of
    both."""

    reloader: Reloader
    ingress: Ingress
    table: str
    labels: Mapping[str, str]
    config_map: pulumi.Output[str]
    secret: pulumi.Output[str]
    checksums: Mapping[str, pulumi.Input[str]]
    snapshot_hours: int
    database_instance: pulumi.Output[list[str]]


def declare_reloader(name: str, args: ReloaderArgs, opts: pulumi.ResourceOptions) -> None:
    """Declare its resources; their logical names begin with `name`."""
    reloader, namespace = args.reloader, args.ingress.namespace
    Service(
        f"{name}-proxies",
        {
            "metadata": _metadata(args, reloader.service, {SKIP_WAIT: "true"}),
            "spec": {
                "clusterIP": "None",
                # A SIP proxy may be unready because it has no table yet.
                "publishNotReadyAddresses": True,
                "selector": args.ingress.selector,
                "ports": [
                    {"name": "rpc", "port": reloader.port, "targetPort": reloader.port, "protocol": "TCP"},
                ],
            },
        },
        opts,
    )
    chosen = {"app": reloader.name}
    acl_snapshot.declare_service(name, _metadata(args, reloader.name), chosen, STATUS_PORT, opts)
    Deployment(
        f"{name}-reloader",
        {
            # An image that cannot be pulled must not block the edge; the proxies keep their table.
            "metadata": _metadata(args, reloader.name, {SKIP_WAIT: "true"}),
            "spec": {
                "replicas": 1,
                "strategy": {"type": "Recreate"},
                "selector": {"matchLabels": chosen},
                "template": {
                    "metadata": {"labels": {**args.labels, **chosen}, "annotations": args.checksums},
                    "spec": _pod(args, f"{reloader.service}.{namespace}.svc"),
                },
            },
        },
        opts,
    )


def _pod(args: ReloaderArgs, proxies: str) -> dict[str, Any]:
    reloader = args.reloader
    container: dict[str, Any] = {
        "name": "reloader",
        "image": reloader.image,
        "envFrom": [{"secretRef": {"name": args.secret}}],
        "env": [
            {"name": "WARP_ACL_PROXIES", "value": proxies},
            {"name": "WARP_ACL_RPC_PORT", "value": str(reloader.port)},
            {"name": "WARP_ACL_TABLE", "value": args.table},
            {"name": "WARP_ACL_STATUS_LISTEN", "value": f"0.0.0.0:{STATUS_PORT}"},
            *acl_snapshot.environment(args.snapshot_hours),
        ],
        "ports": [{"name": "status", "containerPort": STATUS_PORT}],
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": "status"}, "periodSeconds": 30},
        "resources": {
            "requests": {"cpu": reloader.cpu, "memory": reloader.memory},
            "limits": {"memory": reloader.memory},
        },
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": NOBODY,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "fragments", "mountPath": MOUNTED, "readOnly": True}, acl_snapshot.MOUNT],
    }
    fragments = {"name": "fragments", "configMap": {"name": args.config_map}}
    return {
        "containers": [
            container,
            *acl_database_proxy.containers(
                reloader.database_proxy, args.database_instance, container["securityContext"]
            ),
        ],
        **acl_database_proxy.service_account(reloader),
        "volumes": [fragments, acl_snapshot.VOLUME],
        "automountServiceAccountToken": False,
    }


def _metadata(args: ReloaderArgs, name: str, annotations: Mapping[str, str] | None = None) -> Properties:
    return {
        "name": name,
        "namespace": args.ingress.namespace,
        "labels": args.labels,
        "annotations": annotations,
    }
