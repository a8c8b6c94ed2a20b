"""`python -m verify --stack prod`: the stack's promise, checked from outside: names, SIP servers, certificates.

    python -m verify --stack prod
    pulumi stack output --json | python -m verify --json

exit status:
  0  the promise holds; there may be warnings
  3  it does not: customers or vendors see it, or will; the report has what, where and the remedy
  2  the input or the options are invalid; standard error says why, and nothing was checked
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import socket
import ssl
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import TypeVar

import dns.exception
import dns.name
import dns.resolver
from rich.console import Console
from rich.progress import Progress

from command_line import run
from engine.cli import Cli, EngineError
from refusal import Refusal
from verify import answering, certificate, report, tls
from verify.checks import Checks, within
from verify.dns_checks import dns_checks, servers_of
from verify.endpoint_checks import Caller, sip_checks, tls_checks
from verify.finding import Finding, Part
from verify.promise import Promise, of, read
from verify.servers import Place, Server

BROKEN, UNREADABLE = 3, 2
# A table in a file or a pipe is not limited to a terminal's width.
WIDTH = 160
N = TypeVar("N", int, float)
_PLACE = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::(\d{1,5}))?|([0-9.]+)(?::(\d{1,5}))?|([0-9A-Fa-f:.]+)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status as in the module's docstring."""
    chosen = _parser().parse_args(arguments)
    try:
        promise = _promise(chosen)
        resolvers = _resolvers(chosen.resolver)
        trust = _trust(chosen.ca)
        source = _can_send_from(chosen.source or "")
    except (Refusal, EngineError) as error:
        print(error, file=sys.stderr)
        return UNREADABLE
    began = time.monotonic()
    caller = Caller(trust, certificate.utc_now(), source, chosen.expect, chosen.expiry_days)
    findings = _run(lambda checks: _look(checks, chosen, promise, resolvers, caller), chosen.timeout)
    seconds = time.monotonic() - began
    if chosen.json:
        print(json.dumps(report.document(findings, promise.domain, seconds), indent=2))
    else:
        console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
        console.print(report.table(findings, promise.domain, seconds))
    return 0 if report.holds(findings) else BROKEN


async def _look(
    checks: Checks, chosen: argparse.Namespace, promise: Promise, resolvers: Sequence[Server], caller: Caller
) -> None:
    parts = set(chosen.only or Part)
    async with asyncio.TaskGroup() as group:
        if Part.DNS in parts:
            authorities = list(servers_of(chosen.authority, authority=True))
            group.create_task(dns_checks(checks, promise, resolvers, authorities, chosen.retired))
        for work in sip_checks(checks, promise, caller) if Part.SIP in parts else ():
            group.create_task(work)
        for work in tls_checks(checks, promise, caller, resolvers[0]) if Part.TLS in parts else ():
            group.create_task(work)


def _run(look: Callable[[Checks], Awaitable[None]], seconds: float) -> list[Finding]:
    """Run all checks within the timeout, with a progress display on a terminal."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("checking", total=None)
        checks = Checks(lambda done, of: progress.update(bar, completed=done, total=of))
        asyncio.run(within(seconds, look(checks)))
    return checks.findings()


def _promise(chosen: argparse.Namespace) -> Promise:
    if chosen.stack:
        return of(Cli(chosen.cwd, chosen.stack).outputs())
    try:
        text = (chosen.outputs.read_bytes() if chosen.outputs else sys.stdin.buffer.read()).decode()
        return read(text)
    except OSError as error:
        raise Refusal(f"{chosen.outputs}: {error.strerror}", "pulumi stack output --json > FILE") from None
    except UnicodeDecodeError:
        raise Refusal(
            f"{chosen.outputs or 'standard input'} is not JSON in UTF-8", "pulumi stack output --json > FILE"
        ) from None


def _resolvers(chosen: Sequence[Place]) -> list[Server]:
    """The named resolvers, each queried separately; otherwise the system's, any of which may answer."""
    if chosen:
        return list(servers_of(chosen, authority=False))
    try:
        system = dns.resolver.Resolver()
    except dns.exception.DNSException:
        raise Refusal("this machine has no resolver configured", "name one: --resolver 192.0.2.53") from None
    return [Server("the system's resolver", tuple(Place(str(each)) for each in system.nameservers))]


