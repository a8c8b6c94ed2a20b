"""`ingress.admit: customers`: which ranges the LoadBalancers get, in which order, and what is refused."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from components.admission import HEALTH_CHECKERS, joined, planned
from components.load_balancer import Admission
from components.trunk_acl import provider
from engine import record
from engine.refusal import RefusedError
from engine.tokens import DEDICATED_INGRESS, SERVICE, SIP_INGRESS
from settings import Settings, SettingsError
from tests.stacks import Config, as_engine_gives_it, changed, stack_config, without_site
from tests.unit.cloud import SUBNETWORK, Cloud
from tests.unit.recording import Edge, declare

ACL = "pulumi-python:dynamic/warp:TrunkAcl"
TRUNK = (
    "- {{ban: '1', trunk: {name}, auth: {auth}, callsPerSecond: 1, concurrentCalls: 1, active: {on},"
    " ranges: {ranges}}}\n"
)
CHECKERS = {"35.187.242.246/32", "2600:1900:4180:dba9::/128"}


def trunk(name: str, *ranges: str, auth: str = "IP_ACL", on: str = "true") -> str:
    return TRUNK.format(name=name, auth=auth, on=on, ranges="[" + ", ".join(ranges) + "]")


def customers(folder: Path, *trunks: str, **ingress: Any) -> Config:
    (folder / "all.yaml").write_text("".join(trunks) or "[]")
    config = changed(without_site(stack_config("sandbox")), ("warp-edge:trunkAcl", "trunks"), str(folder))
    config = changed(config, ("warp-edge:trunkAcl", "limits", "allowReserved"), ["198.18.0.0/15"])
    for setting, value in {"admit": "customers", **ingress}.items():
        config = changed(config, ("warp-edge:ingress", setting), value)
    return config


def sources(edge: Edge, role: str = "udp") -> set[str]:
    return set(edge.named(f"ingress-{role}").inputs["spec"]["loadBalancerSourceRanges"])


def of_sources(edge: Edge, role: str) -> set[str]:
    """Of customers alone."""
    return sources(edge, role) - set(HEALTH_CHECKERS) - CHECKERS


def refusal(config: Config, **more: Any) -> str:
    with pytest.raises(RefusedError) as refused:
        declare(config, **more)
    return str(refused.value)


HALVES = trunk("one", "198.18.4.0/25", "198.18.5.7"), trunk("two", "198.18.4.128/25", "'2001:500::/48'")


def test_both_services_admit_every_active_range_and_googles_checkers(tmp_path: Path) -> None:
    off = trunk("unused", "198.18.6.0/24", on="false")
    switched = trunk("switched", "{range: 198.18.7.0/24, active: false}")
    digest = trunk("digest", "198.18.8.0/24", auth="DIGEST", on="false")
    edge = declare(customers(tmp_path, *HALVES, off, switched, digest, admitAlso=["192.0.2.0/24"]))
    ipv4 = {each for each in (*HEALTH_CHECKERS, *CHECKERS) if ":" not in each}
    assert sources(edge) == sources(edge, "tcp") == ipv4 | {"198.18.4.0/24", "198.18.5.7/32", "192.0.2.0/24"}
    assert "loadBalancerSourceRanges" not in edge.named("ingress-internal").inputs["spec"]


def test_a_service_of_both_families_has_ranges_of_both(tmp_path: Path) -> None:
    """GKE takes a family without a range for every source of it."""
    only_ipv4 = declare(customers(tmp_path, trunk("one", "198.18.4.0/24"), ipv6Subnetwork=SUBNETWORK))
    assert {each for each in sources(only_ipv4) if ":" in each} == {HEALTH_CHECKERS[-1], "2600:1900:4180:dba9::/128"}
    both = declare(customers(tmp_path, *HALVES, ipv6Subnetwork=SUBNETWORK))
    assert of_sources(both, "udp") == of_sources(both, "tcp") == {"198.18.4.0/24", "198.18.5.7/32", "2001:500::/48"}


def test_a_dedicated_address_stays_open(tmp_path: Path) -> None:
    """Its customer may call from any address."""
    config = customers(tmp_path, trunk("one", "198.18.4.0/24"))
    config |= {"warp-edge:dedicated": {"acme": {"ban": "1", "targetPort": 15060}}}
    edge = declare(changed(config, ("warp-edge:quotas",), {"staticAddresses": 40}))
    assert "loadBalancerSourceRanges" not in edge.named("dedicated-acme-udp").inputs["spec"]
    assert of_sources(edge, "udp") == {"198.18.4.0/24"}


def test_with_everybody_nothing_is_looked_up_and_nothing_depends_on_the_acl() -> None:
    edge = declare(without_site(stack_config("sandbox")))
    assert not [token for token, _ in edge.cloud.invocations if "monitoring" in token]
    assert "loadBalancerSourceRanges" not in edge.named("ingress-udp").inputs["spec"]
    assert not [each for each in edge.named("ingress-udp").dependencies if ACL in each]
    assert "filesOnly" not in edge.of_type(ACL)[0].inputs


UDP, TCP = "ingress-udp", "ingress-tcp"
NOW = frozenset({"198.18.4.0/24", *(each for each in (*HEALTH_CHECKERS, *CHECKERS) if ":" not in each)})
BOTH = dict.fromkeys((UDP, TCP), NOW)


def services_before_acl(edge: Edge) -> bool:
    (acl,), services = edge.of_type(ACL), [edge.named("ingress-udp"), edge.named("ingress-tcp")]
    after = [acl.urn in each.dependencies for each in services]
    before = [each.urn in acl.dependencies for each in services]
    assert after == [not each for each in before]
    assert len(set(after)) == 1
    return before[0]


@pytest.mark.parametrize(
    ("admitted", "ranges", "first", "left", "closes"),
    [
        ({}, ["198.18.4.0/24"], False, set(), False),
        (dict.fromkeys((UDP, TCP), frozenset()), ["198.18.4.0/24"], False, set(), True),
        (BOTH, ["198.18.4.0/24"], False, set(), False),
        (BOTH, ["198.18.4.0/25"], False, set(), True),
        (BOTH, ["198.18.4.0/24", "198.18.6.0/24"], True, set(), False),
        (BOTH, ["198.18.6.0/24"], True, {"198.18.4.0/24"}, False),
        ({UDP: NOW, TCP: frozenset()}, ["198.18.4.0/24"], False, set(), True),
    ],
    ids=["new", "switched on", "the same", "removed", "added", "added and removed", "cut off when switched on"],
)
def test_the_firewall_opens_before_the_acl_and_closes_after_it(
    tmp_path: Path, admitted: dict[str, frozenset[str]], ranges: list[str], first: bool, left: set[str], closes: bool
) -> None:
    edge = declare(customers(tmp_path, trunk("one", *ranges)), admitted=admitted)
    assert services_before_acl(edge) is first
    assert of_sources(edge, "udp") == of_sources(edge, "tcp") == {*ranges, *left}
    (acl,) = edge.of_type(ACL)
    assert acl.inputs["filesOnly"] is True
    assert acl.inputs.get("closes", False) is closes


def test_of_one_closed_and_one_open_service_the_closed_one_opens_first_and_the_open_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an update that was cut off, with a new customer: its range must not be in the ACL before UDP admits it."""
    warned = list[str]()
    monkeypatch.setattr("pulumi.log.warn", lambda text, *_: warned.append(text))
    edge = declare(customers(tmp_path, trunk("one", "198.18.6.0/24")), admitted={UDP: NOW, TCP: frozenset()})
    assert services_before_acl(edge) is True
    assert of_sources(edge, "udp") == {"198.18.4.0/24", "198.18.6.0/24"}
    assert "loadBalancerSourceRanges" not in edge.named(TCP).inputs["spec"]
    assert [each for each in warned if "1 ranges more" in each and f"and every source at {TCP}" in each]


