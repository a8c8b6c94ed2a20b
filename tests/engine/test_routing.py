"""Failover of the shared names at Cloud DNS on the real engine, with listeners that are really closed.

Two regions' outputs come from stacks that export nothing else: what stands up a region is tested elsewhere.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.resolver
import pytest

from local_cloud.dns_server.routing import REMEMBERED_SECONDS
from sandbox import Sandbox
from sandbox.workspace import Workspace
from tests.engine.conftest import Stack
from tests.stacks import ROOT, changed, stack_config, written_config
from tests.unit.cloud import LIVE_ADDRESSES, Cloud
from tests.unit.recording import declare
from tests.unit.test_global_stack import EAST_ADDRESSES, REGIONS
from verify.__main__ import main as verify

RECORD = "gcp:dns/recordSet:RecordSet"
ZONE = "projects/warp-sandbox/managedZones/ringer-tel"
ROUTING = "warp-edge:routing"
PORT = 5060
Json = dict[str, Any]
PROGRAM = """
import json
from pathlib import Path
import pulumi
for name, value in json.loads(Path(__file__).with_name("outputs.json").read_text())[pulumi.get_stack()].items():
    pulumi.export(name, value)
"""


class Names:
    """The stack of the shared names, a resolver that asks for them, and the TCP listeners of two regions."""

    def __init__(self, stack: Stack, cloud: Sandbox, first: list[str], second: list[str]) -> None:
        self.stack, self.cloud = stack, cloud
        (self.first_udp, self.first_tcp), (self.second_udp, self.second_tcp) = first, second
        self.listeners: dict[str, socket.socket] = {}

    def asked(self, label: str) -> list[str]:
        resolver = dns.resolver.Resolver(configure=False)
        host, resolver.port = self.cloud.dns_endpoint()
        resolver.nameservers, resolver.cache = [host], None
        time.sleep(REMEMBERED_SECONDS * 1.2)
        return sorted(each.to_text() for each in resolver.resolve(f"{label}.ringer.tel.", "A"))

    def open(self, *addresses: str) -> None:
        for each in addresses:
            self.listeners[each] = socket.create_server((each, PORT))

    def close(self, *addresses: str) -> None:
        for each in addresses or tuple(self.listeners):
            self.listeners.pop(each).close()

    def verified(self, folder: Path) -> int:
        """What `python -m verify` says of the names."""
        file = folder / "outputs.json"
        file.write_text(json.dumps(self.stack.cli.outputs()))
        host, port = self.cloud.dns_endpoint()
        at = f"{host}:{port}"
        return verify(["--outputs", str(file), "--only", "dns", "--resolver", at, "--authority", at])


@pytest.fixture(scope="module")
def names(cloud: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Names]:
    network = cloud.status()["network"].removesuffix(".0.0/16")
    first, second = ([f"{network}.7.{n}", f"{network}.7.{n + 1}"] for n in (1, 3))
    folder = tmp_path_factory.mktemp("stacks")
    own = [
        *publish(folder, cloud, "prod", LIVE_ADDRESSES, first),
        *publish(folder, cloud, "prod-us-east1", EAST_ADDRESSES, second),
    ]
    config = written_config("global") | {
        "gcp:project": "warp-sandbox",
        "warp-edge:dns": {"domain": "ringer.tel", "zone": {"name": "ringer-tel", "manage": True}},
    }
    del config["warp-edge:shared"]
    stack = Stack(folder, cloud, config, "global")
    stack.up()
    # What the regions' stacks would have put there.
    with cloud.cloud.change("hand") as tx:
        for each in own:
            name = f"{each['name']}."
            body = {"project": "warp-sandbox", "managedZone": "ringer-tel", "name": name, "type": each["type"]}
            tx.create(RECORD, f"{ZONE}/rrsets/{name}/{each['type']}", body | {"ttl": 300, "rrdatas": each["data"]})
    found = Names(stack, cloud, first, second)
    yield found
    found.close()


def publish(folder: Path, cloud: Sandbox, name: str, live: dict[str, str], ingress: list[str]) -> list[Json]:
    """A stack that exports what a region's would, with these addresses of its ingress; the record sets of its own."""
    config = stack_config(name)
    config = changed(config, ("warp-edge:dns", "scope"), "region")
    told = declare(config, cloud=Cloud("warp-prod", dict(zip(live, [*ingress, *list(live.values())[2:]], strict=True))))
    program = folder / f"program-{name}"
    program.mkdir()
    (program / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text())
    (program / "__main__.py").write_text(PROGRAM)
    (program / "outputs.json").write_text(json.dumps({name: told.outputs}))
    workspace = Workspace(folder, name, cloud.env(), program=program)
    workspace.prepare({})
    workspace.cli.text("up", "--stack", name, "--yes", "--skip-preview")
    return [each for each in told.outputs["dns"]["records"] if f".{each['name']}".count(".us-")]


