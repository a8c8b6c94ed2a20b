"""What an update really did: a targeted one publishes nothing that is no value, one that waits in vain for an address
ends and says so, a second preview finds what the plugin dropped, and a refresh finds the address that moved."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from engine.cli import EngineError
from engine.values import is_unknown
from review.audience import Audience
from review.markdown import markdown, twice
from review.preview import Preview, read
from review.report import Report, report
from review.settled import page
from sandbox import Sandbox
from sandbox.check_update import after_update
from tests.engine.conftest import Stack
from tests.stacks import ROOT, changed, stack_config, without_site

ADDRESS = "gcp:compute/address:Address"
ZONE = "gcp:dns/managedZone:ManagedZone"
INSTANCE = "gcp:sql/databaseInstance:DatabaseInstance"
PACK = ("--policy-pack", str(ROOT / "policies" / "run"))
RULES = (*PACK, "--policy-pack-config", str(ROOT / "policies" / "config" / "sandbox.json"))
STREAM = {"PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true"}


@pytest.fixture(scope="module")
def fresh(cloud: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The sandbox's stack, not up; the tests below go on from one another, in their order."""
    config = changed(without_site(stack_config("sandbox")), ("warp-edge:ingress", "addressTimeoutSeconds"), 10)
    return Stack(tmp_path_factory.mktemp("stack"), cloud, config)


def refresh(stack: Stack, *more: str) -> str:
    """A refresh as `.github/scripts/review.sh refresh` asks for it, the first time with --run-program."""
    arguments = ("refresh", "--preview-only", *more, "--json", "--stack", stack.cli.stack)
    return stack.cli.run(*arguments, extra=STREAM).stdout


def asked(stack: Stack, *more: str) -> Preview:
    return read(refresh(stack, *more))


def refreshed(stack: Stack) -> Report:
    return report(asked(stack, "--run-program"), stack.cli.stack)


def command(*arguments: str, given: str) -> subprocess.CompletedProcess[str]:
    run = [sys.executable, "-m", *arguments]
    return subprocess.run(run, cwd=ROOT, input=given, capture_output=True, text=True, check=False)


def test_a_targeted_update_publishes_nothing_and_says_what_helps(fresh: Stack) -> None:
    told = fresh.failing("up", "--yes", "--skip-preview", "--target", "**egress**", *RULES)
    assert "this update left out resources that these outputs depend on: ipInventory, " in told
    assert "-> run a complete `pulumi up`, without --target and --exclude" in told
    assert "egress-slot-warp-nat-ip-1" in fresh.state(), "what it was to do is done"
    assert "database-instance: this update leaves it out (--target, --exclude), so it has no inputs yet" in told
    assert "[mandatory]" not in told
    given = fresh.cli.text("stack", "output", "--json", "--stack", fresh.cli.stack)
    assert given.strip() == "{}"
    for reader in (("inventory", "render"), ("verify",)):
        refused = command(*reader, given=given)
        assert refused.returncode == 2
        assert "-> run a complete `pulumi up`, without --target and --exclude" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_an_address_that_never_comes_ends_the_update_within_its_bound_and_says_where_to_look(
    fresh: Stack, cloud: Sandbox
) -> None:
    cloud.add_fault("lb-pending")
    told = fresh.failing("up", "--yes", "--skip-preview")
    assert "timed out waiting for the condition" in told
    assert "kubectl --namespace warp-core describe service kamailio-sip-udp" in told


def test_a_whole_update_mends_both(fresh: Stack) -> None:
    fresh.up()
    given = json.dumps(fresh.cli.outputs())
    assert command("inventory", "render", given=given).returncode == 0
    assert page(after_update(fresh.cli)) == (
        "## After the update of stack `sandbox`\n\n**The update took effect: nothing is left to do.**\n"
    )


ALERTS = {
    "manage": True,
    "channels": {"noc": {"type": "email", "to": "noc@example.com"}},
    "probe": {"expected": 403},
}


def test_alerts_metrics_and_prober_are_made_by_one_update_and_settle(fresh: Stack) -> None:
    """And are gone by one, channels in use included."""
    fresh.set(ALERTS, "warp-edge:alerts")
    assert set(fresh.changes().values()) == {"create"}
    assert "nothing is left to do" in page(after_update(fresh.cli))
    fresh.set({}, "warp-edge:alerts")
    assert set(fresh.changes().values()) == {"delete"}


def test_outputs_that_an_older_program_wrote_in_a_targeted_update_are_refused(fresh: Stack, tmp_path: Path) -> None:
    """The same words as the engine leaves them in the state."""
    state = fresh.state()
    whole = json.loads(state)
    root = next(each for each in whole["deployment"]["resources"] if each["type"] == "pulumi:pulumi:Stack")
    root["outputs"]["ipInventory"] = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    file = tmp_path / "state.json"
    try:
        file.write_text(json.dumps(whole))
        fresh.cli.text("stack", "import", "--file", str(file), "--stack", fresh.cli.stack)
        with pytest.raises(
            EngineError, match=r"no value is known for ipInventory: a targeted update .*\n  -> run a complete"
        ):
            fresh.cli.outputs()
        given = fresh.cli.text("stack", "output", "ipInventory", "--json", "--stack", fresh.cli.stack)
        assert "no value is known for ipInventory" in command("inventory", "render", given=given).stderr
    finally:
        file.write_text(state)
        fresh.cli.text("stack", "import", "--file", str(file), "--stack", fresh.cli.stack)


