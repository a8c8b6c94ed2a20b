"""The reloader of the trunk ACL, as the cluster runs it, and the headless Service by which it finds every SIP proxy.

What it does is in `kamailio/reloader/`; what it reads, ConfigMap and Secret, is `AclEnforcement`'s. Why there are two
of it: kamailio/README.md, "Two reloaders". Who may reach whom: `acl_network.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from components import acl_database_proxy, acl_snapshot
from components.acl_network import Network, Opening, of_proxies, of_reloader
from components.load_balancer import SKIP_WAIT
from components.sdk.kubernetes import Deployment, NetworkPolicy, PodDisruptionBudget, PodMonitoring, Service
from components.sdk.resource import Properties
from settings.ingress import Ingress
from settings.tls import Tls
from settings.trunk_acl import Reloader

# Where the ConfigMap is mounted (kamailio/README.md).
MOUNTED = "/etc/kamailio/warp"
NOBODY = 65534
STATUS_PORT = 9062  # /metrics for Prometheus, /healthz, /readyz, /snapshot
SCRAPE_INTERVAL = "30s"
# A node that is lost keeps its pods for 300 s by default. Another reloader leads by then; this one is to be replaced.
EVICTED_AFTER_SECONDS = 5


@dataclass(frozen=True)
class ReloaderArgs:
    """`config_map`, `secret`: their names; `checksums`: annotations of the pod template that change with the content of
    both; `database`: address; `openings`: ports of the proxies' pods that are known to have callers; `tls`: whose
    renewer calls the proxies as well."""

    reloader: Reloader
    ingress: Ingress
    table: str
    labels: Mapping[str, str]
    config_map: pulumi.Output[str]
    secret: pulumi.Output[str]
    checksums: Mapping[str, pulumi.Input[str]]
    database: pulumi.Output[str]
    openings: Sequence[Opening]
    snapshot_hours: int
    database_instance: pulumi.Output[list[str]]
    tls: Tls | None = None


def declare_reloader(name: str, args: ReloaderArgs, opts: pulumi.ResourceOptions) -> None:
    """Declare its resources; their logical names begin with `name`."""
    reloader, namespace = args.reloader, args.ingress.namespace
    chosen = {"app": reloader.name}
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
    acl_snapshot.declare_service(name, _metadata(args, reloader.name), chosen, STATUS_PORT, opts)
    Deployment(
        f"{name}-reloader",
        {
            # An image that cannot be pulled must not block the edge; the proxies keep their table.
            "metadata": _metadata(args, reloader.name, {SKIP_WAIT: "true"}),
            "spec": {
                "replicas": reloader.replicas,
                # One at a time: the other takes over. A new one that the database refuses ends the update.
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
                "selector": {"matchLabels": chosen},
                "template": {
                    "metadata": {"labels": {**args.labels, **chosen}, "annotations": args.checksums},
                    "spec": _pod(args, chosen, f"{reloader.service}.{namespace}.svc"),
                },
            },
        },
        opts,
    )
    if reloader.replicas > 1:
        PodDisruptionBudget(
            f"{name}-disruptions",
            {
                "metadata": _metadata(args, reloader.name),
                "spec": {"maxUnavailable": 1, "selector": {"matchLabels": chosen}},
            },
            opts,
        )
    if reloader.network_policies:
        tls = args.tls
        network = Network(
            args.ingress.selector,
            chosen,
            reloader.port,
            STATUS_PORT,
            tuple(args.openings),
            tls.reload_port if tls else None,
            {"app": tls.name} if tls and tls.issuer else None,
        )
        for role, metadata, spec in (
            ("proxies", _metadata(args, reloader.service), of_proxies(network)),
            (
                "reloader",
                _metadata(args, reloader.name),
                of_reloader(network, None if reloader.database_proxy else args.database),
            ),
        ):
            NetworkPolicy(f"{name}-{role}-network", {"metadata": metadata, "spec": spec}, opts)
    if reloader.pod_monitoring:
        PodMonitoring(
            f"{name}-monitoring",
            {
                "metadata": _metadata(args, reloader.name),
                "spec": {
                    "selector": {"matchLabels": chosen},
                    "endpoints": [{"port": "status", "path": "/metrics", "interval": SCRAPE_INTERVAL}],
                },
            },
            opts,
        )


def _pod(args: ReloaderArgs, chosen: Mapping[str, str], proxies: str) -> dict[str, Any]:
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
        # One that hangs keeps the lease: it is ended a minute after its last sign of life.
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": "status"}, "periodSeconds": 10},
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "status"}, "periodSeconds": 5},
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
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": "fragments", "mountPath": MOUNTED, "readOnly": True}, acl_snapshot.MOUNT],
    }
    return {
        "containers": [
            container,
            *acl_database_proxy.containers(
                reloader.database_proxy, args.database_instance, container["securityContext"]
            ),
        ],
        **acl_database_proxy.service_account(reloader),
        "volumes": [{"name": "fragments", "configMap": {"name": args.config_map}}, acl_snapshot.VOLUME],
        "automountServiceAccountToken": False,
        "topologySpreadConstraints": [
            # Never two on one node; a node that is lost does not count.
            _spread("kubernetes.io/hostname", "DoNotSchedule", chosen) | {"nodeTaintsPolicy": "Honor"},
            _spread("topology.kubernetes.io/zone", "ScheduleAnyway", chosen),
        ],
        "tolerations": [
            {
                "key": f"node.kubernetes.io/{state}",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": EVICTED_AFTER_SECONDS,
            }
            for state in ("not-ready", "unreachable")
        ],
    }


def _spread(over: str, otherwise: str, chosen: Mapping[str, str]) -> dict[str, Any]:
    """Of the pods of one revision: those of the last one must not hold back an update's."""
    return {
        "maxSkew": 1,
        "topologyKey": over,
        "whenUnsatisfiable": otherwise,
        "labelSelector": {"matchLabels": chosen},
        "matchLabelKeys": ["pod-template-hash"],
    }


def _metadata(args: ReloaderArgs, name: str, annotations: Mapping[str, str] | None = None) -> Properties:
    return {
        "name": name,
        "namespace": args.ingress.namespace,
        "labels": args.labels,
        "annotations": annotations,
    }
