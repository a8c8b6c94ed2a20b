"""`make up-regions`, `outputs-regions`, `down-regions`: two regions and the stack of their shared names.

One local cloud in its own folder, separate from that of `make up`. The settings are those of stack `sandbox`; what
differs per region is defined here, because a sandbox's stacks are short-lived.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from command_line import run
from engine.cli import EngineError
from inventory.table import ip_inventory_table
from local_cloud.layout import DEFAULT_REGION
from sandbox import leftovers, next_steps, sip_edge
from sandbox.layout import SandboxError
from sandbox.process import Sandbox
from sandbox.recovery import record_what_a_crash_left
from sandbox.seed import SECOND_REGION
from sandbox.stack import ended
from sandbox.workspace import ROOT, Followed, Workspace

DIRECTORY = ROOT / ".sandbox-regions"
NETWORKS = ",".join(f"127.{octet}.0.0/16" for octet in range(78, 100, 2))
SHIPPED = "sandbox"  # the stack whose settings all of them are based on
GLOBAL = "global"
# In deployment order: the global stack reads the outputs of the others.
REGIONS = {region: f"sandbox-{region}" for region in (DEFAULT_REGION, SECOND_REGION)}
STACKS = (*REGIONS.values(), GLOBAL)
# Customers of trunks/sandbox/ with addresses of their own.
PREMIUM = {
    "acme": {"ban": "100001", "targetPort": 5100, "udp": {}, "tcp": {}, "dnsName": "acme"},
    "initech": {"ban": "100003", "targetPort": 5110, "udp": {}},
}


def settings_of(stack: str, shipped: Mapping[str, Any], owner: str = "") -> dict[str, Any]:
    """A stack's settings, based on those of stack `sandbox`. `owner`: the first stack's database, once it is up."""
    config = copy.deepcopy(dict(shipped))
    # What would use them runs beside `make up` alone: a proxy of a region has a certificate of its own.
    config.pop("warp-edge:tls", None)
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
                for (region, stack), priority in zip(REGIONS.items(), (10, 20), strict=True)
            },
        }
    names["scope"] = "region"
    del config["warp-edge:inventorySite"]  # the global stack's site covers both
    if stack == STACKS[0]:
        return config | {"warp-edge:dedicated": PREMIUM}
    ingress, egress = config["warp-edge:ingress"], config["warp-edge:egress"]
    for protocol in ("udp", "tcp"):
        ingress[protocol]["address"] = f"{SECOND_REGION}-{ingress[protocol]['address']}"
    egress["slots"] = {f"{SECOND_REGION}-{name}": slot for name, slot in egress["slots"].items()}
    database = config["warp-edge:database"]
    replica_of = {"instance": owner or database["instance"], "stack": f"organization/warp-edge/{STACKS[0]}"}
    return config | {
        "gcp:region": SECOND_REGION,
        "warp-edge:region": SECOND_REGION,
        "warp-edge:database": {**database, "instance": f"warp-db-{SECOND_REGION}", "replicaOf": replica_of},
        "warp-edge:trunkAcl": {"enforcement": config["warp-edge:trunkAcl"]["enforcement"]},
    }


def settings_in(directory: Path, stack: str) -> dict[str, Any]:
    """A stack's settings in this folder, from `Pulumi.sandbox.yaml` as it is now."""
    first = Workspace(directory, STACKS[0], {}).cli.outputs() if stack == REGIONS[SECOND_REGION] else {}
    # The name has a random suffix, because the cloud reserves a deleted name for a week (`uniqueName`).
    owner = str((first.get("database") or {}).get("connectionName") or "").rpartition(":")[2]
    return settings_of(stack, Workspace(directory, SHIPPED, {}).shipped_settings(), owner)


def followed_in(directory: Path) -> Followed:
    """The settings file that the folder's command copies when it has changed."""
    take = ("sandbox.regions", "follow", str(directory.resolve()))
    return Followed(ROOT / f"Pulumi.{SHIPPED}.yaml", directory.resolve() / "project" / f".Pulumi.{SHIPPED}.seen", take)


def follow(directory: Path) -> int:
    """Copy the settings of all stacks again: what the folder's command does when the file has changed."""
    for stack in STACKS:
        Workspace(directory, stack, {}).take_over(settings_in(directory, stack))
    followed_in(directory).mark()
    print(f"Pulumi.{SHIPPED}.yaml has changed: the settings of all stacks are updated", file=sys.stderr)
    return 0


