"""The policy pack on the real engine: our stacks pass, and what is wrong is refused, all of it, with the remedy."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox import Sandbox
from sandbox.workspace import Workspace
from tests.engine.conftest import Stack
from tests.kept import sandbox_aside
from tests.stacks import ROOT, changed, stack_config

# The executable form: the folder itself needs a language host newer than the one that tools/ builds.
PACK = ROOT / "policies" / "run"
DATABASE = "warp-edge:database"

DYNAMIC = """
import pulumi
from pulumi.dynamic import Resource, ResourceProvider

class Acl(Resource):
    pass

Acl(ResourceProvider(), "acl", {"readerPassword": pulumi.Output.secret("hunter2"), "writerToken": "hunter2"})
"""
EXPIRED = {
    "resource": "database-instance",
    "reason": "the portal cannot do TLS yet",
    "by": "Ann",
    "expires": "2025-11-10",
}
WITH_A_RULE_THAT_BREAKS = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pulumi_policy import EnforcementLevel, PolicyPack
from policies.pack import NAME, policies
from policies.rule import ResourceRule
from policies.rules import RULES

def breaks(resource, options):
    raise KeyError(resource.name)

broken = ResourceRule("breaking", "Says", "why", "do this", frozenset({{"gcp:sql/databaseInstance:DatabaseInstance"}}),
                      check=breaks)
PolicyPack(NAME, policies((broken, *RULES)), EnforcementLevel.MANDATORY)
"""


def preview(stack: Stack, *, pack: Path = PACK, config: Path | None = None) -> tuple[int, str]:
    """Exit status and all that a preview under the pack said."""
    done = stack.cli.run("preview", "--stack", stack.cli.stack, *under(pack, config))
    return done.returncode, done.stdout + done.stderr


def under(pack: Path, config: Path | None) -> list[str]:
    return ["--policy-pack", str(pack), *(["--policy-pack-config", str(config)] if config else [])]


def shipped(stack: str) -> Path:
    return ROOT / "policies" / "config" / f"{stack}.json"


def configured(folder: Path, **rules: Any) -> Path:
    """The sandbox's configuration of the pack, with some rules configured otherwise."""
    file = folder / "policies.json"
    ours = json.loads(shipped("sandbox").read_text())
    file.write_text(json.dumps(ours | {name.replace("_", "-"): options for name, options in rules.items()}))
    return file


@pytest.fixture
def stack(cloud: Sandbox, tmp_path: Path) -> Stack:
    return Stack(tmp_path / "stack", cloud, stack_config("sandbox"))


def test_an_update_stops_before_what_is_refused_and_passes_without_it() -> None:
    with sandbox_aside() as (cloud, folder):
        stack = Stack(folder / "stack", cloud, stack_config("sandbox"))
        sandbox = under(PACK, shipped("sandbox"))
        stack.set("ALLOW_UNENCRYPTED_AND_ENCRYPTED", DATABASE, "sslMode")
        told = stack.failing("up", "--yes", "--skip-preview", *sandbox)
        assert "-> set warp-edge:database.sslMode to ENCRYPTED_ONLY" in told
        assert cloud.resources("gcp:sql/databaseInstance:DatabaseInstance") == []

        stack.set("ENCRYPTED_ONLY", DATABASE, "sslMode")
        up = stack.cli.text("up", "--stack", stack.cli.stack, "--yes", "--skip-preview", *sandbox)
        assert "[mandatory]" not in up
        assert "could not be judged" not in up, "everything is known now"


def test_a_first_preview_passes_says_what_it_cannot_know_and_mends_what_it_is_asked_to(
    stack: Stack, tmp_path: Path
) -> None:
    stack.set({"platform": "warp", "component": "edge"}, "warp-edge:labels")
    status, told = preview(stack, config=configured(tmp_path, labels={"enforcementLevel": "remediate"}))
    assert status == 0, told
    assert "[mandatory]" not in told
    assert "could not be judged: dns-sip-a: rrdatas" in told, "no address is known before there is one"
    assert "[remediate]  labels" in told, "managed-by is added on the way"


def test_productions_stack_passes_as_it_stands(cloud: Sandbox, tmp_path: Path) -> None:
    # In the sandbox's project, which has a cluster: nothing else of production's settings is changed.
    config = changed(stack_config("prod"), ("gcp:project",), "warp-sandbox")
    status, told = preview(Stack(tmp_path, cloud, config, "prod"), config=shipped("prod"))
    assert status == 0, told
    assert "[mandatory]" not in told
    assert "[advisory]  database-tier" in told
    assert "db-f1-micro has a shared core" in told


def test_everything_wrong_is_told_at_once_each_with_its_remedy(stack: Stack, tmp_path: Path) -> None:
    stack.set("ALLOW_UNENCRYPTED_AND_ENCRYPTED", DATABASE, "sslMode")
    stack.set({"enabled": False, "pointInTimeRecovery": False}, DATABASE, "backups")
    stack.set({"warp-nat-ip-1": {"state": "active"}}, "warp-edge:egress", "slots")
    program = tmp_path / "with_a_rule_that_breaks.py"
    program.write_text(WITH_A_RULE_THAT_BREAKS)
    pack = tmp_path / "pack"
    pack.write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -u {shlex.quote(str(program))}\n")
    pack.chmod(0o755)

    # What nobody configures is as strict as in production; an exception that is over excuses nothing.
    config = tmp_path / "policies.json"
    config.write_text(json.dumps({"database-tls-only": {"exceptions": [EXPIRED]}}))
    status, told = preview(stack, pack=pack, config=config)
    assert status, told
    for rule in ("breaking", "database-tls-only", "database-backups", "nat-active-slots", "protected"):
        assert f"[mandatory]  {rule}" in told
    for message in (
        "database-instance: the rule itself failed (KeyError), so this resource was not judged",
        "the exception for database-instance expired on 2025-11-10 (Ann: the portal cannot do TLS yet)",
        "database-instance: sslMode is ALLOW_UNENCRYPTED_AND_ENCRYPTED",
        "-> set warp-edge:database.sslMode to ENCRYPTED_ONLY",
        "database-instance: no daily backups",
        "database-instance: no point-in-time recovery",
        "-> set warp-edge:database.backups.enabled and .pointInTimeRecovery to true",
        "egress-nat: 1 address is active, the minimum is 2",
        "egress-nat: 1 address is active: 0 calls fit when 1 of them drains, the peak is 64,000",
        "-> announce one more slot under warp-edge:egress.slots, then make it active (docs/addresses.md)",
        "dns-zone: it is not protected",
    ):
        assert message in told


def test_a_dynamic_resource_keeps_its_secrets_and_shows_what_is_none(cloud: Sandbox, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.mkdir()
    (program / "Pulumi.yaml").write_text("{name: warp-edge, runtime: {name: python, options: {}}}\n")
    (program / "__main__.py").write_text(DYNAMIC)
    workspace = Workspace(tmp_path / "stack", "sandbox", cloud.env(), program=program)
    workspace.prepare({})
    done = workspace.cli.run("preview", "--stack", "sandbox", *under(PACK, None))
    told = done.stdout + done.stderr
    assert done.returncode, told
    assert "acl: writerToken has a secret (by its name) in clear text" in told
    assert "readerPassword" not in told.partition("Policies:")[2]
    assert "hunter2" not in told


def test_a_configuration_for_a_rule_that_does_not_exist_ends_a_preview(stack: Stack, tmp_path: Path) -> None:
    status, told = preview(stack, config=configured(tmp_path, nat_active_slot={"minimum": 3}))
    assert status, told
    assert "invalid enforcement level" in told
