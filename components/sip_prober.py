"""The SIP prober, as the cluster runs it: what it does is in `verify/prober.py`."""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from components.acl_network import DNS_PORT
from components.load_balancer import SKIP_WAIT
from components.sdk.kubernetes import ConfigMap, Deployment, NetworkPolicy, PodMonitoring
from components.sdk.resource import Properties
from inventory.endpoint import Endpoint
from inventory.outputs import Inventory
from settings import Settings
from settings.alerts import Probe

STATUS_PORT = 9064
FOLDER, FILE = "/etc/warp-probe", "probe.json"
SCRAPE_INTERVAL = "30s"
NOBODY = 65534
TRANSPORTS = {"UDP": "udp", "TCP": "tcp", "TLS": "tls"}  # as endpoints have them, and the prober
PROTOCOLS = {"udp": "UDP", "tcp": "TCP", "tls": "TCP"}


@dataclass(frozen=True)
class ProberArgs:
    """`promised`: the plan, with names for addresses; `addresses`: IP by name."""

    probe: Probe
    settings: Settings
    promised: Inventory
    addresses: Mapping[str, pulumi.Output[str]]


def declare_prober(name: str, args: ProberArgs, opts: pulumi.ResourceOptions) -> None:
    """Declare its resources; their logical names begin with `name`."""
    text = pulumi.Output.all(**_wanted(args)).apply(lambda found: configuration(args, found))
    chosen = {"app": args.probe.name}
    ConfigMap(f"{name}-probe", {"metadata": _metadata(args), "data": {FILE: text}}, opts)
    Deployment(
        f"{name}-prober",
        {
            "metadata": _metadata(args, {SKIP_WAIT: "true"}),
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": chosen},
                "template": {
                    "metadata": {
                        "labels": {**args.settings.labels, **chosen},
                        # A pod reads the file only at its start.
                        "annotations": {"checksum/config": text.apply(_checksum)},
                    },
                    "spec": _pod(args),
                },
            },
        },
        opts,
    )
    NetworkPolicy(
        f"{name}-prober-network",
        {
            "metadata": _metadata(args),
            "spec": text.apply(lambda known: network_policy(args, chosen, known)),
        },
        opts,
    )
    PodMonitoring(
        f"{name}-prober-monitoring",
        {
            "metadata": _metadata(args),
            "spec": {
                "selector": {"matchLabels": chosen},
                "endpoints": [{"port": "status", "path": "/metrics", "interval": SCRAPE_INTERVAL}],
            },
        },
        opts,
    )


def endpoints(args: ProberArgs) -> list[Endpoint]:
    """Of this stack, those that the prober asks. A dedicated address serves its customer alone."""
    if not args.probe.own:
        return []
    return [
        each
        for each in args.promised.endpoints
        if each.customer is None and TRANSPORTS.get(each.transport) in args.probe.transports
    ]


def names(args: ProberArgs) -> dict[str, list[str]]:
    """Host name, with the dot at its end -> names of the reserved addresses that it resolves to."""
    found: dict[str, list[str]] = {}
    for record in args.promised.records if args.probe.own else ():
        if record.type in ("A", "AAAA") and record.customer is None:
            found.setdefault(record.name, []).extend(record.data)
    return found


def configuration(args: ProberArgs, found: Mapping[str, str]) -> str:
    """The prober's JSON, with the IPs of the names in `found`."""
    targets = [*_own(args, found), *_others(args)]
    document = {
        "targets": targets,
        "names": {name: sorted(found[each] for each in addresses) for name, addresses in names(args).items()},
        "everySeconds": args.probe.every_seconds,
        "expected": args.probe.expected,
    }
    return json.dumps(document, indent=1, sort_keys=True)


def network_policy(args: ProberArgs, chosen: Mapping[str, str], text: str) -> dict[str, Any]:
    """It answers on its status port, and reaches DNS, its targets, and the SIP proxies' pods: the node sends packets
    for a LoadBalancer's address straight to a pod, and the policy is applied to where they arrive."""
    targets: Sequence[Mapping[str, Any]] = json.loads(text)["targets"]
    ports = sorted({(PROTOCOLS[each["transport"]], each["port"]) for each in targets})
    return {
        "podSelector": {"matchLabels": chosen},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"ports": [{"protocol": "TCP", "port": STATUS_PORT}]}],
        "egress": [
            {"ports": [{"protocol": protocol, "port": DNS_PORT} for protocol in ("UDP", "TCP")]},
            {
                "to": [{"podSelector": {"matchLabels": args.settings.ingress.selector}}],
                "ports": [{"protocol": protocol, "port": port} for protocol, port in ports],
            },
            *(
                {
                    "to": [{"ipBlock": {"cidr": str(ipaddress.ip_network(each["address"]))}}],
                    "ports": [{"protocol": PROTOCOLS[each["transport"]], "port": each["port"]}],
                }
                for each in targets
            ),
        ],
    }


def _wanted(args: ProberArgs) -> dict[str, pulumi.Output[str]]:
    """IPs that the configuration has."""
    needed = {each.address for each in endpoints(args)} | {name for each in names(args).values() for name in each}
    return {name: args.addresses[name] for name in sorted(needed)}


def _own(args: ProberArgs, found: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for each in endpoints(args):
        yield _target(found[each.address], each.port, TRANSPORTS[each.transport], each.server)


def _others(args: ProberArgs) -> Iterator[dict[str, Any]]:
    for name, each in args.probe.targets.items():
        yield {**_target(each.address, each.port, each.transport, each.server_name), "name": name}


def _target(address: str, port: int, transport: str, server: str | None) -> dict[str, Any]:
    host = f"[{address}]" if ":" in address else address
    found = {"name": f"{host}:{port}", "address": address, "port": port, "transport": transport}
    return found | ({"serverName": server} if server else {})


def _pod(args: ProberArgs) -> dict[str, Any]:
    probe, enforcement = args.probe, args.settings.trunk_acl.enforcement
    image = probe.image or (enforcement.reloader.image if enforcement and enforcement.reloader else None)
    alive = {"httpGet": {"path": "/healthz", "port": "status"}, "periodSeconds": 10}
    return {
        "containers": [
            {
                "name": "prober",
                "image": image,
                "command": ["python", "-m", "verify.prober"],
                "env": [{"name": "WARP_PROBE_CONFIG", "value": f"{FOLDER}/{FILE}"}],
                "ports": [{"name": "status", "containerPort": STATUS_PORT}],
                "livenessProbe": alive,
                "readinessProbe": alive,
                "resources": {
                    "requests": {"cpu": probe.cpu, "memory": probe.memory},
                    "limits": {"memory": probe.memory},
                },
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": NOBODY,
                    "readOnlyRootFilesystem": True,
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "volumeMounts": [{"name": "config", "mountPath": FOLDER, "readOnly": True}],
            }
        ],
        "volumes": [{"name": "config", "configMap": {"name": probe.name}}],
        "automountServiceAccountToken": False,
    }


def _metadata(args: ProberArgs, annotations: Mapping[str, str] | None = None) -> Properties:
    return {
        "name": args.probe.name,
        "namespace": args.settings.ingress.namespace,
        "labels": args.settings.labels,
        "annotations": annotations,
    }


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
