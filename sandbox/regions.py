"""`make up-regions`, `outputs-regions`, `down-regions`: two regions and the stack of the names that they share.

One cloud on loopback in a folder of its own, beside that of `make up`. The settings are those of stack `sandbox`; what
differs from region to region is said here, because a sandbox's stacks come and go.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape

from engine_cli import EngineError
from inventory.table import ip_inventory_table
from sandbox.process import DEFAULT_REGION, Sandbox, SandboxError
from sandbox.seed import SECOND_REGION
from sandbox.stack import record_what_a_crash_left
from sandbox.workspace import ROOT, Workspace
from settings import SettingsError

DIRECTORY = ROOT / ".sandbox-regions"
NETWORK = "127.78.0.0/16"
GLOBAL = "global"
# In the order in which they come up: the global stack reads what the others published.
STACKS = (f"sandbox-{DEFAULT_REGION}", f"sandbox-{SECOND_REGION}", GLOBAL)
# A customer of trunks/sandbox/ with an address of its own.
PREMIUM = {"acme": {"ban": "100001", "targetPort": 5100, "udp": {}, "tcp": {}, "dnsName": "acme"}}


def settings_of(stack: str, shipped: Mapping[str, Any]) -> dict[str, Any]:
    """A stack's settings, from those of stack `sandbox`."""
    config = copy.deepcopy(dict(shipped))
    names = config["warp-edge:dns"]
    names["zone"] = {**names["zone"], "manage": stack == STACKS[0]}
    if stack != STACKS[0]:
        names["zone"].pop("dnssec", None)
    if stack == GLOBAL:
        return {
            **{key: value for key, value in config.items() if not key.startswith("warp-edge:")},
            "warp-edge:role": GLOBAL,
            "warp-edge:protect": config["warp-edge:protect"],
            "warp-edge:labels": config["warp-edge:labels"],
            "warp-edge:dns": names,
            "warp-edge:inventorySite": {**config["warp-edge:inventorySite"], "location": DEFAULT_REGION},
            "warp-edge:regions": {
                region: {"stack": f"organization/warp-edge/{stack}", "priority": priority}
                for region, stack, priority in zip((DEFAULT_REGION, SECOND_REGION), STACKS, (10, 20), strict=False)
            },
        }
    names["scope"] = "region"
    del config["warp-edge:inventorySite"]  # the global stack's tells of both
    if stack == STACKS[0]:
        return config | {"warp-edge:dedicated": PREMIUM}
    ingress, egress = config["warp-edge:ingress"], config["warp-edge:egress"]
    for protocol in ("udp", "tcp"):
        ingress[protocol]["address"] = f"{SECOND_REGION}-{ingress[protocol]['address']}"
    egress["slots"] = {f"{SECOND_REGION}-{name}": slot for name, slot in egress["slots"].items()}
    del config["warp-edge:trunkAcl"]  # its database would be a replica, which the sandbox does not have
    return config | {
        "gcp:region": SECOND_REGION,
        "warp-edge:region": SECOND_REGION,
        "warp-edge:database": {**config["warp-edge:database"], "instance": f"warp-db-{SECOND_REGION}"},
    }


def _sandbox() -> Sandbox:
    return Sandbox(DIRECTORY, network=NETWORK, dns_port=0, storage_port=0)


def _workspace(sandbox: Sandbox, stack: str) -> Workspace:
    """All stacks are in one folder: only in one backend can one read another's outputs."""
    return Workspace(DIRECTORY, stack, sandbox.env())


def up(console: Console) -> int:
    """Bring all up, and print the inventory of all regions."""
    sandbox = _sandbox()
    console.print("[bold]cloud[/]   a stand-in with two regions on loopback, state in .sandbox-regions/ (seconds)")
    sandbox.start()
    sandbox.seed("second-region")
    shipped = Workspace(DIRECTORY, "sandbox", {}).shipped_settings()
    for stack in STACKS:
        console.print(f"[bold]engine[/]  pulumi up of stack `{stack}`")
        workspace = _workspace(sandbox, stack)
        workspace.prepare(settings_of(stack, shipped))
        if stack != GLOBAL:  # what it declares is names alone: there is nothing to adopt
            record_what_a_crash_left(workspace, lambda step: console.print(f"[dim]{escape(step)}[/]"))
        if status := workspace.cli.show("up", "--stack", stack, "--yes", "--skip-preview", "--suppress-outputs"):
            console.print("[red]not up[/]: the engine says why above; `make up-regions` again goes on from here")
            return status
    console.print(ip_inventory_table(_workspace(sandbox, GLOBAL).cli.outputs()["ipInventory"]))
    host, port = sandbox.dns_endpoint()
    console.print(f"  dig @{host} -p {port} +short _sip._udp.ringer.tel SRV", highlight=False)
    return 0


def outputs() -> int:
    """One JSON object, one key a stack, secrets masked, and nothing else."""
    if not (DIRECTORY / "project").exists():
        raise SandboxError("nothing is up\n  -> make up-regions")
    print(json.dumps({stack: Workspace(DIRECTORY, stack, {}).cli.outputs() for stack in STACKS}, indent=2))
    return 0


def down(console: Console) -> int:
    """Destroy the stacks, the names first, and stop the cloud."""
    if not (DIRECTORY / "project").exists():
        console.print("nothing is up")
        return 0
    sandbox = _sandbox()
    sandbox.start()
    shipped = Workspace(DIRECTORY, "sandbox", {}).shipped_settings()
    for stack in reversed(STACKS):
        workspace = _workspace(sandbox, stack)
        workspace.prepare(settings_of(stack, shipped))  # an interrupted `up` may not have come to all of them
        if status := workspace.cli.show("destroy", "--stack", stack, "--yes", "--skip-preview"):
            console.print("[red]not destroyed[/]: the engine says why above; the cloud still runs")
            return status
    sandbox.stop()
    console.print("both regions are destroyed and the cloud stopped; `make up-regions` begins anew")
    return 0


def main() -> int:
    """One command."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.regions", description=__doc__)
    parser.add_argument("command", choices=["up", "outputs", "down"])
    command = parser.parse_args().command
    console = Console(highlight=False)
    try:
        return outputs() if command == "outputs" else {"up": up, "down": down}[command](console)
    except (EngineError, SandboxError, SettingsError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