@pytest.mark.parametrize(("own", "before_acl"), [([], True), (["198.18.4.0/22"], True), (["198.18.4.0/25"], False)])
def test_with_everybody_again_the_firewall_opens_before_the_acl(own: list[str], before_acl: bool) -> None:
    """A new customer may come with the same update."""
    config = changed(without_site(stack_config("sandbox")), ("warp-edge:ingress", "sourceRanges"), own)
    edge = declare(config, admitted=dict.fromkeys((UDP, TCP), frozenset({"198.18.4.0/24"})))
    (acl,) = edge.of_type(ACL)
    for name in (UDP, TCP):
        assert (edge.named(name).urn in acl.dependencies) is before_acl
        assert edge.named(name).inputs["spec"].get("loadBalancerSourceRanges", []) == own
    assert "filesOnly" not in acl.inputs


def test_an_update_that_adds_and_removes_is_bounded_too(tmp_path: Path) -> None:
    """3 health checkers and an uptime checker in IPv4, one of each in IPv6."""
    both = dict.fromkeys((UDP, TCP), NOW | {f"198.18.{number}.0/25" for number in range(10, 20)})
    config = customers(tmp_path, *(trunk(f"t{each}", f"198.18.{each}.0/25") for each in range(20, 30)), admitAtMost=26)
    text = refusal(config, admitted=both)
    assert "11 that are not needed any more are still admitted: 27 together, and ingress.admitAtMost is 26" in text
    assert "-> close first: run `pulumi up` without the new ranges" in text
    assert len(sources(declare(changed(config, ("warp-edge:ingress", "admitAtMost"), 27), admitted=both))) == 25


