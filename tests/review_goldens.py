"""Previews for the tests of `review/`, made by the real engine on a cloud of its own.

    python -m tests.review_goldens            makes all of them anew, with the reports that follow from them
    python -m tests.review_goldens NAME...    these only

Needs `pulumi` on PATH; takes some minutes. What it writes into `tests/unit/review_golden/` is read before it is
committed: the reports there are what people get to see. Left out of the previews is what `review/` does not read and
what differs from run to run: debug messages, times, places of source code, resources that stay as they are.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.tokens import STACK
from review.markdown import markdown
from review.preview import read
from review.report import report
from sandbox import Sandbox
from sandbox.aside import sandbox_aside
from sandbox.workspace import Workspace
from tests.engine.conftest import Stack
from tests.stacks import ROOT, stack_config, without_site

FOLDER = ROOT / "tests" / "unit" / "review_golden"
STREAM = {"PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true"}
PACK = ("--policy-pack", str(ROOT / "policies" / "run"))
JUDGED = (*PACK, "--policy-pack-config", str(ROOT / "policies" / "config" / "sandbox.json"))
# Addresses of sandboxes beside the user's own; not 127.0.0.0/8, which settings name.
SANDBOXED = r"\b127\.(?!0\.)\d+\.(\d+\.\d+)"
SLOTS = ("warp-edge:egress", "slots")
HOSTILE = "Vendor egress`` <img src=x> @everyone [x](https://example.test) | **x** #1"

# As components/trunk_acl/schema.py declares it, with nothing behind it.
ACL_PROGRAM = """
import pulumi
from pulumi.dynamic import CreateResult, Resource, ResourceProvider, UpdateResult

class Provider(ResourceProvider):
    def create(self, props):
        return CreateResult("rows", dict(props))
    def update(self, id, old, new):
        return UpdateResult(dict(new))

class TrunkAcl(Resource, module="warp", name="TrunkAcl"):
    pass

TrunkAcl(Provider(), "acl-rows", {"trunks": pulumi.Config().require_object("trunks"), "places": {}})
"""
TRUNKS = {
    "10001": "acme-nyc IP_ACL 50 calls/s 500 calls\n  198.51.100.7/32\n  203.0.113.0/24",
    "10002": "globex IP_ACL 10 calls/s 100 calls\n  192.0.2.16/28",
    "10003": "initech BOTH 5 calls/s 50 calls\n  192.0.2.64/28",
}
CHANGED_TRUNKS = {
    "10001": "acme-nyc IP_ACL 50 calls/s 600 calls\n  198.51.100.7/32 off\n  203.0.113.0/24",
    "10003": TRUNKS["10003"],
    "10004": "hooli IP_ACL 10 calls/s 100 calls\n  192.0.2.128/28\n  192.0.2.144/28",
}


def nothing(_: Stack) -> None:
    """As it is."""


def announce(stack: Stack) -> None:
    life = {"announcedOn": "2026-03-01", "activeOn": "2026-04-01", "purpose": "Vendor egress 4"}
    stack.set({"state": "announced"} | life, *SLOTS, "warp-nat-ip-4")


def drain(stack: Stack) -> None:
    stack.set(
        {"state": "draining", "purpose": "Vendor egress 3", "replacedBy": ["warp-nat-ip-1"]}, *SLOTS, "warp-nat-ip-3"
    )


def drop_a_slot(stack: Stack) -> None:
    stack.set({"warp-nat-ip-1": {"state": "active"}}, *SLOTS)


def allow_clear_text(stack: Stack) -> None:
    drain(stack)
    stack.set("ALLOW_UNENCRYPTED_AND_ENCRYPTED", "warp-edge:database", "sslMode")


def move_ingress(stack: Stack) -> None:
    old = next(a for a in stack.cli.outputs()["ipInventory"]["addresses"] if a["name"] == "kamailio-sip-udp-ip")
    retired = {key: old[key] for key in ("address", "purpose", "kind", "direction", "ports")} | {"protocols": ["UDP"]}
    stack.set(
        {old["name"]: retired | {"retiredOn": "2026-03-01", "replacedBy": ["kamailio-sip-udp-ip-2"]}},
        "warp-edge:legacy",
    )
    stack.set("kamailio-sip-udp-ip-2", "warp-edge:ingress", "udp", "address")


def rename_the_zone(stack: Stack) -> None:
    stack.set("other-zone", "warp-edge:dns", "zone", "name")


def rename_a_purpose(stack: Stack) -> None:
    stack.set({"state": "active", "purpose": "Vendor egress three"}, *SLOTS, "warp-nat-ip-3")


def mean_harm(stack: Stack) -> None:
    stack.set({"state": "announced", "purpose": HOSTILE}, *SLOTS, "warp-nat-ip-4")


@dataclass(frozen=True)
class Scenario:
    """A change of a stack that is up, and how it is previewed; `streamed`: in which form."""

    change: Callable[[Stack], None]
    arguments: tuple[str, ...] = ()
    streamed: bool = True


SCENARIOS = {
    "nothing": Scenario(nothing, JUDGED),
    "announce": Scenario(announce),
    "announce-object": Scenario(announce, streamed=False),
    "drain": Scenario(drain),
    "purpose": Scenario(rename_a_purpose),
    "refused-by-policy": Scenario(allow_clear_text, JUDGED),
    "refused-by-settings": Scenario(drop_a_slot),
    "ingress-moved": Scenario(move_ingress),
    "zone-replaced": Scenario(rename_the_zone),
    "hostile": Scenario(mean_harm),
}


def preview(stack: Stack, scenario: Scenario) -> str:
    """What the engine writes; the stack's settings are as before afterwards."""
    before = stack.config
    try:
        scenario.change(stack)
        done = stack.cli.run(
            *("preview", "--json", "--stack", stack.cli.stack),
            *scenario.arguments,
            extra=STREAM if scenario.streamed else None,
        )
    finally:
        stack.config = before
        stack.workspace.configure(before)
    return done.stdout


