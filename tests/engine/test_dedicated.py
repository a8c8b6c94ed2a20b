"""Premium tier on the real engine: an address of the customer's own, from the settings to the row, and back again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import Sandbox, SandboxError, sip_edge
from sandbox.sip_probe import ask
from sandbox.sip_proxy import SipProxy, require_kamailio
from tests.engine.test_trunk_acl import Edge
from verify.sip import Peer, request

DEDICATED = "warp-edge:dedicated"
ACME: dict[str, Any] = {"ban": "100001", "targetPort": 15060, "dnsName": "acme"}
BETA: dict[str, Any] = {"ban": "100002", "targetPort": 15064, "tcp": {}}


@pytest.fixture(scope="module")
def edge(cloud: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Edge:
    """The sandbox's stack with one dedicated customer, up."""
    stack = Edge(tmp_path_factory.mktemp("stack"), cloud)
    stack.set({"acme": ACME}, DEDICATED)
    stack.up()
    return stack


def own_rows(edge: Edge) -> dict[str, tuple[str, str]]:
    """Address to BAN and name at the cloud, as the database has it."""
    with edge.session() as connection:
        rows = connection.execute(
            "SELECT host(address), ban, gcp_address_name FROM accounts.customer_dedicated_ips"
        ).fetchall()
    return {address: (ban, name) for address, ban, name in rows}


def own_addresses(edge: Edge) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in edge.output("ipInventory")["addresses"] if "customer" in each}


def test_one_update_gives_address_load_balancer_name_and_row(edge: Edge, cloud: Sandbox) -> None:
    (listed,) = own_addresses(edge).values()
    assert (listed["name"], listed["customer"], listed["status"]) == ("sip-acme-udp-ip", "100001", "active")
    assert own_rows(edge) == {listed["address"]: ("100001", "sip-acme-udp-ip")}
    services = {one.id: one.body for one in cloud.resources() if one.type == "kubernetes:core/v1:Service"}
    (service,) = [body for key, body in services.items() if "sip-acme-udp" in key]
    assert service["status"]["loadBalancer"]["ingress"][0]["ip"] == listed["address"]
    records = {
        one.body["name"]: one.body["rrdatas"] for one in cloud.resources() if one.type == "gcp:dns/recordSet:RecordSet"
    }
    assert records["acme.ringer.tel."] == [listed["address"]]


def test_nothing_is_left_to_do(edge: Edge) -> None:
    edge.cli.text("refresh", "--stack", edge.cli.stack, "--yes", "--skip-preview", "--expect-no-changes")
    assert edge.planned() == {}


def test_a_second_customer_touches_nothing_of_the_firsts(edge: Edge) -> None:
    edge.set({"acme": ACME, "beta": BETA}, DEDICATED)
    changes = edge.changes()
    assert not [name for name in changes if "acme" in name]
    assert {name: operation for name, operation in changes.items() if "dedicated-" in name} == dict.fromkeys(
        ("dedicated-beta-udp-address", "dedicated-beta-udp", "dedicated-beta-tcp-address", "dedicated-beta-tcp"),
        "create",
    )
    assert sorted(own_rows(edge).values()) == [
        ("100001", "sip-acme-udp-ip"), ("100002", "sip-beta-tcp-ip"), ("100002", "sip-beta-udp-ip"),
    ]  # fmt: skip


@pytest.fixture
def proxy(edge: Edge, tmp_path: Path) -> Iterator[SipProxy]:
    """Kamailio as `make up` starts it, on what the stack put out."""
    outputs = {name: edge.output(name) for name in ("customerEndpoints", "ipInventory", "database", "trunkAcl")}
    try:
        require_kamailio()
    except SandboxError as missing:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(str(missing))
    proxy = sip_edge.of_stack(tmp_path, outputs)
    proxy.start()
    yield proxy
    proxy.stop()


