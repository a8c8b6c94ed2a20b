"""The sandbox's command line: the cloud's commands, plus seeds and the processes that run beside the cloud."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from local_cloud import LocalCloud, cli
from sandbox import leftovers, sip_edge, sip_probe
from sandbox.layout import PROJECT
from sandbox.process import Sandbox
from verify.sip import Peer, request

if TYPE_CHECKING:
    from local_cloud.cli import Parsers


def _add_parsers(commands: Parsers) -> None:
    seed = commands.add_parser("seed", help="add resources that were not created by the engine")
    seed.add_argument("what", help="live-edge, or second-region: a cluster in us-east1")
    sip = commands.add_parser("sip-options", help="send one SIP OPTIONS and print the response")
    sip.add_argument("address", help="destination, for instance the customer ingress")
    sip.add_argument("--port", type=int, default=0, help="default 5060, with --transport tls 5061")
    sip.add_argument("--transport", choices=["udp", "tcp", "tls"], default="udp")
    sip.add_argument(
        "--from", dest="source", default="127.0.0.1", help="source address, one of this machine (%(default)s)"
    )


def _stop(sandbox: LocalCloud, given: argparse.Namespace) -> None:
    _end_guests(sandbox)
    cli.stop(sandbox, given)


def _destroy(sandbox: LocalCloud, given: argparse.Namespace) -> None:
    _end_guests(sandbox)
    cli.destroy(sandbox, given)


def _end_guests(sandbox: LocalCloud) -> None:
    sip_edge.stop(sandbox.directory)
    leftovers.end(sandbox.directory, print)


def _seed(sandbox: LocalCloud, given: argparse.Namespace) -> None:
    assert isinstance(sandbox, Sandbox)
    sandbox.seed(given.what)
    print(f"seeded {given.what}")


def _sip_options(_: LocalCloud, given: argparse.Namespace) -> None:
    port = given.port or (5061 if given.transport == "tls" else 5060)
    peer = Peer(given.address, port, given.transport, given.source)
    answer = sip_probe.ask(request("OPTIONS", peer), peer)
    whose = (
        f" BAN {answer.headers['x-warp-ban']}, trunk {answer.headers['x-warp-trunk']}" if answer.status == 200 else ""
    )
    print(f"{answer.status}{whose}")


main = cli.CommandLine(
    "python -m sandbox",
    "The edge's local cloud and its SIP proxy.",
    Sandbox,
    os.environ.get("WARP_SANDBOX_DIR", ".sandbox"),
    PROJECT,
    _add_parsers,
    {"stop": _stop, "destroy": _destroy, "seed": _seed, "sip-options": _sip_options},
).main
