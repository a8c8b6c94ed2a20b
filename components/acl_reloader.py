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
from components.sdk.kubernetes import NetworkPolicy, PodDisruptionBudget
from components.workload import SECURITY, Workload, headless_service
from settings.ingress import Ingress
from settings.tls import RELOAD_PORT, Tls
from settings.trunk_acl import Reloader

# Where the ConfigMap is mounted (kamailio/README.md).
MOUNTED = "/etc/kamailio/warp"
STATUS_PORT = 9062  # /metrics for Prometheus, /healthz, /readyz, /snapshot
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
    reloader, ingress = args.reloader, args.ingress
    workload = Workload(reloader.name, ingress.namespace, args.labels, STATUS_PORT)
    # A SIP proxy may be unready because it has no table yet.
    headless_service(
        f"{name}-proxies", workload.metadata(reloader.service), ingress.selector, {"rpc": reloader.port}, opts
    )
    # By which a proxy finds every reloader: when the database is away, and no reloader is ready.
    headless_service(f"{name}-snapshot", workload.metadata(), workload.chosen, {"status": STATUS_PORT}, opts)
    workload.deploy(
        f"{name}-reloader",
        _pod(args, workload),
        args.checksums,
        opts,
        replicas=reloader.replicas,
        # One at a time: the other takes over. A new one that the database refuses ends the update.
        strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
    )
    if reloader.replicas > 1:
        PodDisruptionBudget(
            f"{name}-disruptions",
            {
                "metadata": workload.metadata(),
                "spec": {"maxUnavailable": 1, "selector": {"matchLabels": workload.chosen}},
            },
            opts,
        )
    if reloader.network_policies:
        tls = args.tls
        network = Network(
            ingress.selector,
            workload,
            reloader.port,
            tuple(args.openings),
            RELOAD_PORT if tls else None,
            {"app": tls.name} if tls and tls.issuer else None,
        )
        NetworkPolicy(
            f"{name}-proxies-network",
            {"metadata": workload.metadata(reloader.service), "spec": of_proxies(network)},
            opts,
        )
        reached = None if reloader.database_proxy else args.database
        workload.restrict(f"{name}-reloader-network", of_reloader(network, reached), opts)
    if reloader.pod_monitoring:
        workload.monitor(f"{name}-monitoring", opts)


def _pod(args: ReloaderArgs, workload: Workload) -> dict[str, Any]:
    reloader, chosen = args.reloader, workload.chosen
    container = {
        # One that hangs keeps the lease: it is ended a minute after its last sign of life.
        **workload.container("reloader", reloader.image, cpu=reloader.cpu, memory=reloader.memory),
        "envFrom": [{"secretRef": {"name": args.secret}}],
        "env": [
            {"name": "WARP_ACL_PROXIES", "value": f"{reloader.service}.{workload.namespace}.svc"},
            {"name": "WARP_ACL_RPC_PORT", "value": str(reloader.port)},
            {"name": "WARP_ACL_TABLE", "value": args.table},
            {"name": "WARP_ACL_STATUS_LISTEN", "value": f"0.0.0.0:{STATUS_PORT}"},
            *acl_snapshot.environment(args.snapshot_hours),
        ],
        "volumeMounts": [{"name": "fragments", "mountPath": MOUNTED, "readOnly": True}, acl_snapshot.MOUNT],
    }
    return {
        "containers": [
            container,
            *acl_database_proxy.containers(reloader.database_proxy, args.database_instance, SECURITY),
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
