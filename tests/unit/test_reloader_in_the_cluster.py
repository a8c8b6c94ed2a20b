"""The reloader as the cluster runs it: who it is, who reaches whom, where it runs, and how it is read."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from components.acl_network import Network, of_proxies
from components.workload import Workload
from tests.stacks import changed
from tests.unit.cloud import Cloud
from tests.unit.everything import ADDRESSES, BEFORE, everything
from tests.unit.network_policies import Peer, Policy, admits
from tests.unit.pod_security import violations
from tests.unit.recording import Edge, declare, declare_once
from tests.unit.test_trunk_acl import DEPLOYMENT, PROXY, by_iam, one, with_acl

POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
BUDGET = "kubernetes:policy/v1:PodDisruptionBudget"
MONITORING = "kubernetes:monitoring.googleapis.com/v1:PodMonitoring"
RELOADER, KAMAILIO, STRANGER = {"app": "warp-acl-reloader"}, {"app": "kamailio"}, {"app": "portal"}
RPC, STATUS = 9061, 9062
WORKLOAD = Workload("warp-acl-reloader", "warp-core", {}, STATUS)


def reloader(key: str, value: Any) -> Edge:
    return declare(with_acl("enforcement", "reloader", key, value=value))


def pod() -> dict[str, Any]:
    return copy.deepcopy(one(declare_once(with_acl()), DEPLOYMENT).inputs["spec"]["template"]["spec"])


def test_it_passes_pod_security_restricted() -> None:
    assert violations(pod()) == []


@pytest.mark.parametrize(
    ("path", "value", "violation"),
    [
        (("seccompProfile",), None, "reloader: seccompProfile"),
        (("seccompProfile", "type"), "Unconfined", "reloader: seccompProfile"),
        (("allowPrivilegeEscalation",), None, "reloader: allowPrivilegeEscalation"),
        (("capabilities", "drop"), [], "reloader: capabilities are not dropped"),
        (("capabilities", "add"), ["NET_ADMIN"], "reloader: adds NET_ADMIN"),
        (("runAsNonRoot",), None, "reloader: runAsNonRoot"),
        (("runAsUser",), 0, "reloader: runAsUser 0"),
        (("privileged",), True, "reloader: privileged"),
    ],
)
def test_the_check_of_pod_security_sees(path: tuple[str, ...], value: object, violation: str) -> None:
    spec = pod()
    container = changed(spec["containers"][0], ("securityContext", *path), value)
    assert violations(spec | {"containers": [container]}) == [violation]


def test_the_check_of_pod_security_sees_what_a_pod_shares_with_its_node() -> None:
    spec = pod() | {"hostNetwork": True, "volumes": [{"name": "x", "hostPath": {"path": "/"}}]}
    assert violations(spec) == ["hostNetwork: true", "volume hostPath"]


# --- who reaches whom -------------------------------------------------------------------------------------------------


def policies(edge: Edge) -> list[Policy]:
    return [each.inputs for each in edge.of_type(POLICY)]


@pytest.fixture(scope="module")
def declared() -> list[Policy]:
    return policies(declare_once(with_acl()))


@pytest.mark.parametrize("protocol", ["UDP", "TCP"])
def test_only_the_reloader_reaches_the_rpc_port(declared: list[Policy], protocol: str) -> None:
    for ranges in (True, False):

        def reaches(peer: Peer, ranges: bool = ranges) -> bool:
            return admits(declared, KAMAILIO, "Ingress", peer, protocol, RPC, ranges=ranges)

        assert reaches(Peer(RELOADER))
        assert not reaches(Peer(STRANGER))
        assert not reaches(Peer(KAMAILIO))
        assert not reaches(Peer(address="192.0.2.1"))


@pytest.mark.parametrize("protocol", ["UDP", "TCP"])
def test_every_other_port_of_the_proxies_stays_open_to_everybody(declared: list[Policy], protocol: str) -> None:
    for port in range(1, 65536):
        if port != RPC:
            assert admits(declared, KAMAILIO, "Ingress", Peer(address="192.0.2.1"), protocol, port), port
    assert admits(declared, KAMAILIO, "Egress", Peer(address="192.0.2.1"), protocol, 5060)


def test_sip_stays_open_where_the_network_plugin_knows_no_ranges() -> None:
    """Customers' own ports, too."""
    config = everything()
    found = policies(declare(config, before=BEFORE, cloud=Cloud("warp-sandbox", ADDRESSES)))
    expected = {("UDP", 5060), ("TCP", 5060), ("TCP", 5061), ("TCP", 8080), ("TCP", 8443), ("TCP", 9090), ("TCP", 8000)}
    for own in config["warp-edge:dedicated"].values():
        first = own["targetPort"]
        expected |= {("UDP", first)} if own.get("udp", True) is not None else set()
        expected |= {("TCP", first + each) for each in range(4)} if "tcp" in own else set()
    assert len(expected) > 20
    for protocol, port in expected:
        assert admits(found, KAMAILIO, "Ingress", Peer(address="192.0.2.1"), protocol, port, ranges=False), (
            protocol,
            port,
        )


def test_however_many_ports_there_are_a_rule_has_no_more_than_cilium_takes() -> None:
    many = tuple(("TCP", 20_000 + number) for number in range(130))
    network = Network(KAMAILIO, WORKLOAD, 20_007, many)
    policy = {"spec": of_proxies(network)}
    assert max(len(rule["ports"]) for rule in policy["spec"]["ingress"]) == 40
    closed = {
        port
        for _, port in many
        if not admits([policy], KAMAILIO, "Ingress", Peer(address="192.0.2.1"), "TCP", port, ranges=False)
    }
    assert closed == {20_007}, "the RPC port, and no other"