def test_a_service_that_becomes_dual_stack_does_not_lack_what_it_could_not_have() -> None:
    wanted = joined(map(ip_network, ("198.18.4.0/24", "2001:500::/48")))
    assert planned(wanted, {UDP: frozenset({"198.18.4.0/24"})}) == Admission(wanted)


def test_an_update_that_adds_and_removes_says_that_another_has_to_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warned = list[str]()
    monkeypatch.setattr("pulumi.log.warn", lambda text, *_: warned.append(text))
    declare(customers(tmp_path, trunk("one", "198.18.6.0/24")), admitted=BOTH)
    assert [each for each in warned if "admits 1 ranges more" in each and "Another `pulumi up`" in each]


@pytest.mark.parametrize("auth", ["DIGEST", "BOTH"])
def test_callers_with_a_password_come_from_anywhere(tmp_path: Path, auth: str) -> None:
    text = refusal(customers(tmp_path, trunk("one", "198.18.4.0/24"), trunk("roaming", "198.18.5.7", auth=auth)))
    assert f"roaming of BAN 1 is {auth} ({tmp_path.name}/all.yaml:2)" in text
    assert "-> make them `auth: IP_ACL`" in text


@pytest.mark.parametrize("trunks", [(), (trunk("one"),), (trunk("one", "198.18.4.0/24", on="false"),)])
def test_no_customer_never_means_everybody(tmp_path: Path, trunks: tuple[str, ...]) -> None:
    assert "would admit no customer" in refusal(customers(tmp_path, *trunks))


def test_the_bound_counts_what_is_left_after_joining(tmp_path: Path) -> None:
    many = trunk("many", *(f"198.18.{number}.0/25" for number in range(20)), "198.18.0.128/25")
    # 20 of customers, 3 health checkers and one uptime checker in IPv4; one of each in IPv6.
    assert len(sources(declare(customers(tmp_path, many, admitAtMost=26)))) == 24
    text = refusal(customers(tmp_path, many, admitAtMost=25))
    assert "needs 26 source ranges (20 of customers, neighbours joined), and ingress.admitAtMost is 25" in text


