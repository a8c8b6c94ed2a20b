"""The zone at Gandi on the real engine: taken over, moved, repaired, and nothing touched that is not ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from dns import message, query

from local_cloud.gandi.zones import DEFAULT_RECORDS, RECORD, body_of, record_id
from sandbox import Sandbox
from tests.engine.conftest import Stack
from tests.stacks import ROOT, stack_config

DNS = "warp-edge:dns"
# live-edge.md, "DNS", and NAPTR, which the sandbox's stack publishes.
OURS = {
    *(f"{label}/A" for label in ("sip", "sip-udp", "sip-tcp")),
    *(f"{label}/SRV" for label in ("_sip._udp", "_sip._tcp", "_sips._tcp")),
    "@/NAPTR",
}
RESOURCES = {
    f"dns-gandi-{name}"
    for name in ("sip-a", "sip-udp-a", "sip-tcp-a", "_sip._udp-srv", "_sip._tcp-srv", "_sips._tcp-srv", "@-naptr")
}
SIP, VOICE = "ringer.tel/sip/A", "ringer.tel/voice/A"
THEIRS = {f"{label}/{type_}": body_of(label, type_, ttl, values) for label, type_, ttl, values in DEFAULT_RECORDS}
STRANGER = "192.0.2.9"


@pytest.fixture(scope="module")
def token(cloud: Sandbox) -> str:
    return cloud.env()["GANDI_TOKEN"]


@pytest.fixture(scope="module")
def names(cloud: Sandbox, token: str, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The sandbox's stack, up, at Cloud DNS alone, although it says where Gandi is; the token is a secret of its
    settings, nothing else."""
    without = Blind(cloud)
    stack = Stack(tmp_path_factory.mktemp("stack"), without, stack_config("sandbox"))  # type: ignore[arg-type]
    subprocess.run(
        ["pulumi", "--cwd", str(stack.workspace.project), "config", "set", "--secret", "gandiToken"],
        env=os.environ | stack.workspace.environment,
        input=token,
        text=True,
        capture_output=True,
        check=True,
    )
    written = yaml.safe_load((stack.workspace.project / "Pulumi.sandbox.yaml").read_text())["config"]
    stack.config |= {"warp-edge:gandiToken": written["warp-edge:gandiToken"]}
    assert set(stack.config["warp-edge:gandiToken"]) == {"secure"}
    stack.set(cloud.gandi_api(), DNS, "gandi", "api")
    stack.up()
    return stack


class Blind:
    """A cloud whose environment does not tell the token."""

    def __init__(self, cloud: Sandbox) -> None:
        self._cloud = cloud

    def env(self) -> dict[str, str]:
        return self._cloud.env() | {"GANDI_TOKEN": ""}


def at_gandi(cloud: Sandbox) -> dict[str, dict[str, Any]]:
    return {
        each.id.removeprefix("ringer.tel/"): each.body
        for each in cloud.resources(RECORD)
        if each.id.startswith("ringer.tel/")
    }


def written(cloud: Sandbox) -> list[tuple[str, str]]:
    return [(row.op, row.id) for row in cloud.writes() if row.type == RECORD]


def answers(server: tuple[str, int], name: str, type_: str) -> set[str]:
    found = query.udp(message.make_query(name, type_), server[0], port=server[1], timeout=5).answer
    return {record.to_text() for record in found[0]}


def refresh(stack: Stack) -> None:
    stack.cli.text("refresh", "--stack", stack.cli.stack, "--yes", "--skip-preview")


def test_the_second_host_joins_without_a_change_at_the_first(names: Stack, cloud: Sandbox) -> None:
    names.set("both", DNS, "backend")
    assert names.planned() == dict.fromkeys(RESOURCES, "create")
    assert written(cloud) == [], "a preview never writes"
    before = len(cloud.writes())
    names.up()
    assert {("create", record_id("ringer.tel", *each.split("/"))) for each in OURS} == set(written(cloud))
    assert len(cloud.writes()) == before + len(OURS), "nothing else was written"


def test_both_hosts_give_the_same_answers(names: Stack, cloud: Sandbox) -> None:
    for each in OURS:
        label, type_ = each.split("/")
        name = "ringer.tel" if label == "@" else f"{label}.ringer.tel"
        here, there = (answers(at, name, type_) for at in (cloud.dns_endpoint(), cloud.gandi_dns_endpoint()))
        assert here == there, name


def test_a_preview_without_change_is_clean_and_passes_the_policies(names: Stack) -> None:
    pack = ("--policy-pack", str(ROOT / "policies" / "run"))
    rules = ("--policy-pack-config", str(ROOT / "policies" / "config" / "sandbox.json"))
    told = names.cli.text("preview", "--expect-no-changes", "--stack", names.cli.stack, *pack, *rules)
    assert "[mandatory]" not in told
    assert "could not be judged" not in told