def test_a_state_that_the_engine_refuses_says_the_way_out(fresh: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """As a targeted update can leave it: somebody depends on what is not there."""
    (file,) = (fresh.workspace.directory / "state" / ".pulumi" / "stacks" / "warp-edge").glob("sandbox.json")
    state = file.read_text()
    broken = json.loads(state)
    latest = broken["checkpoint"]["latest"]
    latest["resources"] = [each for each in latest["resources"] if not each["urn"].endswith("::egress-router")]
    try:
        file.write_text(json.dumps(broken))
        assert fresh.cli.show("up", "--stack", fresh.cli.stack, "--yes", "--skip-preview")
        told = capsys.readouterr().out
        assert "::egress-router refers to missing resource\n  -> `pulumi state repair` on this stack" in told
        fresh.cli.text("state", "repair", "--yes", "--stack", fresh.cli.stack)
        fresh.cli.text("preview", "--stack", fresh.cli.stack)
    finally:
        file.write_text(state)


def test_an_update_that_the_plugin_drops_did_not_take(fresh: Stack, cloud: Sandbox) -> None:
    cloud.add_fault("drop-update", type_=INSTANCE)
    fresh.set(9, "warp-edge:database", "backups", "retained")
    assert "1 updated" in fresh.up(), "the engine reports what the plugin said"
    found = after_update(fresh.cli)
    assert not found.holds
    path = "`settings.backupConfiguration.backupRetentionSettings.retainedBackups` `7` → `9`"
    assert path in page(found)
    cloud.clear_faults()
    assert fresh.changes() == {"database-instance": "update"}


def test_what_is_declared_and_not_deployed_yet_is_no_drift(fresh: Stack) -> None:
    fresh.set({"state": "active", "purpose": "Vendor egress 4"}, "warp-edge:egress", "slots", "warp-nat-ip-4")
    fresh.set(11, "warp-edge:database", "backups", "retained")
    ahead = asked(fresh, "--run-program")
    assert is_unknown((ahead.after or {})["ipInventory"]), "it has an address that is not reserved yet"
    found = report(ahead, fresh.cli.stack)
    assert (found.visible, found.failed, found.resources, found.omitted) == (False, False, (), ())


def test_what_moved_behind_the_engines_back_is_drift_though_it_says_same(fresh: Stack, cloud: Sandbox) -> None:
    calm = refreshed(fresh)
    assert (calm.visible, calm.resources, calm.omitted) == (False, (), ()), "nothing untouched is reported"
    instance = next(each.body["name"] for each in cloud.resources(INSTANCE))
    moves = (
        (ADDRESS, "kamailio-sip-udp-ip", "address", "127.9.9.9"),
        (ADDRESS, "warp-nat-ip-2", "address", "127.9.9.8"),
        (ZONE, "ringer-tel", "nameServers", ["ns-cloud-b1.googledomains.com."]),
        (INSTANCE, instance, "connectionName", "warp-sandbox:us-central1:other"),
        (INSTANCE, instance, "serverCaCerts[0].cert", "another authority"),
    )
    for type_, id_, path, value in moves:
        cloud.set(type_, id_, path, value)
    steps = refresh(fresh, "--run-program")
    summary = next(json.loads(line) for line in steps.splitlines() if "summaryEvent" in line)["summaryEvent"]
    assert set(summary["resourceChanges"]) == {"same"}, "as the real plugin answers"
    found = report(read(steps), fresh.cli.stack)
    assert found.visible
    seen = {each.name: each.seen_by for each in found.resources}
    assert seen == {
        "Address warp-nat-ip-2": Audience.VENDORS,
        "Address kamailio-sip-udp-ip": Audience.CUSTOMERS,
        "Service warp-core/kamailio-sip-udp": Audience.CUSTOMERS,
        "ManagedZone ringer-tel": Audience.CUSTOMERS,
        f"DatabaseInstance {instance}": Audience.CUSTOMERS,
        "output database.serverCa": Audience.CUSTOMERS,
    }
    assert "**The cloud does not match the state. Visible to vendors and customers.**" in markdown(found)


def test_a_program_that_refuses_hides_drift_and_a_refresh_without_it_finds_it(fresh: Stack) -> None:
    """The addresses of the test before have moved."""
    fresh.set("no-such-cluster", "warp-edge:cluster", "name")
    refused = asked(fresh, "--run-program")
    assert refused.failed
    assert report(refused, fresh.cli.stack).resources == (), "the engine waits for the program"
    page_ = twice(report(replace(refused, refresh=True), "sandbox"), report(asked(fresh), "sandbox"))
    assert "no-such-cluster" in page_
    assert "`127.9.9.8`" in page_
