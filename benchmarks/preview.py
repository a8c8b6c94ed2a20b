"""A preview without changes, as run for every pull request, against an empty program on the same engine.

First with the live edge's size, then with 10, 100 and 300 egress slots, to measure growth. `everything`: the same stack
with every part of it that is off by default, against itself without.
"""

from __future__ import annotations

import copy
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from benchmarks.measuring import Result, alternately, compared, side_by_side
from engine.tokens import ARMOR_TIER
from local_cloud.cloud import Transaction
from local_cloud.gcp.credentials import ACCOUNT
from sandbox import Sandbox
from sandbox.aside import sandbox_aside
from sandbox.workspace import ROOT, Workspace

BARE = Path(__file__).parent / "bare"
SLOTS = (10, 100, 300)
RUNS = 7
RUNS_WHEN_LARGE = 3
RENEWER = "warp-tls"
PREVIEW = ("preview", "--expect-no-changes")


def run() -> Iterator[Result]:
    """Yield results; uses a temporary sandbox."""
    with sandbox_aside("warp-edge-bench-") as (sandbox, folder):
        sandbox.quota("STATIC_ADDRESSES", 2 * max(SLOTS))
        yield from _previews(sandbox, folder)


def everything() -> Iterator[Result]:
    """Yield results; uses two temporary sandboxes. The reference is the sandbox's stack, with its site and without its
    certificate."""
    with sandbox_aside("warp-edge-bench-") as (ours, folder), sandbox_aside("warp-edge-bench-") as (theirs, other):
        config = yaml.safe_load((ROOT / "Pulumi.sandbox.yaml").read_text())["config"]
        config.pop("warp-edge:tls")
        ours.put(partial(_bought_and_made_elsewhere, config["gcp:project"]))
        full, plain = (Workspace(at / "edge", "sandbox", of.env()) for at, of in ((folder, ours), (other, theirs)))
        trunks = _trunks_by_address(folder / "trunks")
        config["warp-edge:trunkAcl"]["trunks"] = str(trunks)
        plain.prepare(config)
        full.prepare(_with_everything(config, "{}:{}".format(*ours.dns_endpoint())))
        for each in (plain, full):
            _up(each)
        sizes = {each: len(each.cli.preview().steps) for each in (plain, full)}
        print(f"{sizes[plain]} resources, with everything {sizes[full]}", file=sys.stderr)
        turns = alternately(full, plain, PREVIEW, RUNS)
        what = "preview, no change, everything on / the sandbox's stack"
        for field, shown in (("seconds", ""), ("processor", ": processor time"), ("memory", ": MiB")):
            mine, reference = ([getattr(each, field) for each in side] for side in turns)
            yield compared(what + shown, sizes[full], mine, reference)


def _bought_and_made_elsewhere(project: str, tx: Transaction) -> None:
    """What the program needs and never makes: Cloud Armor Enterprise, and the renewer's service account."""
    email = f"{RENEWER}@{project}.iam.gserviceaccount.com"
    tx.put(ARMOR_TIER, f"projects/{project}", {"project": project, "cloudArmorTier": "CA_ENTERPRISE_PAYGO"})
    account = {"project": project, "accountId": RENEWER, "email": email}
    tx.put(ACCOUNT, f"projects/{project}/serviceAccounts/{email}", account)


def _trunks_by_address(folder: Path) -> Path:
    """The sandbox's trunks without those that sign in, from wherever they are: `admit: customers` refuses them."""
    shutil.copytree(ROOT / "trunks" / "sandbox", folder)
    for file in folder.iterdir():
        text = file.read_text().replace("auth: BOTH", "auth: IP_ACL").replace("auth: DIGEST", "active: false")
        file.write_text(text)
    return folder


def _with_everything(config: dict[str, Any], name_server: str) -> dict[str, Any]:
    more = copy.deepcopy(config)
    more["warp-edge:ingress"]["admit"] = "customers"
    more["warp-edge:trunkAcl"]["enforcement"] |= {
        "callLimits": {},
        "unknownSources": {},
        "capture": {"collector": "192.0.2.60"},
    }
    return more | {
        "warp-edge:alerts": {
            "manage": True,
            "channels": {"noc": {"type": "email", "to": "noc@example.com"}},
            "probe": {"expected": 403},
        },
        "warp-edge:protection": {"mode": "preview"},
        "warp-edge:tls": {
            "issuer": "letsEncrypt",
            "contact": ["noc@example.com"],
            "serviceAccount": f"{RENEWER}@{config['gcp:project']}.iam.gserviceaccount.com",
            "nameServers": [name_server],
            "caa": {"accountUris": ["https://acme-v02.api.letsencrypt.org/acme/acct/1"]},
        },
    }


def _previews(sandbox: Sandbox, folder: Path) -> Iterator[Result]:
    bare = Workspace(folder / "bare", "bare", sandbox.env(), program=BARE)
    bare.prepare({})
    _up(bare)
    config = yaml.safe_load((ROOT / "Pulumi.sandbox.yaml").read_text())["config"]
    edge = Workspace(folder / "edge", "sandbox", sandbox.env())
    edge.prepare(config)
    _up(edge)
    yield _against(bare, edge, "preview, no change, live edge / empty program", RUNS)
    before: tuple[int, float] | None = None
    for slots in SLOTS:
        edge.configure(_with_slots(config, slots))
        _up(edge)
        result = _against(bare, edge, f"preview, no change, {slots} egress slots / empty program", RUNS_WHEN_LARGE)
        yield result
        if before:
            each = (result.median - before[1]) / (result.size - before[0])
            print(f"from {before[0]} to {result.size} resources: {1000 * each:.1f} ms each", file=sys.stderr)
        before = result.size, result.median


def _against(bare: Workspace, edge: Workspace, name: str, runs: int) -> Result:
    resources = len(edge.cli.preview().steps)
    return side_by_side(name, resources, lambda: _preview(edge), lambda: _preview(bare), runs)


def _preview(workspace: Workspace) -> None:
    workspace.cli.text("preview", "--stack", workspace.stack, "--expect-no-changes")


def _up(workspace: Workspace) -> None:
    workspace.cli.text("up", "--stack", workspace.stack, "--yes", "--skip-preview")


def _with_slots(config: dict[str, Any], count: int) -> dict[str, Any]:
    """Adds slots and keeps existing ones: an active slot cannot be removed."""
    more = copy.deepcopy(config)
    slots = more["warp-edge:egress"]["slots"]
    for number in range(len(slots) + 1, count + 1):
        slots[f"warp-nat-ip-{number}"] = {"state": "active"}
    return more