def test_uptime_checkers_that_cannot_be_looked_up_are_not_dropped(tmp_path: Path) -> None:
    cloud = Cloud("warp-sandbox")
    cloud.checkers = []
    assert "uptime checkers" in refusal(customers(tmp_path, *HALVES), cloud=cloud)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({("warp-edge:trunkAcl", "trunks"): None}, "needs trunk files"),
        ({("warp-edge:trunkAcl", "manage"): False}, "needs trunk files"),
        ({("warp-edge:ingress", "sourceRanges"): ["192.0.2.0/24"]}, "a second list of the only sources"),
        ({("warp-edge:ingress", "admitAtMost"): 5001}, "too large"),
    ],
)
def test_settings_that_do_not_fit(tmp_path: Path, changes: dict[tuple[str, ...], Any], words: str) -> None:
    config = customers(tmp_path, *HALVES)
    for path, value in changes.items():
        config = changed(config, path, value)
    with pytest.raises(SettingsError, match=words):
        Settings.parse(as_engine_gives_it(config))


def test_what_is_admitted_beside_customers_needs_customers(tmp_path: Path) -> None:
    config = customers(tmp_path, *HALVES, admit="everybody", admitAlso=["192.0.2.0/24"])
    with pytest.raises(SettingsError, match="everybody is admitted already"):
        Settings.parse(as_engine_gives_it(config))


@pytest.mark.parametrize(
    ("ranges", "subnetwork", "family"),
    [(["192.0.2.0/24"], SUBNETWORK, 6), (["2001:500::/48"], SUBNETWORK, 4), (["2001:500::/48"], None, 4)],
)
def test_a_family_without_a_source_range_would_be_open(ranges: list[str], subnetwork: str | None, family: int) -> None:
    config = changed(stack_config("sandbox"), ("warp-edge:ingress", "sourceRanges"), ranges)
    config = changed(config, ("warp-edge:ingress", "ipv6Subnetwork"), subnetwork)
    with pytest.raises(SettingsError, match=f"GKE would admit every IPv{family} source"):
        Settings.parse(as_engine_gives_it(config))


def test_a_replica_does_not_know_the_customers_files(tmp_path: Path) -> None:
    config = changed(stack_config("prod-us-east1"), ("warp-edge:ingress", "admit"), "customers")
    with pytest.raises(SettingsError, match="needs the trunk files, and they are those of"):
        Settings.parse(as_engine_gives_it(config))


def test_the_record_has_what_each_shared_load_balancer_admits(monkeypatch: pytest.MonkeyPatch) -> None:
    def service(parent: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
        urn = f"urn:pulumi:s::p::{parent}${SERVICE}::{name}"
        return {urn: {"type": SERVICE, "outputs": {"spec": spec}}}

    ranges = ["192.0.2.0/24"]
    found = (
        service(SIP_INGRESS, UDP, {"type": "LoadBalancer", "loadBalancerSourceRanges": ranges})
        | service(SIP_INGRESS, TCP, {"type": "LoadBalancer"})
        | service(SIP_INGRESS, "internal", {"type": "ClusterIP"})
        | service(DEDICATED_INGRESS, "own", {"type": "LoadBalancer", "loadBalancerSourceRanges": ranges})
    )
    monkeypatch.setattr(record, "_read", lambda *_: found)
    monkeypatch.setattr("pulumi.get_organization", lambda: "o")
    assert record.last_update().admitted == {UDP: frozenset(ranges), TCP: frozenset()}


def test_whether_others_may_keep_rows_is_a_change_of_the_acl() -> None:
    diff = provider.TrunkAclProvider().diff
    assert diff("", {}, {"filesOnly": True}).changes
    assert diff("", {"filesOnly": True}, {}).changes
    assert not diff("", {"filesOnly": True}, {"filesOnly": True}).changes


def test_a_closing_checks_the_database_although_the_files_did_not_change() -> None:
    """The portal may have written a row of a range that an earlier update left in the firewall."""
    diff = provider.TrunkAclProvider().diff
    assert diff("", {"filesOnly": True}, {"filesOnly": True, "closes": True}).changes
    # Cut off after the check, and before a Service was closed.
    assert diff("", {"filesOnly": True, "closes": True}, {"filesOnly": True, "closes": True}).changes
    assert not diff("", {"filesOnly": True, "closes": True}, {"filesOnly": True}).changes