@pytest.mark.parametrize("rpc", [1, 65535])
def test_the_rpc_port_may_be_the_first_or_the_last(rpc: int) -> None:
    network = Network(KAMAILIO, WORKLOAD, rpc, ())
    policy = {"spec": of_proxies(network)}
    open_ports = [
        port
        for port in (1, 2, 5060, 65534, 65535)
        if admits([policy], KAMAILIO, "Ingress", Peer(address="192.0.2.1"), "UDP", port)
    ]
    assert open_ports == [port for port in (1, 2, 5060, 65534, 65535) if port != rpc]


def test_the_reloader_reaches_dns_database_and_proxies_and_nothing_else(declared: list[Policy]) -> None:
    def reaches(peer: Peer, protocol: str, port: int) -> bool:
        return admits(declared, RELOADER, "Egress", peer, protocol, port)

    (database,) = (
        rule["to"][0]["ipBlock"]["cidr"].removesuffix("/32")
        for policy in declared
        for rule in policy["spec"].get("egress") or ()
        if "ipBlock" in rule.get("to", [{}])[0]
    )
    assert reaches(Peer(address=database), "TCP", 5432)
    assert not reaches(Peer(address=database), "TCP", 22)
    assert reaches(Peer(address="169.254.20.10"), "UDP", 53)
    assert reaches(Peer(KAMAILIO), "UDP", RPC)
    assert reaches(Peer(KAMAILIO), "TCP", RPC)
    assert not reaches(Peer(KAMAILIO), "UDP", 5060)
    assert not reaches(Peer(STRANGER), "UDP", RPC)
    assert not reaches(Peer(address="192.0.2.1"), "TCP", 443)


def test_a_pod_with_a_database_proxy_is_as_restricted_and_reaches_the_clouds_apis() -> None:
    edge = declare(by_iam(("address", "127.0.0.1"), ("reloader.databaseProxy", PROXY)))
    spec = one(edge, DEPLOYMENT).inputs["spec"]["template"]["spec"]
    assert len(spec["containers"]) == 2
    assert violations(spec) == []
    found = policies(edge)
    assert admits(found, RELOADER, "Egress", Peer(address="192.0.2.1"), "TCP", 443)
    assert not admits(found, RELOADER, "Ingress", Peer(address="192.0.2.1"), "TCP", 443)


def test_the_reloader_answers_on_its_status_port_alone(declared: list[Policy]) -> None:
    scraper = Peer(address="192.0.2.1")
    for port in (1, STATUS - 1, STATUS, STATUS + 1, RPC):
        assert admits(declared, RELOADER, "Ingress", scraper, "TCP", port) is (port == STATUS)


def test_pods_that_are_neither_are_not_touched(declared: list[Policy]) -> None:
    for way in ("Ingress", "Egress"):
        assert admits(declared, STRANGER, way, Peer(address="192.0.2.1"), "TCP", 443)


def test_policies_and_monitoring_are_off_until_they_are_asked_for() -> None:
    edge = declare(with_acl("enforcement", value={"reloader": {"image": "x:1"}}))
    assert not edge.of_type(POLICY)
    assert not edge.of_type(MONITORING)
    assert one(edge, DEPLOYMENT).inputs["spec"]["replicas"] == 2


# --- where it runs, and how it is read --------------------------------------------------------------------------------


def test_two_of_it_are_never_on_one_node_and_a_lost_node_is_left_within_seconds() -> None:
    spec = pod()
    (node,) = (each for each in spec["topologySpreadConstraints"] if each["topologyKey"] == "kubernetes.io/hostname")
    assert (node["maxSkew"], node["whenUnsatisfiable"], node["nodeTaintsPolicy"]) == (1, "DoNotSchedule", "Honor")
    assert {each["key"]: each["tolerationSeconds"] for each in spec["tolerations"]} == {
        "node.kubernetes.io/not-ready": 5,
        "node.kubernetes.io/unreachable": 5,
    }
    budget = one(declare_once(with_acl()), BUDGET).inputs["spec"]
    assert budget == {"maxUnavailable": 1, "selector": {"matchLabels": RELOADER}}


def test_an_update_takes_none_away_before_the_new_one_is_ready() -> None:
    strategy = one(declare_once(with_acl()), DEPLOYMENT).inputs["spec"]["strategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    (container,) = pod()["containers"]
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "status"}


def test_one_alone_has_no_budget_that_would_hold_up_a_drain() -> None:
    edge = reloader("replicas", 1)
    assert not edge.of_type(BUDGET)
    assert one(edge, DEPLOYMENT).inputs["spec"]["replicas"] == 1


def test_the_pod_monitoring_reads_the_port_that_the_container_has() -> None:
    spec = one(declare_once(with_acl()), MONITORING).inputs["spec"]
    (container,) = pod()["containers"]
    (endpoint,) = spec["endpoints"]
    assert endpoint["port"] in {each["name"] for each in container["ports"]}
    assert endpoint["path"] == "/metrics"
    assert (
        spec["selector"]["matchLabels"].items()
        <= one(declare_once(with_acl()), DEPLOYMENT).inputs["spec"]["template"]["metadata"]["labels"].items()
    )