def _trust(authority: Path | None) -> ssl.SSLContext:
    try:
        return tls.trusting(authority)
    except OSError as error:
        raise Refusal(
            f"--ca {authority}: {error.strerror or 'no certificate in it'}", "name a PEM file with CA certificates"
        ) from None


def _can_send_from(source: str) -> str:
    if source:
        with socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((source, 0))
            except OSError as error:
                raise Refusal(f"--source {source}: {error.strerror}", "use an address of this machine") from None
    return source


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m verify", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    given = parser.add_mutually_exclusive_group()
    given.add_argument("--stack", default="", help="read its outputs with pulumi")
    given.add_argument("--outputs", type=Path, help="a file with them; default: standard input")
    parser.add_argument(
        "--cwd", type=Path, default=Path(), help="folder of Pulumi.yaml, with --stack (the current one)"
    )
    parser.add_argument(
        "--only", action="append", type=Part, choices=list(Part), help="check only this part; may be repeated"
    )
    parser.add_argument("--json", action="store_true", help="JSON output, described in docs/verify.md")
    parser.add_argument(
        "--timeout", type=_seconds, default=60.0, help="timeout in seconds for all checks (%(default)g)"
    )
    parser.add_argument(
        "--resolver", action="append", type=_place, default=[], metavar="HOST[:PORT]",
        help="query this resolver; may be repeated (the system's)",
    )  # fmt: skip
    parser.add_argument(
        "--authority", action="append", type=_place, default=[], metavar="HOST[:PORT]",
        help="query this as a name server of the zone; may be repeated (those of the delegation)",
    )  # fmt: skip
    parser.add_argument(
        "--retired", action="append", type=_host, default=[], metavar="NAME",
        help="a name that was given up: it must lead to none of our addresses; may be repeated",
    )  # fmt: skip
    parser.add_argument("--source", type=_address, help="source address of SIP and TLS")
    parser.add_argument(
        "--expect", type=_status, default=answering.ANY, metavar="200|403|any",
        help="expected answer to OPTIONS: 200 if --source is a customer's address, 403 if not (any below 500)",
    )  # fmt: skip
    parser.add_argument("--ca", type=Path, help="PEM file of CA certificates, instead of the system's")
    parser.add_argument(
        "--expiry-days",
        type=_days,
        default=14,
        help="warn if a certificate expires within this many days (%(default)d)",
    )
    return parser


def _place(text: str) -> Place:
    found = _PLACE.fullmatch(text)
    if found:
        address = next(each for each in (found[1], found[3], found[5]) if each)
        port = int(found[2] or found[4] or 53)
        if 1 <= port <= 65535:
            return Place(_address(address), port)
    raise argparse.ArgumentTypeError(
        f"{text!r} is not an address with an optional port: 192.0.2.53, 127.0.0.1:5300, [2001:db8::53]:53"
    )


def _host(text: str) -> str:
    try:
        return dns.name.from_text(text).to_text(omit_final_dot=True).lower()
    except (dns.exception.DNSException, ValueError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a DNS name") from None


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an IPv4 or IPv6 address") from None


def _seconds(text: str) -> float:
    return _between(float, text, 0.1, 3600)


def _days(text: str) -> int:
    return _between(int, text, 0, 3650)


def _status(text: str) -> int:
    return answering.ANY if text == "any" else _between(int, text, 200, 699)


def _between(kind: type[N], text: str, least: float, most: float) -> N:
    try:
        number = kind(text)
    except ValueError:
        number = None
    if number is None or not least <= number <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least:g} to {most:g}")
    return number


if __name__ == "__main__":
    sys.exit(run(main))