def test_a_change_by_hand_is_told_to_reviewers_found_by_refresh_and_put_right_by_up(
    names: Stack, cloud: Sandbox
) -> None:
    right = cloud.resource(RECORD, SIP)
    (ours,) = right["rrset_values"]
    cloud.set(RECORD, SIP, "rrset_values", [STRANGER])
    cloud.set(RECORD, "ringer.tel/_sip._udp/SRV", "rrset_values", ["10 50 5060 SIP-UDP"])
    cloud.delete(RECORD, "ringer.tel/sip-tcp/A")
    assert names.planned() == {}, "a preview asks nobody"
    status, told = reviewed(names, "refresh", "--preview-only")
    assert f"`sip.ringer.tel.` `A` at Gandi changed: `{ours}` → `{STRANGER}`" in told
    assert status == 3, "drift"

    refresh(names)
    status, told = reviewed(names, "preview")
    assert f"`sip.ringer.tel.` `A` at Gandi changed: `{STRANGER}` → `{ours}`" in told
    assert "customers get other addresses after the TTL" in told
    assert status == 3, "customers would see it"
    assert names.changes() == {"dns-gandi-sip-a": "update", "dns-gandi-sip-tcp-a": "create"}
    assert cloud.resource(RECORD, SIP) == right
    assert cloud.exists(RECORD, "ringer.tel/sip-tcp/A")


def reviewed(stack: Stack, *command: str) -> tuple[int, str]:
    """What the review says of a preview, or of a refresh that only looks."""
    streamed = {"PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true"}
    written = stack.cli.run(*command, "--json", "--stack", stack.cli.stack, extra=streamed).stdout
    review = [sys.executable, "-m", "review", "--stack", stack.cli.stack]
    done = subprocess.run(review, cwd=ROOT, input=written, text=True, capture_output=True, check=False)
    return done.returncode, done.stdout


def test_a_record_set_of_others_is_an_error_unless_adoption_is_on(names: Stack, cloud: Sandbox) -> None:
    with cloud.cloud.change("hand") as tx:
        tx.create(RECORD, VOICE, body_of("voice", "A", 300, [STRANGER]))
    names.set({"primary": "voice"}, DNS, "names")
    told = names.failing("up", "--yes", "--skip-preview")
    assert f"voice.ringer.tel. A at Gandi already exists with {STRANGER} (300 s), not " in told
    assert "dns.gandi.adopt: true" in told
    assert cloud.resource(RECORD, VOICE)["rrset_values"] == [STRANGER]
    names.set(True, DNS, "gandi", "adopt")
    names.up()
    assert STRANGER not in cloud.resource(RECORD, VOICE)["rrset_values"]
    assert not cloud.exists(RECORD, SIP), "the old name is gone with its resource"
    names.set(False, DNS, "gandi", "adopt")
    assert names.changes() == {}, "how to write is no change of what is written"


def test_what_fails_is_finished_by_the_update_that_meets_no_failure(names: Stack, cloud: Sandbox, token: str) -> None:
    """Three updates fail, each in part, for reasons of their own."""
    cloud.set(RECORD, VOICE, "rrset_values", [STRANGER])
    names.set(600, DNS, "ttlSeconds")
    told = names.failing("up", "--yes", "--skip-preview")
    assert f"voice.ringer.tel. A at Gandi was changed outside this program: it has {STRANGER} (300 s)" in told
    assert "`pulumi refresh` takes it into the state" in told
    assert "Traceback" not in told
    assert cloud.resource(RECORD, VOICE)["rrset_values"] == [STRANGER]
    refresh(names)

    cloud.add_fault("token-expired", type_=RECORD)
    told = names.failing("up", "--yes", "--skip-preview")
    assert "the token is expired, revoked or unknown (401" in told
    assert "pulumi config set --secret gandiToken" in told
    assert token not in told
    cloud.clear_faults()

    names.set(900, DNS, "ttlSeconds")
    names.set(1, DNS, "gandi", "deadlineSeconds")
    # Until it is cleared: of a few faults, each could meet another record set, whose second try then succeeds.
    cloud.add_fault("quota", type_=RECORD, operation="update")
    told = names.failing("up", "--yes", "--skip-preview")
    assert "429 Too many requests, slow down." in told
    cloud.clear_faults()
    cloud.add_fault("answer-lost", operation="update", times=2)
    names.set(20, DNS, "gandi", "deadlineSeconds")
    names.up()
    assert {at_gandi(cloud)[each]["rrset_ttl"] for each in OURS - {"sip/A"} | {"voice/A"}} == {900}
    assert STRANGER not in cloud.resource(RECORD, VOICE)["rrset_values"]
    assert names.planned() == {}


def test_the_token_is_nowhere(names: Stack, token: str) -> None:
    folder: Path = names.workspace.directory
    files = [each for each in folder.rglob("*") if each.is_file() and "program" not in each.parts]
    assert len(files) > 10
    for text in (
        names.state(),
        json.dumps(names.cli.outputs(secrets=True)),
        names.cli.text("preview", "--diff", "--stack", names.cli.stack),
        *(each.read_text(errors="replace") for each in files),
    ):
        assert token not in text


def test_the_zone_leaves_gandi_and_nothing_of_others_is_touched(names: Stack, cloud: Sandbox) -> None:
    before = [row for row in cloud.writes() if row.type != RECORD]
    names.set("cloud-dns", DNS, "backend")
    names.up()
    assert at_gandi(cloud) == THEIRS
    assert [row for row in cloud.writes() if row.type != RECORD] == before, "Cloud DNS stays as it is"
    assert names.planned() == {}