def test_each_customer_is_known_by_the_address_that_is_dialled(edge: Edge, proxy: SipProxy) -> None:
    """trunks/sandbox/: 127.0.0.2 is BAN 100001's, 127.0.3.9 is BAN 100003's, 127.0.99.9 is nobody's."""
    own = {name: each["address"] for name, each in own_addresses(edge).items()}

    def call(source: str, address: str, transport: str = "udp") -> tuple[int, str]:
        peer = Peer(address, 5060, transport, source)
        answer = ask(request("INVITE", peer), peer)
        return answer.status, answer.headers.get("x-warp-ban", "")

    assert call("127.0.99.9", own["sip-acme-udp-ip"]) == (200, "100001")
    assert call("127.0.99.9", own["sip-beta-udp-ip"]) == (200, "100002")
    assert call("127.0.99.9", own["sip-beta-tcp-ip"], "tcp") == (200, "100002")
    assert call("127.0.99.9", proxy.udp_address) == (403, "")
    assert call("127.0.0.2", own["sip-acme-udp-ip"]) == (200, "100001")
    assert call("127.0.0.2", own["sip-beta-udp-ip"]) == (403, "")
    assert call("127.0.0.2", own["sip-beta-tcp-ip"], "tcp") == (403, "")
    assert {call("127.0.3.9", address)[0] for name, address in own.items() if "udp" in name} == {403}


def test_more_than_the_project_may_have_is_refused_before_anything_is_made(edge: Edge, cloud: Sandbox) -> None:
    before = cloud.resources()
    edge.set({"acme": ACME, "beta": BETA, "gamma": {"ban": "100003", "targetPort": 15068}}, DEDICATED)
    said = edge.failing("up", "--yes", "--skip-preview")
    assert "this stack alone needs 9 static addresses (allowed: 8)" in said
    assert cloud.resources() == before


def test_an_address_that_calls_are_led_to_cannot_be_removed(edge: Edge, cloud: Sandbox) -> None:
    before = cloud.resources()
    edge.set({"beta": BETA}, DEDICATED)
    said = edge.failing("preview")
    uses = "the name acme.ringer.tel and the row of BAN 100001"
    assert f"dedicated address sip-acme-udp-ip cannot be removed: {uses}" in said
    assert "Traceback" not in said
    edge.set({"acme": ACME | {"ban": "100003"}, "beta": BETA}, DEDICATED)
    assert "belongs to BAN 100001 and cannot be assigned to BAN 100003" in edge.failing("preview")
    assert cloud.resources() == before


def test_each_goes_in_two_steps_and_then_nothing_of_it_is_left(edge: Edge, cloud: Sandbox) -> None:
    """The second begins when the first ends, and is the last there is."""
    address = own_addresses(edge)["sip-acme-udp-ip"]["address"]
    draining = {"ban": "100001", "targetPort": 15060, "drainedOn": "2026-03-01"}
    edge.set({"acme": draining, "beta": BETA}, DEDICATED)
    edge.up()
    assert own_addresses(edge)["sip-acme-udp-ip"]["status"] == "draining"
    assert own_addresses(edge)["sip-acme-udp-ip"]["address"] == address, "it is held"
    assert address not in own_rows(edge)

    beta = BETA | {"drainedOn": "2026-03-02"}
    edge.set({"beta": beta}, DEDICATED)
    assert "cannot be removed without an entry" in edge.failing("preview")
    retired = {
        "address": address, "purpose": "Dedicated ingress (UDP)", "kind": "LoadBalancer", "direction": "inbound",
        "customer": "100001", "drainedOn": "2026-03-01", "retiredOn": "2026-03-09",
    }  # fmt: skip
    legacy = {"sip-acme-udp-ip": retired}
    edge.set(legacy, "warp-edge:legacy")
    edge.up()
    assert not [one for one in cloud.resources() if "acme" in one.id]
    own = own_addresses(edge)
    assert own["sip-acme-udp-ip"]["status"] == "retired"
    assert own_rows(edge) == {}

    for name in ("sip-beta-udp-ip", "sip-beta-tcp-ip"):
        legacy = legacy | {
            name: {
                "address": own[name]["address"], "purpose": "Dedicated ingress", "kind": "LoadBalancer",
                "direction": "inbound", "customer": "100002", "drainedOn": "2026-03-02", "retiredOn": "2026-03-10",
            }
        }  # fmt: skip
    edge.set(legacy, "warp-edge:legacy")
    edge.set({}, DEDICATED)
    edge.up()
    assert not [one for one in cloud.resources() if "beta" in one.id]
    assert edge.planned() == {}
