"""The sandbox's command line. Everything it does goes through `process.py`; errors are one line."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sandbox import dns_probe, leftovers, sip_edge, sip_probe
from sandbox.cloud import WRITES
from sandbox.faults import KINDS
from sandbox.layout import (
    DEFAULT_DNS_PORT,
    DEFAULT_NETWORK,
    DEFAULT_NETWORKS,
    DEFAULT_PROJECT,
    DEFAULT_REGION,
    DEFAULT_STORAGE_PORT,
    SandboxError,
)
from sandbox.process import Sandbox
from verify.sip import Peer, request


def main(arguments: list[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    try:
        _COMMANDS[given.command](given)
    except SandboxError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox", description="A cloud on loopback for the edge's program."
    )
    folder = os.environ.get("WARP_SANDBOX_DIR", ".sandbox")
    parser.add_argument("--dir", type=Path, default=Path(folder), help="where it keeps everything (%(default)s)")
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("start", help="start it and wait until it is ready")
    start.add_argument("--project", default=DEFAULT_PROJECT)
    start.add_argument("--region", default=DEFAULT_REGION)
    start.add_argument(
        "--network",
        default=DEFAULT_NETWORKS,
        help=f"a part of 127.0.0.0/8, or several with commas: the first free one ({DEFAULT_NETWORK} if it is free)",
    )
    start.add_argument("--dns-port", type=int, help=f"0 for any free one ({DEFAULT_DNS_PORT} if it is free)")
    start.add_argument("--storage-port", type=int, help=f"0 for any free one ({DEFAULT_STORAGE_PORT} if it is free)")
    start.add_argument("--foreground", action="store_true", help="stay in this process")
    commands.add_parser("stop", help="stop it; its cloud stays")
    commands.add_parser("destroy", help="stop it and remove its cloud")
    commands.add_parser("status", help="process, ports, DNS")
    commands.add_parser("env", help="shell lines that make the engine attach")
    log = commands.add_parser("log", help="every operation on the cloud")
    log.add_argument("--writes", action="store_true", help="only what was changed")
    log.add_argument("--json", action="store_true")
    resources = commands.add_parser("resources", help="everything in the cloud")
    resources.add_argument("--json", action="store_true")
    change = commands.add_parser("set", help="change a resource by hand")
    for name in ("type", "id", "path"):
        change.add_argument(name)
    change.add_argument("value", help="JSON, or plain text")
    delete = commands.add_parser("delete", help="delete a resource by hand")
    delete.add_argument("type")
    delete.add_argument("id")
    promotion = commands.add_parser("promote", help="make a read replica of Cloud SQL an instance of its own")
    promotion.add_argument("instance")
    seed = commands.add_parser("seed", help="put hand-made resources in")
    seed.add_argument("what", help="live-edge, or second-region: a cluster in us-east1")
    fault = commands.add_parser("fault", help="switch faults on and off")
    _fault_parser(fault)
    quota = commands.add_parser("quota", help="set a quota, e.g. STATIC_ADDRESSES 400")
    quota.add_argument("metric")
    quota.add_argument("maximum", type=float)
    asker = commands.add_parser("askers", help="where DNS queries from a network come from, for geolocation policies")
    asker.add_argument("network", help="such as 127.0.5.0/24, or a client subnet that queries tell (RFC 7871)")
    asker.add_argument("regions", nargs="*", help="the nearest first; none: nobody says")
    sip = commands.add_parser("sip-options", help="send one SIP OPTIONS and say what came back")
    sip.add_argument("address", help="where to, for instance the customer ingress")
    sip.add_argument("--port", type=int, default=0, help="5060, with --transport tls 5061")
    sip.add_argument("--transport", choices=["udp", "tcp", "tls"], default="udp")
    sip.add_argument("--from", dest="source", default="127.0.0.1", help="an address of this machine (%(default)s)")
    query = commands.add_parser("dns-query", help="ask the sandbox's name server, as `dig +short` would")
    query.add_argument("name")
    query.add_argument("type", nargs="?", default="A")
    query.add_argument("--from", dest="source", help="an address of this machine: who asks, for geolocation policies")
    query.add_argument("--gandi", action="store_true", help="the one that stands for Gandi's")
    pods = commands.add_parser("pods", help="whether the cluster's pods are ready")
    pods.add_argument("state", choices=["ready", "not-ready"])
    return parser


def _fault_parser(fault: argparse.ArgumentParser) -> None:
    actions = fault.add_subparsers(dest="action", required=True)
    add = actions.add_parser("add", help="; ".join(f"{kind}: {meaning}" for kind, meaning in KINDS.items()))
    add.add_argument("kind", choices=list(KINDS))
    add.add_argument("--type", default="", help="resource type or function (any)")
    add.add_argument("--op", default="", choices=["", "create", "read", "update", "delete", "invoke"])
    add.add_argument("--times", type=int, help="how often (until cleared)")
    add.add_argument("--ms", type=int, default=0, help="milliseconds, for latency")
    actions.add_parser("list")
    actions.add_parser("clear")


def _sandbox(given: argparse.Namespace) -> Sandbox:
    return Sandbox(given.dir)


def _start(given: argparse.Namespace) -> None:
    if given.foreground:
        from sandbox.server import Options, run  # the only command that needs gRPC and the providers

        ports = given.dns_port, given.storage_port
        run(Options(given.dir.absolute(), given.project, given.region, given.network, *ports))
        return
    sandbox = Sandbox(
        given.dir,
        project=given.project,
        region=given.region,
        network=given.network,
        dns_port=given.dns_port,
        storage_port=given.storage_port,
    )
    started = sandbox.start()
    print("started" if started else "already running")
    _status(given)


def _stop(given: argparse.Namespace) -> None:
    sip_edge.stop(given.dir)
    leftovers.end(given.dir, print)
    print("stopped" if _sandbox(given).stop() else "was not running")


def _destroy(given: argparse.Namespace) -> None:
    sip_edge.stop(given.dir)
    leftovers.end(given.dir, print)
    _sandbox(given).destroy()
    print("removed")


def _status(given: argparse.Namespace) -> None:
    sandbox = _sandbox(given)
    run = sandbox.status()
    table = Table(show_header=False)
    table.add_row("process", str(run["pid"]))
    for name, port in run["ports"].items():
        table.add_row(f"provider {name}", f"127.0.0.1:{port}")
    table.add_row("DNS", f"{run['dns_host']}:{run['dns_port']}")
    table.add_row("Gandi", f"{sandbox.gandi_api()}, its DNS {run['dns_host']}:{run['gandi_dns_port']}")
    table.add_row("public objects", f"http://127.0.0.1:{run['storage_port']}/BUCKET/OBJECT")
    table.add_row("SIP proxy", "Kamailio and its reloader" if sip_edge.runs(given.dir) else "none")
    table.add_row("project", f"{run['project']} ({run['region']})")
    table.add_row("network", run["network"])
    table.add_row("resources", str(len(sandbox.resources())))
    table.add_row("folder", str(sandbox.directory))
    Console(highlight=False).print(table)


def _env(given: argparse.Namespace) -> None:
    for name, value in _sandbox(given).env().items():
        print(f"export {name}={value}")


def _log(given: argparse.Namespace) -> None:
    rows = _sandbox(given).log()
    if given.writes:
        rows = [row for row in rows if row.op in WRITES and not row.refusal]
    if given.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return
    table = _table("time", "who", "operation", "type", "id", "refused")
    for row in rows:
        who = "by hand" if row.who == "hand" else "engine"
        table.add_row(row.time, who, row.op, row.type, row.id, row.refusal)
    Console(highlight=False).print(table)


def _resources(given: argparse.Namespace) -> None:
    resources = _sandbox(given).resources()
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


def _set(given: argparse.Namespace) -> None:
    try:
        value: Any = json.loads(given.value)
    except ValueError:
        value = given.value
    _sandbox(given).set(given.type, given.id, given.path, value)


def _delete(given: argparse.Namespace) -> None:
    _sandbox(given).delete(given.type, given.id)


def _promote(given: argparse.Namespace) -> None:
    _sandbox(given).promote(given.instance)
    print(f"{given.instance} writes, and follows nobody")


def _seed(given: argparse.Namespace) -> None:
    _sandbox(given).seed(given.what)
    print(f"{given.what} is in the cloud, as made by hand")


def _fault(given: argparse.Namespace) -> None:
    sandbox = _sandbox(given)
    if given.action == "add":
        sandbox.add_fault(given.kind, type_=given.type, operation=given.op, times=given.times, milliseconds=given.ms)
    elif given.action == "clear":
        sandbox.clear_faults()
    else:
        table = _table("kind", "type", "operation", "times", "ms")
        for one in sandbox.faults():
            times = "until cleared" if one.times is None else str(one.times)
            table.add_row(one.kind, one.type or "any", one.operation or "any", times, str(one.milliseconds))
        Console(highlight=False).print(table)


def _askers(given: argparse.Namespace) -> None:
    _sandbox(given).place_askers(given.network, given.regions)


def _quota(given: argparse.Namespace) -> None:
    _sandbox(given).quota(given.metric, given.maximum)


def _pods(given: argparse.Namespace) -> None:
    _sandbox(given).pods_ready(given.state == "ready")


def _dns_query(given: argparse.Namespace) -> None:
    sandbox = _sandbox(given)
    place = sandbox.gandi_dns_endpoint() if given.gandi else sandbox.dns_endpoint()
    print("\n".join(dns_probe.ask(place, given.name, given.type, given.source)))


def _sip_options(given: argparse.Namespace) -> None:
    port = given.port or (5061 if given.transport == "tls" else 5060)
    peer = Peer(given.address, port, given.transport, given.source)
    answer = sip_probe.ask(request("OPTIONS", peer), peer)
    whose = (
        f" BAN {answer.headers['x-warp-ban']}, trunk {answer.headers['x-warp-trunk']}" if answer.status == 200 else ""
    )
    print(f"{answer.status}{whose}")


_COMMANDS = {
    "sip-options": _sip_options,
    "dns-query": _dns_query,
    "start": _start,
    "stop": _stop,
    "destroy": _destroy,
    "status": _status,
    "env": _env,
    "log": _log,
    "resources": _resources,
    "set": _set,
    "delete": _delete,
    "promote": _promote,
    "seed": _seed,
    "fault": _fault,
    "quota": _quota,
    "askers": _askers,
    "pods": _pods,
}
