"""`make failover`: what callers see when a region fails, is drained and restored, and when priorities are switched.

Runs on the stacks of `make up-regions`, with the real engine, real DNS answers and real SIP. Every caller locates its
server by the shared names only (`sip_caller.py`). Afterwards everything is as before.
"""

from __future__ import annotations

import contextlib
import copy
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from command_line import run
from sandbox import SandboxError, sip_edge
from sandbox.regions import GLOBAL, REGIONS, TwoRegions, require_up
from sandbox.sip_caller import PORTS, Caller, call
from sandbox.stack import ended
from settings import config_key

CUSTOMER = "127.0.0.2"  # listed in trunks/sandbox/
FIRST, SECOND = REGIONS
UNREACHED = "no answer"
OK = 200
# The domain has SRV records; `sip.<domain>` has none below it, so its callers look up an address only.
SRV, ADDRESS = "SRV", "address only"


@dataclass(frozen=True)
class Seen:
    """Which region a caller reached, and after how long."""

    region: str
    milliseconds: float


@dataclass(frozen=True)
class Step:
    """One event, and the region that callers must reach after it, by SRV and by address only."""

    what: str
    by_srv: str
    by_address: str
    seen: Mapping[str, Seen]

    @property
    def wrong(self) -> list[str]:
        """Callers that reached another region."""
        return [
            f"{self.what}: {way} reached {seen.region} instead of {wanted}"
            for way, seen in self.seen.items()
            if seen.region != (wanted := self.by_address if way.endswith(ADDRESS) else self.by_srv)
        ]


def steps(regions: TwoRegions) -> Iterator[Step]:
    """Each step as observed. Proxies and settings are restored afterwards, also after an error."""
    before = regions.settings(GLOBAL)
    share = before[config_key("regions")]
    switched = {
        FIRST: {**share[FIRST], "priority": share[SECOND]["priority"]},
        SECOND: {**share[SECOND], "priority": share[FIRST]["priority"]},
    }
    with _as_before(regions, before):
        yield Step("both regions serve", FIRST, FIRST, callers(regions))
        regions.stop_proxy(FIRST)
        yield Step(f"the SIP proxy of {FIRST} is stopped", SECOND, UNREACHED, callers(regions))
        set_regions(regions, before, share | {FIRST: {**share[FIRST], "state": "drained"}})
        yield Step(f"{FIRST} is drained", SECOND, SECOND, callers(regions))
        _started(regions, FIRST)
        yield Step(f"the SIP proxy of {FIRST} runs again, still drained", SECOND, SECOND, callers(regions))
        set_regions(regions, before, share)
        yield Step(f"{FIRST} is back in service", FIRST, FIRST, callers(regions))
        set_regions(regions, before, switched)
        yield Step("the priorities are switched", SECOND, SECOND, callers(regions))


def callers(regions: TwoRegions) -> dict[str, Seen]:
    """Transport and lookup -> what a customer of `trunks/sandbox/` sees that calls this way."""
    outputs = regions.outputs()
    domain, server = outputs[GLOBAL]["dns"]["domain"], outputs[GLOBAL]["customerEndpoints"]["server"]
    home = {
        each["address"]: region
        for region, stack in REGIONS.items()
        for each in outputs[stack]["ipInventory"]["addresses"]
    }
    authorities = "".join(
        sip_edge.authority_file(regions.proxy_folder(region)).read_text()
        for region in REGIONS
        if sip_edge.authority_file(regions.proxy_folder(region)).exists()
    )
    caller = Caller(CUSTOMER, regions.sandbox.dns_endpoint(), authorities=authorities)
    called = {f"{transport.upper()}, {SRV}": (domain, transport) for transport in PORTS}
    called[f"UDP, {ADDRESS}"] = (server, "udp")
    return {way: _seen(name, transport, caller, home) for way, (name, transport) in called.items()}


def _seen(name: str, transport: str, caller: Caller, home: Mapping[str, str]) -> Seen:
    began = time.monotonic()
    try:
        reached = call(name, transport, caller)
    except SandboxError:
        region = UNREACHED
    else:
        status = reached.answer.status
        whose = home.get(reached.peer.address, f"{reached.peer.address}, an unknown address")
        region = whose if status == OK else f"{whose}, status {status}"
    return Seen(region, (time.monotonic() - began) * 1000)


def set_regions(regions: TwoRegions, settings: Mapping[str, Any], share: Mapping[str, Any]) -> None:
    """`pulumi up` of the global stack with these regions."""
    workspace = regions.workspace(GLOBAL)
    workspace.configure({**copy.deepcopy(dict(settings)), config_key("regions"): dict(share)})
    workspace.cli.text("up", "--stack", GLOBAL, "--yes", "--skip-preview")


@contextlib.contextmanager
def _as_before(regions: TwoRegions, settings: Mapping[str, Any]) -> Iterator[None]:
    try:
        yield
    finally:
        try:
            set_regions(regions, settings, settings[config_key("regions")])
        finally:
            _started(regions, FIRST)


def _started(regions: TwoRegions, region: str) -> None:
    if missing := regions.start_proxy(region):
        raise SandboxError(missing)


def rehearse(regions: TwoRegions, console: Console) -> int:
    """0 if every caller reached the expected region, else 1."""
    for region in REGIONS:
        _started(regions, region)
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    wrong: list[str] = []
    with console.status("both regions serve") as status:
        for step in steps(regions):
            if not console.is_terminal:
                console.print(f"[dim]{escape(step.what)}[/]")
            status.update(f"{step.what}: done; next step, a few seconds")
            if not table.columns:
                for heading in ("", *step.seen):
                    table.add_column(heading)
            table.add_row(
                step.what, *(f"{seen.region}\n[dim]{seen.milliseconds:.0f} ms[/]" for seen in step.seen.values())
            )
            wrong += step.wrong
    console.print(table)
    for each in wrong:
        console.print(f"[red]wrong[/]: {escape(each)}", highlight=False)
    return 1 if wrong else 0


def main() -> int:
    """Run on the regions of `make up-regions`."""
    console = Console(highlight=False)

    def work() -> int:
        regions = require_up()
        regions.sandbox.start()
        console.print(
            "a region fails, is drained and restored; priorities are switched and switched back (one to two minutes)"
        )
        return rehearse(regions, console)

    return ended(work, "everything was restored")


if __name__ == "__main__":
    sys.exit(run(main))
