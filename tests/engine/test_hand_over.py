"""The shared names pass from the one region there was to a stack of role `global`, as docs/regions.md tells: at Cloud
DNS and at Gandi, and at no moment does a name lead nowhere; the site
keeps its URL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from local_cloud.gandi.zones import RECORD
from sandbox.regions import GLOBAL, STACKS, TwoRegions
from sandbox.rehearsal import at_the_stand_in
from settings import config_key
from tests.engine.test_regions import answers
from tests.kept import sandbox_aside
from tests.stacks import ROOT, changed

FIRST, SECOND, _ = STACKS
TEXT = (ROOT / "docs" / "regions.md").read_text()
DNS = config_key("dns")
SHARED = [
    *((f"{label}.ringer.tel", "A") for label in ("sip", "sip-udp", "sip-tcp")),
    *((f"{service}.ringer.tel", "SRV") for service in ("_sip._udp", "_sip._tcp", "_sips._tcp")),
]
# A dedicated customer's own, which stays with its region.
ITS_OWN = [("acme.ringer.tel", "A"), ("acme-tcp.ringer.tel", "A"), ("_sip._udp.acme.ringer.tel", "SRV")]


@pytest.fixture
def regions() -> Iterator[TwoRegions]:
    with sandbox_aside() as (sandbox, folder):
        sandbox.seed("second-region")
        yield TwoRegions(sandbox, folder)


def settings(regions: TwoRegions, stack: str, **of_dns: Any) -> dict[str, Any]:
    """At both hosts; the second region needs no copy of the trunk ACL here."""
    config = at_the_stand_in(regions.settings(stack), regions.sandbox)
    config = changed(config, (DNS, "backend"), "both")
    for name, value in of_dns.items():
        config = changed(config, (DNS, name), value)
    return {key: value for key, value in config.items() if stack != SECOND or "trunkAcl" not in key}


def up(regions: TwoRegions, stack: str, config: dict[str, Any]) -> list[str]:
    """What an update wrote: operation, and type or name."""
    before = len(regions.sandbox.writes())
    workspace = regions.workspace(stack)
    workspace.prepare(config)
    workspace.cli.text("up", "--stack", stack, "--yes", "--skip-preview")
    return [f"{row.op} {row.type} {row.id}" for row in regions.sandbox.writes()[before:]]


def test_the_shared_names_pass_to_the_global_stack_and_nothing_is_deleted(regions: TwoRegions) -> None:
    site = {"warp-edge:inventorySite": regions.settings(GLOBAL)["warp-edge:inventorySite"]}
    alone = {"name": "ringer-tel", "manage": True}
    theirs = {"name": "ringer-tel", "manage": False}
    up(regions, FIRST, settings(regions, FIRST, scope="domain", zone=alone) | site)
    up(regions, SECOND, settings(regions, SECOND, zone=theirs))
    before = {name: answers(regions, *name) for name in SHARED}
    its_own = {name: answers(regions, *name) for name in ITS_OWN}
    assert all((*before.values(), *its_own.values()))

    regions.workspace(GLOBAL).prepare(settings(regions, GLOBAL, zone=alone))
    # The commands of docs/regions.md, with the sandbox's names in the place of production's.
    (told,) = re.findall(r"^ *pulumi state move --source .*\n(?: +'urn:.*'.*\n)+", TEXT, re.MULTILINE)
    urns = re.findall(r"'(urn:.*)'", told.replace(":prod::", f":{FIRST}::"))
    assert len(urns) == 2
    ends = ["--source", f"organization/warp-edge/{FIRST}", "--dest", f"organization/warp-edge/{GLOBAL}"]
    regions.workspace(GLOBAL).cli.text("state", "move", *ends, "--yes", *urns)
    first = up(regions, FIRST, settings(regions, FIRST, scope="region", zone=theirs))
    assert {row.split()[0] for row in first} == {"create"}
    assert all("us-central1" in row for row in first), "its own names beside the shared ones"
    assert {name: answers(regions, *name) for name in SHARED} == before

    shared = up(regions, GLOBAL, settings(regions, GLOBAL, zone=alone))
    assert {row.split()[0] for row in shared} == {"update"}, "the site is the same bucket's, at the same URL"
    assert sum("/rrsets/" in row for row in shared) == sum(RECORD in row for row in shared) == 3, "SRV at either host"
    for name, data in before.items():
        if name[1] == "A":
            assert answers(regions, *name) == data
        else:
            label = data[0].split(".ringer.tel")[0].split()[-1]
            port = data[0].split()[2]
            assert answers(regions, *name) == [
                f"10 50 {port} {label}.us-central1.ringer.tel.",
                f"20 50 {port} {label}.us-east1.ringer.tel.",
            ]
    assert {name: answers(regions, *name) for name in ITS_OWN} == its_own
    assert up(regions, FIRST, settings(regions, FIRST, scope="region", zone=theirs)) == []
    assert up(regions, GLOBAL, settings(regions, GLOBAL, zone=alone)) == []