@dataclass(frozen=True)
class TwoRegions:
    """The stacks in one folder, on one cloud, with a SIP proxy in each region."""

    sandbox: Sandbox
    directory: Path

    def workspace(self, stack: str) -> Workspace:
        """All stacks share one folder: a stack can read another's outputs only in the same backend."""
        return Workspace(self.directory, stack, self.sandbox.env())

    def settings(self, stack: str) -> dict[str, Any]:
        """Those that `make up-regions` uses."""
        return settings_in(self.directory, stack)

    def up(self, console: Console) -> int:
        """Deploy all stacks in order; the engine's exit status."""

        def say(step: str) -> None:
            console.print(f"[dim]{escape(step)}[/]")

        self.sandbox.seed("second-region")
        leftovers.end(self.directory, say)
        followed = followed_in(self.directory)
        followed.mark()  # first: an edit made while this runs is copied by the next command
        for stack in STACKS:
            console.print(f"[bold]engine[/]  pulumi up of stack `{stack}`")
            workspace = self.workspace(stack)
            workspace.prepare(self.settings(stack), followed)
            if stack != GLOBAL:  # it declares DNS names only: there is nothing to adopt
                record_what_a_crash_left(workspace, self.sandbox, say)
            if status := workspace.cli.show("up", "--stack", stack, "--yes", "--skip-preview", "--suppress-outputs"):
                return status
        return 0

    def start_proxies(self) -> str:
        """Start both regions' proxies; the reason in one line if one cannot be started, else empty."""
        return next(filter(None, map(self.start_proxy, REGIONS)), "")

    def start_proxy(self, region: str) -> str:
        """Start a region's Kamailio on the region's addresses; its certificate also covers the shared names."""
        own = self.workspace(REGIONS[region]).cli.outputs(secrets=True)
        shared = self.workspace(GLOBAL).cli.outputs()["customerEndpoints"]["endpoints"]
        return sip_edge.start(self.proxy_folder(region), own, [each["server"] for each in shared])

    def stop_proxy(self, region: str) -> None:
        """Make the region unreachable for callers."""
        sip_edge.stop(self.proxy_folder(region))

    def proxy_folder(self, region: str) -> Path:
        """Folder of its logs and of the CA that signed its certificate."""
        return self.directory / REGIONS[region]

    def outputs(self) -> dict[str, Any]:
        """Every stack's outputs, secrets masked."""
        return {stack: Workspace(self.directory, stack, {}).cli.outputs() for stack in STACKS}

    def down(self) -> int:
        """Destroy the stacks, the global one first; the engine's exit status."""
        for region in REGIONS:
            self.stop_proxy(region)
        for stack in STACKS:
            # An interrupted `up` may not have reached all of them.
            self.workspace(stack).prepare(self.settings(stack), followed_in(self.directory))
        for stack in reversed(STACKS):
            if status := self.workspace(stack).cli.show("destroy", "--stack", stack, "--yes", "--skip-preview"):
                return status
        return 0


def of_the_user() -> TwoRegions:
    """Those of `make up-regions`."""
    return TwoRegions(Sandbox(DIRECTORY, network=NETWORKS, dns_port=0, storage_port=0), DIRECTORY)


def require_up() -> TwoRegions:
    """Those of `make up-regions`; raises `SandboxError` unless all of them are up."""
    regions = of_the_user()
    try:
        up = (DIRECTORY / "project").exists() and all(regions.outputs().values())
    except EngineError:  # no such stack yet
        up = False
    if not up:
        raise SandboxError("not all stacks are up\n  -> make up-regions")
    return regions


def up(console: Console) -> int:
    """Deploy all stacks and print the inventory of all regions."""
    console.print("[bold]cloud[/]   a local cloud with two regions, state in .sandbox-regions/ (seconds)")
    regions = of_the_user()
    regions.sandbox.start()
    if status := regions.up(console):
        console.print("[red]not up[/]: see the engine's error above; `make up-regions` continues from here")
        return status
    console.print("[bold]sip[/]     Kamailio in each region, with the trunk ACL")
    if missing := regions.start_proxies():
        console.print(f"[yellow]no SIP proxy[/]: {escape(missing)}", highlight=False)
    console.print(ip_inventory_table(regions.workspace(GLOBAL).cli.outputs()["ipInventory"]))
    steps = (
        (
            next_steps.dns_query("sandbox --dir .sandbox-regions", "_sip._udp.ringer.tel"),
            "both regions, in priority order",
        ),
        (
            "make failover",
            "one region's proxy stops: which callers fail over, and how fast; draining; switched priorities",
        ),
        ("make outputs-regions", "all outputs as JSON, one key per stack"),
        ("make down-regions", "destroy all of it"),
    )
    next_steps.show(console, iter(steps))
    return 0


def outputs() -> int:
    """Print one JSON object, one key per stack, secrets masked, and nothing else."""
    print(json.dumps(require_up().outputs(), indent=2))
    return 0


def down(console: Console) -> int:
    """Destroy the stacks and stop the cloud."""
    if not (DIRECTORY / "project").exists():
        console.print("the regions are not up")
        return 0
    regions = of_the_user()
    regions.sandbox.start()
    if status := regions.down():
        console.print("[red]not destroyed[/]: see the engine's error above; the cloud is still running")
        return status
    regions.sandbox.stop()
    console.print("both regions are destroyed and the cloud stopped; `make up-regions` starts over")
    return 0


def main() -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.regions", description=__doc__)
    parser.add_argument("command", choices=["up", "outputs", "down", "follow"])
    parser.add_argument(
        "directory", nargs="?", type=Path, default=DIRECTORY, help="for `follow`: the folder of the stacks"
    )
    chosen = parser.parse_args()
    console = Console(highlight=False)
    work: dict[str, Callable[[], int]] = {
        "up": lambda: up(console),
        "outputs": outputs,
        "down": lambda: down(console),
        "follow": lambda: follow(chosen.directory),
    }
    return ended(work[chosen.command])


if __name__ == "__main__":
    sys.exit(run(main))
