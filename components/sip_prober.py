"""The SIP prober, as the cluster runs it: what it does is in `verify/prober.py`."""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from components.sdk.kubernetes import ConfigMap
from components.workload import DNS_PORT, Workload, both, pods
from inventory.endpoint import Endpoint
from inventory.outputs import Inventory
from settings import Settings
from settings.alerts import Probe

STATUS_PORT = 9064
FOLDER, FILE = "/etc/warp-probe", "probe.json"
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
    workload = Workload(args.probe.name, args.settings.ingress.namespace, args.settings.labels, STATUS_PORT)
    ConfigMap(f"{name}-probe", {"metadata": workload.metadata(), "data": {FILE: text}}, opts)
    workload.deploy(f"{name}-prober", _pod(args, workload), {"checksum/config": text.apply(_checksum)}, opts)
    reached = text.apply(lambda known: workload.answers(list(_reached(args, known))))
    workload.restrict(f"{name}-prober-network", reached, opts)
    workload.monitor(f"{name}-prober-monitoring", opts)


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


def _reached(args: ProberArgs, text: str) -> Iterator[dict[str, Any]]:
    """DNS, its targets, and the SIP proxies' pods: the node sends packets for a LoadBalancer's address straight to a
    pod, and the policy is applied to where they arrive."""
    targets: Sequence[Mapping[str, Any]] = json.loads(text)["targets"]
    ports = sorted({(PROTOCOLS[each["transport"]], each["port"]) for each in targets})
    yield {"ports": both(DNS_PORT)}
    yield {
        "to": [pods(args.settings.ingress.selector)],
        "ports": [{"protocol": protocol, "port": port} for protocol, port in ports],
    }
    for each in targets:
        yield {
            "to": [{"ipBlock": {"cidr": str(ipaddress.ip_network(each["address"]))}}],
            "ports": [{"protocol": PROTOCOLS[each["transport"]], "port": each["port"]}],
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


def _pod(args: ProberArgs, workload: Workload) -> dict[str, Any]:
    probe, enforcement = args.probe, args.settings.trunk_acl.enforcement
    image = probe.image or (enforcement.reloader.image if enforcement and enforcement.reloader else None)
    usual = workload.container("prober", image, cpu=probe.cpu, memory=probe.memory)
    container = {
        **usual,
        "readinessProbe": usual["livenessProbe"],
        "command": ["python", "-m", "verify.prober"],
        "env": [{"name": "WARP_PROBE_CONFIG", "value": f"{FOLDER}/{FILE}"}],
        "volumeMounts": [{"name": "config", "mountPath": FOLDER, "readOnly": True}],
    }
    return {
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": probe.name}}],
        "automountServiceAccountToken": False,
    }


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
