"""The live edge, made by hand, adopted with production's settings: the proof that nothing moves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from adopt.adoption import adopt
from engine.effects import Effect
from local_cloud.gandi.zones import RECORD
from sandbox import Sandbox
from sandbox.rehearsal import TO_BE_CREATED, at_the_stand_in, differences, names_at_gandi
from settings import Settings
from tests.engine.conftest import Stack
from tests.kept import sandbox_aside
from tests.stacks import ROOT, as_engine_gives_it, changed, stack_config

# live-edge.md, "Reserved static addresses" and what follows it.
LIVE = {
    "kamailio-sip-udp-ip": ("Customer ingress (UDP)", "34.44.183.87", "LoadBalancer", "active"),
    "kamailio-sip-tcp-ip": ("Customer ingress (TCP)", "34.55.182.145", "LoadBalancer", "active"),
    "warp-nat-ip-1": ("Vendor egress 1", "34.57.46.26", "NAT", "active"),
    "warp-nat-ip-2": ("Vendor egress 2", "35.223.15.88", "NAT", "active"),
    "warp-nat-ip-3": ("Vendor egress 3", "136.111.96.47", "NAT", "active"),
}
LEGACY = {
    "34.58.165.135": ["34.57.46.26", "35.223.15.88", "136.111.96.47"],
    "35.188.144.139": ["34.44.183.87"],
}

# Point-in-time recovery restarts the instance once; how long backups are kept does not.
BACKUPS = ("enabled", "pointInTimeRecoveryEnabled")
SERVICE = "kubernetes:core/v1:Service"
INSTANCE = "gcp:sql/databaseInstance:DatabaseInstance"


@pytest.fixture(scope="module")
def live() -> Iterator[tuple[Sandbox, Stack]]:
    """A cloud that holds the live edge, made by hand, and an empty stack with production's settings."""
    with sandbox_aside() as (sandbox, folder):
        sandbox.seed("live-edge")
        yield sandbox, Stack(folder / "stack", sandbox, at_the_stand_in(stack_config("prod"), sandbox), "prod")


def settings() -> Settings:
    return Settings.parse(as_engine_gives_it(stack_config("prod")))


def test_adoption_writes_nothing_and_keeps_every_address(live: tuple[Sandbox, Stack]) -> None:
    cloud, stack = live
    seeded = len(cloud.writes())
    adoption = adopt(stack.cli, settings(), lambda _: None)

    assert len(cloud.writes()) == seeded
    assert adoption.absent == TO_BE_CREATED
    assert len(adoption.recorded) == 12
    compared = adoption.comparison
    assert compared.replacements == ()
    assert compared.deletions == ()
    # What nobody made by hand: the generated password's user.
    assert compared.creations == ("User warp_edge",)
    # live-edge.md, "DNS": what is at Gandi is not recorded but taken over by the first update.
    assert set(compared.taken_over["Gandi"]) == {
        *(f"GandiRecordSet {label}.ringer.tel. A" for label in ("sip", "sip-udp", "sip-tcp")),
        *(f"GandiRecordSet {label}.ringer.tel. SRV" for label in ("_sip._udp", "_sip._tcp", "_sips._tcp")),
    }
    assert compared.with_effect(Effect.CUTS) == []
    assert compared.with_effect(Effect.UNKNOWN) == []
    planned = {(str(each.effect.name), each.property) for each in compared.differences if each.effect.matters}
    assert planned == {
        ("MOVES", "spec.externalTrafficPolicy"),
        ("ACCESS", "settings.ipConfiguration.sslMode"),
        *(("RESTARTS", f"settings.backupConfiguration.{name}") for name in BACKUPS),
    }

    # Of an imported Service the plugin says no more than `spec: add`.
    assert {(each.cloud, each.settings) for each in compared.with_effect(Effect.MOVES)} == {("Cluster", "Local")}

    inventory = adoption.outputs["ipInventory"]["addresses"]
    found = {a["name"]: (a["purpose"], a["address"], a["kind"], a["status"]) for a in inventory[:5]}
    assert found == LIVE
    assert {a["address"]: a["replacedBy"] for a in inventory[5:]} == LEGACY
    assert {a["region"] for a in inventory} == {"us-central1"}
    assert adoption.outputs["monthlyCost"]["plan"]["total"] == 100.60
    assert adoption.outputs["monthlyCost"]["difference"] == 60.60
    assert adoption.outputs["egressCapacity"]["ports"] == 193_536
    assert adoption.outputs["egressCapacity"]["concurrentCalls"] == 96_768


