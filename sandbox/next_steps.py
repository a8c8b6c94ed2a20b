"""What `make up` prints last: commands to try next, and what they show. Lists only what is running."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape

from sandbox import Sandbox
from sandbox.workspace import Workspace

CUSTOMER = "127.0.0.2"  # listed in trunks/sandbox/
PYTHON = ".venv/bin/python"

Step = tuple[str, str]  # a command or URL, and what it shows


def show(console: Console, steps: Iterator[Step]) -> None:
    """One per line, not wrapped, so that they can be copied."""
    console.print("\nNext steps:")
    for command, why in steps:
        console.print(f"  [bold]{escape(command)}[/]  [dim]{escape(why)}[/]", highlight=False, soft_wrap=True)


def of_one_stack(sandbox: Sandbox, outputs: Mapping[str, Any], *, at_gandi: bool, proxy: bool) -> Iterator[Step]:
    """After `make up`. `at_gandi`: the zone is hosted at Gandi only; `proxy`: a SIP proxy is running."""
    if "inventorySite" in outputs:
        bucket, name = outputs["inventorySite"]["url"].rsplit("/", 2)[1:]
        yield sandbox.storage_url(bucket, name), "the site for vendors and customers"
    if proxy:
        address = outputs["customerEndpoints"]["endpoints"][0]["address"]
        ask = f"{PYTHON} -m sandbox sip-options {address} --from"
        yield f"{ask} {CUSTOMER}", "200: this source is listed in trunks/sandbox/"
        yield f"{ask} 127.0.9.9", "403: not a customer's address"
        yield from show_certificate(outputs)
    yield dns_query("sandbox", f"_sip._udp.{outputs['dns']['domain']}", at_gandi=at_gandi), "an SRV record of the zone"
    yield ".sandbox/psql -c '\\conninfo'", "the trunk ACL's database, over TLS"
    yield ".sandbox/pulumi stack output vendorWhitelist", "the vendors' whitelist; any pulumi command works like this"
    yield "make review", "what an update would change, after an edit of Pulumi.sandbox.yaml"
    yield "make verify", "checks from outside: names" + (", SIP, certificates" if proxy else "")
    yield "make outputs", "all outputs as JSON"
    yield "make status", "what is running"


def show_certificate(outputs: Mapping[str, Any]) -> Iterator[Step]:
    """Where there is TLS: as a caller sees it, who trusts the sandbox's CA alone."""
    for each in outputs["customerEndpoints"]["endpoints"]:
        if each["transport"] == "TLS" and shutil.which("openssl"):
            where = f"-connect {each['address']}:{each['port']} -servername {outputs['dns']['domain']}"
            trust = "-CAfile .sandbox/sip/sip-ca.pem -verify_return_error"
            yield f"openssl s_client {where} {trust} -brief </dev/null", "Verification: OK, by the CA of the sandbox"
            return


def dns_query(sandbox: str, name: str, *, at_gandi: bool = False) -> str:
    """A command that queries an SRV name. `sandbox`: the arguments of `python -m` that select the sandbox."""
    return f"{PYTHON} -m {sandbox} dns-query {name} SRV" + (" --gandi" if at_gandi else "")


def write_psql(workspace: Workspace, database: Mapping[str, str]) -> None:
    """Write a command that opens the database. It gets the password from the engine when run; nothing stores it."""
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
