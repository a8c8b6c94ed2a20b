"""What `make up` says in the end: where to look, and what is to be seen there. Only what runs is promised."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape

from sandbox import Sandbox
from sandbox.workspace import Workspace

CUSTOMER = "127.0.0.2"  # trunks/sandbox/ lets it in
PYTHON = ".venv/bin/python"

Step = tuple[str, str]  # a command or an address, and what it is good for


def show(console: Console, steps: Iterator[Step]) -> None:
    """One a line; lines are never broken, so that they can be copied."""
    console.print("\nLook at next:")
    for command, why in steps:
        console.print(f"  [bold]{escape(command)}[/]  [dim]{escape(why)}[/]", highlight=False, soft_wrap=True)


def of_one_stack(sandbox: Sandbox, outputs: Mapping[str, Any], *, at_gandi: bool, proxy: bool) -> Iterator[Step]:
    """After `make up`. `at_gandi`: the zone is there alone; `proxy`: a SIP proxy runs."""
    if "inventorySite" in outputs:
        bucket, name = outputs["inventorySite"]["url"].rsplit("/", 2)[1:]
        yield sandbox.storage_url(bucket, name), "the site for vendors and customers"
    if proxy:
        address = outputs["customerEndpoints"]["endpoints"][0]["address"]
        ask = f"{PYTHON} -m sandbox sip-options {address} --from"
        yield f"{ask} {CUSTOMER}", "200: trunks/sandbox/ lets this caller in"
        yield f"{ask} 127.0.9.9", "403: no customer's address"
    yield dns_query("sandbox", f"_sip._udp.{outputs['dns']['domain']}", at_gandi=at_gandi), "the zone answers"
    yield ".sandbox/psql -c '\\conninfo'", "the trunk ACL's database, over TLS"
    yield ".sandbox/pulumi stack output vendorWhitelist", "what vendors get; any pulumi command works like this"
    yield "make review", "what an update would do, after a change of Pulumi.sandbox.yaml"
    yield "make verify", "the promise, checked from outside: names" + (", SIP, certificates" if proxy else "")
    yield "make outputs", "all outputs as JSON"
    yield "make status", "what runs"


def dns_query(sandbox: str, name: str, *, at_gandi: bool = False) -> str:
    """A command that asks for a service, of the sandbox as `python -m` is told it."""
    return f"{PYTHON} -m {sandbox} dns-query {name} SRV" + (" --gandi" if at_gandi else "")


def write_psql(workspace: Workspace, database: Mapping[str, str]) -> None:
    """A command that opens the database. The password is asked of the engine when it runs, and is written nowhere."""
    connection = (
        f"host={database['publicAddress']} port={database['port']} dbname={database['name']} user={database['user']}"
        " sslmode=require"
    )
    read = "import json,sys; print(json.load(sys.stdin)['password'])"
    wrapper, python = shlex.quote(str(workspace.wrapper)), shlex.quote(sys.executable)
    ask = f'{wrapper} stack output database --json --show-secrets | {python} -c "{read}"'
    command = workspace.directory / "psql"
    command.write_text(f'#!/bin/sh\nPGPASSWORD="$({ask})"\nexport PGPASSWORD\nexec psql "{connection}" "$@"\n')
    command.chmod(0o755)