def test_a_live_record_set_gets_its_health_check_only_when_somebody_lets_it_go(names: Names) -> None:
    """The plugin replaces a record set whose policy gets a health check: docs/regions.md tells what that means."""
    assert names.asked("sip-tcp") == [names.first_tcp]
    names.stack.set(
        {
            "udp": "geo",
            "tcp": "failover",
            "probe": {"sourceRegions": ["us-central1", "us-east1", "europe-west4"]},
        },
        ROUTING,
    )
    told = names.stack.failing("up", "--yes", "--skip-preview")
    assert "protect" in told
    assert "dns-sip-tcp-a" in told
    assert names.asked("sip-tcp") == [names.first_tcp], "nobody was led elsewhere"
    told = names.stack.cli.text("stack", "--stack", "global", "--show-urns")
    (urn,) = {word for word in told.split() if word.endswith("RecordSet::dns-sip-tcp-a")}
    (command,) = re.findall(r"^pulumi state unprotect .*$", (ROOT / "docs" / "regions.md").read_text(), re.MULTILINE)
    workspace = names.stack.workspace
    environment = os.environ | workspace.environment
    subprocess.run(["bash", "-c", command], cwd=workspace.project, env=environment, check=True)
    names.open(names.first_tcp, names.second_tcp)
    names.stack.up()
    (kept,) = [each for each in json.loads(names.stack.state())["deployment"]["resources"] if each["urn"] == urn]
    assert kept["protect"], "the new one is locked again"


def test_a_resolver_sees_the_other_region_when_the_first_ones_listener_is_closed(names: Names, tmp_path: Path) -> None:
    assert names.asked("sip-tcp") == [names.first_tcp]
    assert names.verified(tmp_path) == 0
    names.close(names.first_tcp)
    assert names.asked("sip-tcp") == [names.second_tcp]
    assert names.verified(tmp_path) == 0, "the other answer was promised too"
    names.open(names.first_tcp)
    assert names.asked("sip-tcp") == [names.first_tcp]


def test_udp_is_answered_by_where_the_client_is_and_never_by_a_probe(names: Names) -> None:
    assert names.asked("sip") == names.asked("sip-udp") == [names.first_udp], "where nothing answers a probe"
    names.cloud.place_clients("127.0.0.0/8", ["us-east1", "us-central1"])
    assert names.asked("sip") == names.asked("sip-udp") == [names.second_udp]
    assert names.asked("sip-tcp") == [names.first_tcp], "a failover has one primary for everybody"
    names.cloud.place_clients("127.0.0.0/8", [])


def test_draining_taking_back_and_another_order_change_record_sets_in_place(names: Names) -> None:
    sets = {"dns-sip-a", "dns-sip-udp-a", "dns-sip-tcp-a"}
    services = {f"dns-{each}-srv" for each in ("_sip._udp", "_sip._tcp", "_sips._tcp")}
    names.stack.set("drained", REGIONS, "us-central1", "state")
    assert names.stack.planned() == dict.fromkeys(sets | services, "update")
    names.stack.up()
    assert [names.asked(label) for label in ("sip", "sip-tcp")] == [[names.second_udp], [names.second_tcp]]
    names.stack.set("active", REGIONS, "us-central1", "state")
    names.stack.set(5, REGIONS, "us-east1", "priority")
    names.stack.up()
    assert names.asked("sip-tcp") == [names.second_tcp], "it comes first now"
    names.close(names.second_tcp)
    assert names.asked("sip-tcp") == [names.first_tcp]


def test_an_answer_that_no_policy_of_ours_gives_breaks_the_promise(names: Names, tmp_path: Path) -> None:
    assert names.verified(tmp_path) == 0
    names.cloud.set(RECORD, f"{ZONE}/rrsets/sip-udp.ringer.tel./A", "routingPolicy.geos[0].rrdatas", [names.first_tcp])
    assert names.verified(tmp_path) == 3
