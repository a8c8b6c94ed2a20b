"""The sandbox as a process: start, stop, crash, command line, DNS, and a database that survives."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from dns import message, query
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from local_cloud import LocalCloudError, marks
from local_cloud.layout import SERVER_MARK
from sandbox import Sandbox
from sandbox.cli import main
from tests.local_cloud.plugin import plain, wire

INSTANCE = "gcp:sql/databaseInstance:DatabaseInstance"
ADDRESS = "gcp:compute/address:Address"
SIP_A = "projects/warp-prod/managedZones/ringer-tel/rrsets/sip.ringer.tel./A"
RECORD = "gcp:dns/recordSet:RecordSet"


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path / "sandbox", network="127.94.0.0/16", dns_port=0)
    sandbox.start()
    yield sandbox
    sandbox.destroy()


def create(sandbox: Sandbox, type_: str, **inputs: Any) -> dict[str, Any]:
    """As the engine would, over the configured port."""
    ports = dict(pair.split(":") for pair in sandbox.env()["PULUMI_DEBUG_PROVIDERS"].split(","))
    with grpc.insecure_channel(f"127.0.0.1:{ports['gcp']}") as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        stub.Attach(plugin_pb2.PluginAttach(address="127.0.0.1:1"))
        stub.Configure(provider_pb2.ConfigureRequest(args=wire({"project": "warp-sandbox", "region": "us-central1"})))
        urn = f"urn:pulumi:test::test::{type_}::made"
        checked = stub.Check(provider_pb2.CheckRequest(urn=urn, news=wire(inputs)))
        assert not checked.failures, checked.failures
        response = stub.Create(provider_pb2.CreateRequest(urn=urn, properties=checked.inputs))
        return plain(response.properties)


def test_what_was_made_is_there_after_a_restart(sandbox: Sandbox) -> None:
    made = create(sandbox, ADDRESS, name="sip")
    assert sandbox.stop()
    assert not sandbox.running()
    assert sandbox.start()
    assert sandbox.resource(ADDRESS, "sip")["address"] == made["address"]
    assert [row.op for row in sandbox.writes()] == ["create"]


def test_starting_twice_says_it_runs_already(sandbox: Sandbox) -> None:
    assert sandbox.start() is False


def test_two_sandboxes_run_side_by_side(sandbox: Sandbox, tmp_path: Path) -> None:
    other = Sandbox(tmp_path / "other", network="127.95.0.0/16")
    other.start()
    try:
        create(other, ADDRESS, name="sip")
        assert sandbox.resources(ADDRESS) == []
    finally:
        other.destroy()


def test_another_one_takes_another_network_and_keeps_it(sandbox: Sandbox, tmp_path: Path) -> None:
    """Like two checkouts of the repository, each with its own `make up`."""
    networks = "127.94.0.0/16,127.97.0.0/16,127.98.0.0/16"
    other = Sandbox(tmp_path / "other", network=networks, dns_port=0)
    other.start()
    try:
        assert create(other, ADDRESS, name="sip")["address"].startswith("127.97.")
        assert other.stop()
        assert sandbox.stop()
        other.start()  # 127.94 is free now, but its addresses are of 127.97
        assert other.status()["network"] == "127.97.0.0/16"
    finally:
        other.destroy()


def test_a_network_that_another_one_has_is_refused_in_one_line(sandbox: Sandbox, tmp_path: Path) -> None:
    other = Sandbox(tmp_path / "other", network="127.94.0.0/16", dns_port=0)
    with pytest.raises(LocalCloudError, match=r"another cloud .* is running on 127\.94\.0\.0/16: stop that one"):
        other.start()
    other.destroy()


def test_when_its_folder_is_removed_it_ends_and_a_new_one_can_start(sandbox: Sandbox) -> None:
    settings = {"tier": "db-f1-micro", "edition": "ENTERPRISE"}
    create(
        sandbox,
        INSTANCE,
        name="db",
        databaseVersion="POSTGRES_15",
        settings=settings,
    )
    pid = sandbox.status()["pid"]
    shutil.rmtree(sandbox.directory)
    assert not sandbox.running()
    assert sandbox.start()
    assert marks.dead(pid)
    assert sandbox.resources(ADDRESS) == []
    assert list(marks.marked(SERVER_MARK, str(sandbox.directory))) == [sandbox.status()["pid"]]


def test_after_a_crash_it_starts_again_with_everything_and_the_database_answers(sandbox: Sandbox) -> None:
    settings = {
        "tier": "db-f1-micro",
        "edition": "ENTERPRISE",
        "ipConfiguration": {"authorizedNetworks": [{"name": "loopback", "value": "127.0.0.0/8"}]},
    }
    instance = create(
        sandbox,
        INSTANCE,
        name="db",
        databaseVersion="POSTGRES_15",
        settings=settings,
    )
    user = {"name": "kamailio", "instance": "db", "password": "word"}
    create(sandbox, "gcp:sql/user:User", **user)
    os.kill(sandbox.status()["pid"], signal.SIGKILL)
    while sandbox.running():
        pass
    assert (sandbox.directory / "run.json").exists()  # stale, and ignored
    with pytest.raises(LocalCloudError, match="no cloud is running in"):
        sandbox.env()
    sandbox.start()
    where: dict[str, Any] = {"host": instance["firstIpAddress"], "dbname": "postgres", "user": "kamailio"}
    psycopg.connect(**where, password="word").close()
    sandbox.stop()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(**where, password="word")
    sandbox.start()
    psycopg.connect(**where, password="word").close()


def test_an_instance_that_was_being_created_at_a_crash_is_finished(sandbox: Sandbox) -> None:
    """As Google does with accepted operations. The response is lost nevertheless."""
    wanted = {"name": "db", "databaseVersion": "POSTGRES_15", "settings": {"tier": "db-f1-micro"}}
    with ThreadPoolExecutor(1) as pool:
        creation = pool.submit(create, sandbox, INSTANCE, **wanted)
        while not sandbox.resources(INSTANCE):
            assert not creation.done()
        os.kill(sandbox.status()["pid"], signal.SIGKILL)
        assert isinstance(creation.exception(60), grpc.RpcError)
    while sandbox.running():
        pass
    assert sandbox.writes() == []
    sandbox.start()
    [made] = sandbox.resources(INSTANCE)
    assert made.body["state"] == "RUNNABLE"
    assert [(row.op, row.type, row.id) for row in sandbox.writes()] == [("create", INSTANCE, made.id)]


def test_a_manual_change_while_it_runs_takes_effect_at_once_and_is_logged_as_manual(sandbox: Sandbox) -> None:
    sandbox.seed("live-edge")
    sandbox.set(RECORD, SIP_A, "rrdatas[0]", "127.9.9.9")
    host, port = sandbox.dns_endpoint()
    answer = query.udp(message.make_query("sip.ringer.tel", "A"), host, port=port, timeout=5)
    assert [record.to_text() for record in answer.answer[0]] == ["127.9.9.9"]
    assert sandbox.writes() == []
    assert sandbox.writes(who="hand")[-1].id == SIP_A
    sandbox.delete(RECORD, SIP_A)
    assert not sandbox.exists(RECORD, SIP_A)
    with pytest.raises(LocalCloudError, match=r"the cloud has no gcp:dns/recordSet:RecordSet .*sip.ringer.tel./A"):
        sandbox.resource(RECORD, SIP_A)


def test_seeding_twice_changes_nothing(sandbox: Sandbox) -> None:
    sandbox.seed("live-edge")
    before = sandbox.log()
    sandbox.seed("live-edge")
    assert sandbox.log() == before


def test_a_manually_edited_service_field_belongs_to_kubectl_edit(sandbox: Sandbox) -> None:
    sandbox.seed("live-edge")
    service = ("kubernetes:core/v1:Service", "warp-core/kamailio-sip-udp")
    sandbox.set(*service, "spec.sessionAffinity", "None")
    managers = {
        entry["manager"]: entry["fieldsV1"] for entry in sandbox.resource(*service)["metadata"]["managedFields"]
    }
    assert managers["kubectl-edit"] == {"f:spec": {"f:sessionAffinity": {}}}
    assert "f:sessionAffinity" not in managers["kubectl-client-side-apply"]["f:spec"]


def test_destroy_leaves_only_other_files(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path / "sandbox", network="127.96.0.0/16")
    sandbox.start()
    (sandbox.directory / "notes").write_text("mine")
    sandbox.destroy()
    assert [path.name for path in sandbox.directory.iterdir()] == ["notes"]


def run(sandbox: Sandbox, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sandbox", "--dir", str(sandbox.directory), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_command_line_shows_processes_and_resources(sandbox: Sandbox) -> None:
    assert run(sandbox, "start").stdout.startswith("already running")
    assert run(sandbox, "env").stdout.startswith("export PULUMI_DEBUG_PROVIDERS=gcp:")
    assert "127.94.0.0/16" in run(sandbox, "status").stdout
    assert run(sandbox, "seed", "live-edge").returncode == 0
    resources = json.loads(run(sandbox, "resources", "--json").stdout)
    assert any(one["body"].get("address") == "34.57.46.26" for one in resources)
    writes = json.loads(run(sandbox, "log", "--writes", "--json").stdout)
    assert {row["who"] for row in writes} == {"hand"}
    assert run(sandbox, "set", RECORD, SIP_A, "ttl", "600").returncode == 0
    assert sandbox.resource(RECORD, SIP_A)["ttl"] == 600
    assert run(sandbox, "quota", "STATIC_ADDRESSES", "400").returncode == 0
    assert run(sandbox, "fault", "add", "latency", "--ms", "5", "--times", "3").returncode == 0
    assert "latency" in run(sandbox, "fault", "list").stdout
    assert run(sandbox, "fault", "clear").returncode == 0
    assert run(sandbox, "pods", "not-ready").returncode == 0
    assert run(sandbox, "stop").stdout == "stopped\n"
    assert run(sandbox, "stop").stdout == "was not running\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["env"], "no cloud is running in"),
        (["resources"], "no cloud in"),
        (["set", RECORD, SIP_A, "ttl", "1"], "no cloud in"),
        (["seed", "dead-edge"], "unknown seed 'dead-edge'; known: live-edge, second-region"),
    ],
)
def test_errors_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(["--dir", str(tmp_path / "none"), *arguments]) == 1
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("network", ["10.0.0.0/8", "127.0.0.0/28", "loopback"])
def test_a_network_outside_loopback_or_too_small_is_refused(tmp_path: Path, network: str) -> None:
    with pytest.raises(LocalCloudError, match=f"--network {network}"):
        Sandbox(tmp_path / "sandbox", network=network).start()


def test_a_dns_port_in_use_is_reported_in_one_line(sandbox: Sandbox, tmp_path: Path) -> None:
    _, port = sandbox.dns_endpoint()
    other = Sandbox(tmp_path / "other", network="127.95.0.0/16", dns_port=port)
    with pytest.raises(LocalCloudError, match="choose another port with --dns-port") as refused:
        other.start()
    assert "\n" not in str(refused.value)
    other.destroy()
