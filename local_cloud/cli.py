"""The command line of a cloud. Every command goes through `process.py`; an error is one line."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from local_cloud import dns_probe
from local_cloud.cloud import WRITES
from local_cloud.faults import KINDS
from local_cloud.layout import (
    DEFAULT_DNS_PORT,
    DEFAULT_NETWORK,
    DEFAULT_NETWORKS,
    DEFAULT_PROJECT,
    DEFAULT_REGION,
    DEFAULT_STORAGE_PORT,
    LocalCloudError,
)
from local_cloud.process import LocalCloud

if TYPE_CHECKING:
    Parsers = argparse._SubParsersAction[argparse.ArgumentParser]
Command = Callable[[LocalCloud, argparse.Namespace], None]


@dataclass(frozen=True)
class CommandLine:
    """The commands of a kind of cloud: those of this module, and those that the kind adds or replaces."""

    prog: str
    description: str
    kind: type[LocalCloud]
    folder: str
    project: str = DEFAULT_PROJECT
    parsers: Callable[[Parsers], None] = lambda _: None
    commands: Mapping[str, Command] = field(default_factory=dict)

    def main(self, arguments: list[str] | None = None) -> int:
        """Run one command. Exit status: 0, or 1 with the reason on stderr."""
        given = self._parser().parse_args(arguments)
        options = {name: getattr(given, name) for name in _OPTIONS if hasattr(given, name)}
        try:
            ({**_COMMANDS, **self.commands})[given.command](self.kind(given.dir, **options), given)
        except LocalCloudError as error:
            print(f"{self.prog.split()[-1]}: {error}", file=sys.stderr)
            return 1
        return 0

    def _parser(self) -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser(prog=self.prog, description=self.description)
        parser.add_argument("--dir", type=Path, default=Path(self.folder), help="folder of the cloud (%(default)s)")
        parsers = parser.add_subparsers(dest="command", required=True)
        _add_parsers(parsers, self.project)
        self.parsers(parsers)
        return parser


_OPTIONS = ("project", "region", "network", "dns_port", "storage_port")


def _add_parsers(commands: Parsers, project: str) -> None:
    start = commands.add_parser("start", help="start the cloud and wait until it is ready")
    start.add_argument("--project", default=project)
    start.add_argument("--region", default=DEFAULT_REGION)
    start.add_argument(
        "--network",
        default=DEFAULT_NETWORKS,
        help=f"part of 127.0.0.0/8; of a comma-separated list the first free one (default {DEFAULT_NETWORK}, if free)",
    )
    start.add_argument("--dns-port", type=int, help=f"0: any free port (default {DEFAULT_DNS_PORT}, if free)")
    start.add_argument("--storage-port", type=int, help=f"0: any free port (default {DEFAULT_STORAGE_PORT}, if free)")
    commands.add_parser("stop", help="stop the cloud; its resources are kept")
    commands.add_parser("destroy", help="stop the cloud and delete everything in it")
    commands.add_parser("status", help="show process, ports, DNS")
    commands.add_parser("env", help="print shell lines that attach the engine to the cloud")
    log = commands.add_parser("log", help="list every operation on the cloud")
    log.add_argument("--writes", action="store_true", help="successful changes only")
    log.add_argument("--json", action="store_true")
    resources = commands.add_parser("resources", help="list everything in the cloud")
    resources.add_argument("--json", action="store_true")
    change = commands.add_parser("set", help="change a resource behind the engine's back")
    for name in ("type", "id", "path"):
        change.add_argument(name)
    change.add_argument("value", help="JSON or plain text")
    delete = commands.add_parser("delete", help="delete a resource behind the engine's back")
    delete.add_argument("type")
    delete.add_argument("id")
    promotion = commands.add_parser("promote", help="promote a Cloud SQL read replica to a primary instance")
    promotion.add_argument("instance")
    cluster = commands.add_parser("cluster", help="create a GKE cluster in the project")
    cluster.add_argument("name")
    workload = commands.add_parser("workload", help="create a namespace and pods labelled app=NAME in a cluster")
    for name in ("cluster", "namespace", "name"):
        workload.add_argument(name)
    domain = commands.add_parser("gandi-domain", help="register a domain at Gandi")
    domain.add_argument("name")
    fault = commands.add_parser("fault", help="turn faults on and off")
    _fault_parser(fault)
    quota = commands.add_parser("quota", help="set a quota, e.g. STATIC_ADDRESSES 400")
    quota.add_argument("metric")
    quota.add_argument("maximum", type=float)
    client = commands.add_parser("clients", help="set the regions nearest to a network, for geolocation policies")
    client.add_argument("network", help="such as 127.0.5.0/24, or an EDNS client subnet (RFC 7871)")
    client.add_argument("regions", nargs="*", help="nearest first; none: remove the network")
    query = commands.add_parser("dns-query", help="query the cloud's name server, like `dig +short`")
    query.add_argument("name")
    query.add_argument("type", nargs="?", default="A")
    query.add_argument("--from", dest="source", help="source address, one of this machine, for geolocation policies")
    query.add_argument("--gandi", action="store_true", help="query Gandi's name server instead")
    pods = commands.add_parser("pods", help="make the cluster's pods ready or not ready")
    pods.add_argument("state", choices=["ready", "not-ready"])


def _fault_parser(fault: argparse.ArgumentParser) -> None:
    actions = fault.add_subparsers(dest="action", required=True)
    add = actions.add_parser("add", help="; ".join(f"{kind}: {meaning}" for kind, meaning in KINDS.items()))
    add.add_argument("kind", choices=list(KINDS))
    add.add_argument("--type", default="", help="resource type or function (default: any)")
    add.add_argument("--op", default="", choices=["", "create", "read", "update", "delete", "invoke"])
    add.add_argument("--times", type=int, help="number of times (default: until cleared)")
    add.add_argument("--ms", type=int, default=0, help="milliseconds, for latency")
    actions.add_parser("list")
    actions.add_parser("clear")


def _start(cloud: LocalCloud, given: argparse.Namespace) -> None:
    started = cloud.start()
    print("started" if started else "already running")
    _status(cloud, given)


def stop(cloud: LocalCloud, _: argparse.Namespace) -> None:
    print("stopped" if cloud.stop() else "was not running")


def destroy(cloud: LocalCloud, _: argparse.Namespace) -> None:
    cloud.destroy()
    print("removed")


def _status(cloud: LocalCloud, _: argparse.Namespace) -> None:
    run = cloud.status()
    table = Table(show_header=False)
    table.add_row("process", str(run["pid"]))
    for name, port in run["ports"].items():
        table.add_row(f"provider {name}", f"127.0.0.1:{port}")
    table.add_row("DNS", f"{run['dns_host']}:{run['dns_port']}")
    table.add_row("Gandi", f"{cloud.gandi_api()}, DNS {run['dns_host']}:{run['gandi_dns_port']}")
    table.add_row("public objects", f"http://127.0.0.1:{run['storage_port']}/BUCKET/OBJECT")
    for name, value in cloud.guests().items():
        table.add_row(name, value)
    table.add_row("project", f"{run['project']} ({run['region']})")
    table.add_row("network", run["network"])
    table.add_row("resources", str(len(cloud.resources())))
    table.add_row("folder", str(cloud.directory))
    Console(highlight=False).print(table)


def _env(cloud: LocalCloud, given: argparse.Namespace) -> None:
    for name, value in cloud.env().items():
        print(f"export {name}={value}")


def _log(cloud: LocalCloud, given: argparse.Namespace) -> None:
    rows = cloud.log()
    if given.writes:
        rows = [row for row in rows if row.op in WRITES and not row.refusal]
    if given.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return
    table = _table("time", "who", "operation", "type", "id", "refused")
    for row in rows:
        who = "manual" if row.who == "hand" else "engine"
        table.add_row(row.time, who, row.op, row.type, row.id, row.refusal)
    Console(highlight=False).print(table)


def _resources(cloud: LocalCloud, given: argparse.Namespace) -> None:
    resources = cloud.resources()
    if given.json:
        print(json.dumps([asdict(one) for one in resources], indent=2))
        return
    table = _table("type", "id", "address")
    for one in resources:
        table.add_row(one.type, one.id, _address(one.body))
    Console(highlight=False).print(table)


def _table(*names: str) -> Table:
    table = Table()
    for name in names:
        table.add_column(name, overflow="fold")
    return table


def _address(body: dict[str, Any]) -> str:
    ingress = (body.get("status") or {}).get("loadBalancer", {}).get("ingress") or [{}]
    return str(body.get("address") or body.get("firstIpAddress") or ingress[0].get("ip") or "")


def _set(cloud: LocalCloud, given: argparse.Namespace) -> None:
    try:
        value: Any = json.loads(given.value)
    except ValueError:
        value = given.value
    cloud.set(given.type, given.id, given.path, value)


def _delete(cloud: LocalCloud, given: argparse.Namespace) -> None:
    cloud.delete(given.type, given.id)


def _promote(cloud: LocalCloud, given: argparse.Namespace) -> None:
    cloud.promote(given.instance)
    print(f"promoted {given.instance}: it is a primary instance now")


def _cluster(cloud: LocalCloud, given: argparse.Namespace) -> None:
    from local_cloud.kubernetes.clusters import make_cluster

    run = cloud.status()
    cloud.put(lambda tx: make_cluster(tx, run["project"], run["region"], given.name))
    print(f"context added to {cloud.kubeconfig}")


def _workload(cloud: LocalCloud, given: argparse.Namespace) -> None:
    from local_cloud.kubernetes.clusters import context_name
    from local_cloud.kubernetes.workloads import make_workload

    run = cloud.status()
    context = context_name(run["project"], run["region"], given.cluster)
    cloud.put(lambda tx: make_workload(tx, context, given.namespace, given.name, image=f"{given.name}:1"))


def _gandi_domain(cloud: LocalCloud, given: argparse.Namespace) -> None:
    from local_cloud.gandi.zones import new_domain

    cloud.put(lambda tx: new_domain(tx, given.name))


def _fault(cloud: LocalCloud, given: argparse.Namespace) -> None:
    if given.action == "add":
        cloud.add_fault(given.kind, type_=given.type, operation=given.op, times=given.times, milliseconds=given.ms)
    elif given.action == "clear":
        cloud.clear_faults()
    else:
        table = _table("kind", "type", "operation", "times", "ms")
        for one in cloud.faults():
            times = "until cleared" if one.times is None else str(one.times)
            table.add_row(one.kind, one.type or "any", one.operation or "any", times, str(one.milliseconds))
        Console(highlight=False).print(table)


def _clients(cloud: LocalCloud, given: argparse.Namespace) -> None:
    cloud.place_clients(given.network, given.regions)


def _quota(cloud: LocalCloud, given: argparse.Namespace) -> None:
    cloud.quota(given.metric, given.maximum)


def _pods(cloud: LocalCloud, given: argparse.Namespace) -> None:
    cloud.pods_ready(given.state == "ready")


def _dns_query(cloud: LocalCloud, given: argparse.Namespace) -> None:
    place = cloud.gandi_dns_endpoint() if given.gandi else cloud.dns_endpoint()
    print("\n".join(dns_probe.ask(place, given.name, given.type, given.source)))


_COMMANDS: Mapping[str, Command] = {
    "dns-query": _dns_query,
    "start": _start,
    "stop": stop,
    "destroy": destroy,
    "status": _status,
    "env": _env,
    "log": _log,
    "resources": _resources,
    "set": _set,
    "delete": _delete,
    "promote": _promote,
    "cluster": _cluster,
    "workload": _workload,
    "gandi-domain": _gandi_domain,
    "fault": _fault,
    "quota": _quota,
    "clients": _clients,
    "pods": _pods,
}