def drift(stack: Stack, cloud: Sandbox) -> Iterator[tuple[str, str]]:
    """Refreshes after somebody was at the console and used kubectl, and with a role that may no longer look."""

    def refreshed() -> str:
        return stack.cli.run("refresh", "--preview-only", "--json", "--stack", stack.cli.stack, extra=STREAM).stdout

    record, nat = "gcp:dns/recordSet:RecordSet", "gcp:compute/routerNat:RouterNat"
    cloud.set(record, "sip.ringer.tel./A", "ttl", 600)
    cloud.delete(record, "sip-tcp.ringer.tel./A")
    links = cloud.resource(nat, "warp-sandbox/us-central1/warp-router/warp-nat")["natIps"]
    cloud.set(nat, "warp-sandbox/us-central1/warp-router/warp-nat", "natIps", sorted(links)[:2])
    service = "kubernetes:core/v1:Service"
    cloud.set(service, "warp-core/kamailio-sip-udp", "spec.externalTrafficPolicy", "Cluster")
    yield "drift", refreshed()
    cloud.add_fault("permission-denied", type_=service, operation="read")
    yield "drift-refused", refreshed()


def acl(cloud: Sandbox, folder: Path) -> str:
    """The trunk files change: one customer's limits and ranges, one customer goes, one comes."""
    program = folder / "program"
    program.mkdir()
    (program / "Pulumi.yaml").write_text("{name: warp-edge, runtime: {name: python, options: {}}}\n")
    (program / "__main__.py").write_text(ACL_PROGRAM)
    workspace = Workspace(folder / "stack", "sandbox", cloud.env(), program=program)
    workspace.prepare({"warp-edge:trunks": TRUNKS})
    workspace.cli.text("up", "--stack", "sandbox", "--yes", "--skip-preview")
    workspace.configure({"warp-edge:trunks": CHANGED_TRUNKS})
    return workspace.cli.run("preview", "--json", "--stack", "sandbox", extra=STREAM).stdout


def made_anew(names: Collection[str]) -> Iterator[tuple[str, str]]:
    """Name and preview of those that are asked for; none: of all."""
    with sandbox_aside() as (cloud, folder):
        stack = Stack(folder / "stack", cloud, without_site(stack_config("sandbox")))
        yield "first", preview(stack, Scenario(nothing, JUDGED))
        stack.up()
        for name, scenario in SCENARIOS.items():
            if not names or name in names:
                yield name, preview(stack, scenario)
        yield from drift(stack, cloud)
        (folder / "acl").mkdir()
        yield "acl", acl(cloud, folder / "acl")


def page(text: str) -> str:
    """The report of a preview."""
    return markdown(report(read(text), "sandbox"))


def same_everywhere(page: str) -> str:
    """A report without what differs from run to run: addresses, keys, generated names."""
    found: dict[str, str] = {}
    page = re.sub(r"127\.\d+\.\d+\.\d+", lambda each: found.setdefault(each[0], f"address {len(found) + 1}"), page)
    page = re.sub(r"\d+ 8 2 [0-9A-F]{64}", "a DS record", page)
    return re.sub(r"warp-db-[0-9a-f]{6}", "warp-db-generated", page)


def trimmed(text: str) -> str:
    """A preview as it is kept."""
    text = re.sub(SANDBOXED, r"127.100.\1", text)
    if "\n{" not in text:
        kept = _without_places(json.loads(text))
        return json.dumps(kept, indent=1, ensure_ascii=False) + "\n"
    events = (json.loads(line) for line in text.splitlines() if line.startswith("{"))
    return "".join(json.dumps(_without_places(each), ensure_ascii=False) + "\n" for each in events if _is_read(each))


def _is_read(event: dict[str, Any]) -> bool:
    if "diagnosticEvent" in event:
        return bool(event["diagnosticEvent"]["severity"] != "debug")
    step = event.get("resourcePreEvent") or event.get("resOutputsEvent")
    if not step:
        return "policyRemediateSummaryEvent" not in event
    op, type_ = step["metadata"]["op"], step["metadata"]["type"]
    if type_ == STACK or ("resourcePreEvent" in event and type_.endswith((":Address", ":RouterNat"))):
        return True
    # A refresh says only afterwards what it found.
    return bool(op != "same" if "resourcePreEvent" in event else op in ("update", "delete"))


def _without_places(value: Any) -> Any:
    gone = (
        "timestamp",
        "created",
        "modified",
        "sourcePosition",
        "stackTrace",
        "duration",
        "durationSeconds",
        "PolicyPacks",
    )
    if isinstance(value, dict):
        return {key: _without_places(inner) for key, inner in value.items() if key not in gone}
    return [_without_places(each) for each in value] if isinstance(value, list) else value


def main() -> int:
    """Write all of them, or say what cannot be kept."""
    FOLDER.mkdir(exist_ok=True)
    names = sys.argv[1:]
    for name, text in made_anew(names):
        if names and name not in names:
            continue
        kept = trimmed(text)
        if page(kept) != re.sub(SANDBOXED, r"127.100.\1", page(text)):
            print(f"{name}: what was left out of the preview is missed in the report", file=sys.stderr)
            return 1
        (FOLDER / f"{name}.json").write_text(kept)
        (FOLDER / f"{name}.md").write_text(page(kept))
        print(name, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