def test_a_second_adoption_finds_nothing_left_to_record(live: tuple[Sandbox, Stack]) -> None:
    cloud, stack = live
    writes = len(cloud.writes())
    again = adopt(stack.cli, settings(), lambda _: None)
    assert again.recorded == ()
    assert len(cloud.writes()) == writes


def test_the_first_up_after_adoption_moves_no_address(live: tuple[Sandbox, Stack]) -> None:
    cloud, stack = live
    # docs/adopt.md, step 4: everything but what waits for a maintenance window.
    later = {"ingress-udp", "ingress-tcp", "ingress-internal", "database-instance"}
    stack.cli.text("up", "--stack", "prod", "--yes", "--skip-preview", *(f"--exclude=**::{name}" for name in later))
    assert not {SERVICE, INSTANCE} & {row.type for row in cloud.writes()}
    assert RECORD not in {row.type for row in cloud.writes()}, "Gandi has the same: nothing is written there"
    assert set(stack.planned()) == later
    stack.up()
    assert stack.planned() == {}
    found = {a["name"]: a["address"] for a in stack.cli.outputs()["ipInventory"]["addresses"]}
    assert {name: found[name] for name in LIVE} == {name: address for name, (_, address, _, _) in LIVE.items()}
    # Nothing is left to create: the engine's import file is `{}` then.
    again = adopt(stack.cli, settings(), lambda _: None)
    assert (again.recorded, again.absent, again.comparison.differences) == ((), (), ())


def test_what_does_not_exist_is_left_to_be_created_and_said() -> None:
    with sandbox_aside() as (sandbox, folder):
        sandbox.seed("live-edge")
        sandbox.delete("kubernetes:core/v1:Service", "warp-core/kamailio-internal")
        stack = Stack(folder / "stack", sandbox, stack_config("prod"), "prod")
        adoption = adopt(stack.cli, settings(), lambda _: None)
        assert set(adoption.absent) == {"ingress-internal", *TO_BE_CREATED}
        assert "Service warp-core/kamailio-internal" in adoption.comparison.creations
        assert len(adoption.recorded) == 11


def test_a_rehearsal_of_the_move_adopts_the_twin_at_cloud_dns_as_well() -> None:
    with sandbox_aside() as (sandbox, folder):
        sandbox.seed("live-edge")
        config = changed(stack_config("prod"), ("warp-edge:dns", "backend"), "both")
        config = changed(config, ("warp-edge:dns", "zone"), {"name": "ringer-tel"})
        stack = Stack(folder / "stack", sandbox, at_the_stand_in(config, sandbox), "prod")
        adoption = adopt(stack.cli, Settings.parse(as_engine_gives_it(config)), lambda _: None)
        assert len(adoption.recorded) == 19
        assert len(adoption.comparison.taken_over["Gandi"]) == 6
        assert list(differences(sandbox, adoption)) == []


def test_a_rehearsal_fails_when_gandi_holds_something_else() -> None:
    with sandbox_aside() as (sandbox, folder):
        sandbox.seed("live-edge")
        sandbox.set(RECORD, "ringer.tel/sip-tcp/A", "rrset_values", ["192.0.2.9"])
        stack = Stack(folder / "stack", sandbox, at_the_stand_in(stack_config("prod"), sandbox), "prod")
        adopt(stack.cli, settings(), lambda _: None)
        (found,) = names_at_gandi(stack.workspace, sandbox)
        record = "sip-tcp.ringer.tel. A at Gandi"
        assert f"{record} already exists with 192.0.2.9 (300 s), not 34.55.182.145 (300 s)" in found


def test_make_rehearse_prints_the_inventory_as_json_last() -> None:
    environment = {**os.environ, "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-m", "sandbox.rehearsal"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {a["name"] for a in json.loads(done.stdout)["addresses"][:5]} == set(LIVE)


def test_a_rehearsal_fails_when_the_settings_would_cut_calls() -> None:
    with sandbox_aside() as (sandbox, folder):
        sandbox.seed("live-edge")
        config = changed(stack_config("prod"), ("warp-edge:ingress", "selector"), {"app": "another-proxy"})
        adoption = adopt(Stack(folder / "stack", sandbox, config, "prod").cli, settings(), lambda _: None)
        found = list(differences(sandbox, adoption))
        assert any("kamailio-sip-tcp  spec.selector.app  kamailio -> another-proxy" in each for each in found)
