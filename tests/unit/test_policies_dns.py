"""Rules about names."""

from __future__ import annotations

from typing import Any

import pytest

from engine.tokens import ADDRESS, GANDI_RECORD_SET, RECORD_SET, RECORD_SETS, SERVICE, STACK
from policies.declared import UNKNOWN, Declared
from tests.unit.policies_under_test import refused, resource, silent, unjudged

BY_NAME = "networking.gke.io/load-balancer-ip-addresses"
# live-edge.md, "DNS".
UDP, TCP = "34.44.183.87", "34.55.182.145"
THE_STACK = resource(STACK, "warp-edge-prod")


def record(name: str, kind: Any, *data: Any, ttl: Any = 300.0) -> Declared:
    return resource(RECORD_SET, f"dns-{name}", name=name, type=kind, rrdatas=list(data), ttl=ttl)


def srv(target: Any, name: str = "_sip._udp.ringer.tel.") -> Declared:
    return record(name, "SRV", target if target is UNKNOWN else f"10 50 5060 {target}")


def balancer(protocol: Any = "UDP", *, annotations: Any = None, **spec: Any) -> Declared:
    ports = [{"port": 5060, "protocol": protocol}]
    return resource(
        SERVICE, protocol, metadata={"annotations": annotations}, spec={"type": "LoadBalancer", "ports": ports, **spec}
    )


def reserved(name: str, address: Any) -> Declared:
    return resource(ADDRESS, name, name=name, address=address)


EDGE = (
    THE_STACK,
    reserved("udp-ip", UDP),
    reserved("tcp-ip", TCP),
    balancer("UDP", annotations={BY_NAME: "udp-ip"}),
    balancer("TCP", annotations={BY_NAME: "tcp-ip"}),
)


def test_the_least_ttl_is_the_hosts() -> None:
    assert silent("dns-ttl", record("sip.ringer.tel.", "A", UDP))
    assert silent("dns-ttl", record("sip.ringer.tel.", "A", UDP, ttl=5.0))
    assert refused("dns-ttl", record("sip.ringer.tel.", "A", UDP, ttl=0.0)) == [
        "dns-sip.ringer.tel.: TTL is 0 s, the minimum is 1 s"
    ]
    assert refused("dns-ttl", record("sip.ringer.tel.", "A", UDP, ttl=None)) == [
        "dns-sip.ringer.tel.: TTL is left out, the minimum is 1 s"
    ]
    assert unjudged("dns-ttl", record("sip.ringer.tel.", "A", UDP, ttl=UNKNOWN)) == ["dns-sip.ringer.tel.: ttl"]


@pytest.mark.parametrize("kind", ["A", "AAAA"])
def test_an_srv_target_with_an_address_exists(kind: str) -> None:
    target = record("SIP-UDP.ringer.tel.", kind, UDP)
    assert silent("srv-target-exists", srv("sip-udp.ringer.tel."), target)
    assert silent("srv-target-exists", srv("sip-udp.ringer.tel"), target), "without its final dot too"


def test_a_target_that_is_not_there_dangles() -> None:
    assert refused("srv-target-exists", srv("sip-udp.ringer.tel."), record("sip.ringer.tel.", "A", UDP)) == [
        "dns-_sip._udp.ringer.tel.: its target sip-udp.ringer.tel. has no address record"
    ]


def test_a_target_with_other_records_only_dangles() -> None:
    text = record("sip-udp.ringer.tel.", "TXT", "hello")
    assert len(refused("srv-target-exists", srv("sip-udp.ringer.tel."), text)) == 1


def test_a_target_must_not_be_an_alias() -> None:
    alias = record("sip-udp.ringer.tel.", "CNAME", "sip.ringer.tel.")
    assert refused("srv-target-exists", srv("sip-udp.ringer.tel."), alias) == [
        "dns-_sip._udp.ringer.tel.: its target sip-udp.ringer.tel. is an alias, which RFC 2782 forbids"
    ]


def test_a_service_that_is_decidedly_not_available_has_no_target() -> None:
    assert silent("srv-target-exists", srv("."))


def test_every_target_of_a_record_set_is_looked_for() -> None:
    both = record("_sip._udp.ringer.tel.", "SRV", UNKNOWN, "10 50 5060 gone.ringer.tel.")
    assert len(refused("srv-target-exists", both)) == 1, "an unknown target hides no dangling one"
    assert unjudged("srv-target-exists", both) == ["dns-_sip._udp.ringer.tel.: rrdatas"]


def test_targets_that_cannot_be_looked_up_are_left_open() -> None:
    assert unjudged("srv-target-exists", srv("sip.example.net.")) == [
        "dns-_sip._udp.ringer.tel.: its target sip.example.net. is in a zone that this stack does not manage"
    ]
    unknown = resource(RECORD_SET, "r", name=UNKNOWN, type="A", rrdatas=[UDP])
    assert unjudged("srv-target-exists", srv("sip-udp.ringer.tel."), unknown) == [
        "dns-_sip._udp.ringer.tel.: whether sip-udp.ringer.tel. has an address"
    ]
    whole = resource(RECORD_SET, "dns-srv", name="_sip._udp.ringer.tel.", type="SRV", rrdatas=UNKNOWN)
    assert unjudged("srv-target-exists", whole) == ["dns-srv: rrdatas"]


def test_other_records_have_no_target() -> None:
    assert silent("srv-target-exists", record("sip.ringer.tel.", "A", UDP))


def test_the_name_customers_type_is_the_udp_ingress() -> None:
    assert silent("sip-name-is-udp-ingress", *EDGE, record("sip.ringer.tel.", "A", UDP))


@pytest.mark.parametrize("wrong", [(TCP,), (UDP, TCP), ()])
def test_any_other_answer_is_refused(wrong: tuple[str, ...]) -> None:
    reported = ", ".join(wrong) or "nothing"
    assert refused("sip-name-is-udp-ingress", *EDGE, record("sip.ringer.tel.", "A", *wrong)) == [
        f"dns-sip.ringer.tel.: it resolves to {reported}, the UDP ingress has {UDP}"
    ]


def test_a_missing_record_is_refused_at_the_stack() -> None:
    others = record("sip-udp.ringer.tel.", "A", UDP), record("sip.ringer.tel.", "TXT", "hello")
    assert refused("sip-name-is-udp-ingress", *EDGE, *others) == [
        "warp-edge-prod: there is no A record of sip, but a UDP ingress"
    ]
    assert silent("sip-name-is-udp-ingress", THE_STACK), "no ingress, no name"


def test_the_name_is_an_option() -> None:
    assert silent("sip-name-is-udp-ingress", *EDGE, record("voice.ringer.tel.", "A", UDP), label="voice")
    assert len(refused("sip-name-is-udp-ingress", *EDGE, record("voice.ringer.tel.", "A", TCP), label="voice")) == 1


def test_the_ingress_may_be_pinned_by_address_or_say_what_it_has() -> None:
    name = record("sip.ringer.tel.", "A", UDP)
    assert silent("sip-name-is-udp-ingress", balancer(loadBalancerIP=UDP), name)
    assert len(refused("sip-name-is-udp-ingress", balancer(loadBalancerIP=TCP), name)) == 1
    given = resource(
        SERVICE,
        "s",
        spec={"type": "LoadBalancer", "ports": [{"protocol": "UDP"}]},
        status={"loadBalancer": {"ingress": [{"ip": UDP}]}},
    )
    assert silent("sip-name-is-udp-ingress", given, name)


def test_a_preview_of_the_first_update_leaves_the_name_open() -> None:
    unknown = (THE_STACK, reserved("udp-ip", UNKNOWN), balancer("UDP", annotations={BY_NAME: "udp-ip"}))
    assert unjudged("sip-name-is-udp-ingress", *unknown, record("sip.ringer.tel.", "A", UNKNOWN)) == [
        "dns-sip.ringer.tel.: rrdatas"
    ]
    assert unjudged("sip-name-is-udp-ingress", *unknown, record("sip.ringer.tel.", "A", UDP)) == [
        "dns-sip.ringer.tel.: the address of the UDP ingress"
    ]
    assert unjudged("sip-name-is-udp-ingress", *EDGE, resource(RECORD_SET, "r", name=UNKNOWN, type="A")) == [
        "warp-edge-prod: whether sip has an A record"
    ]


def at_gandi(record: Declared) -> Declared:
    return resource(GANDI_RECORD_SET, record.name.replace("dns-", "dns-gandi-"), **record.properties)


def test_gandis_record_sets_are_held_to_the_same_rules() -> None:
    assert frozenset({RECORD_SET, GANDI_RECORD_SET}) <= RECORD_SETS
    assert refused("dns-ttl", at_gandi(record("sip.ringer.tel.", "A", UDP, ttl=60.0))) == [
        "dns-gandi-sip.ringer.tel.: TTL is 60 s, the minimum is 300 s"
    ]
    assert refused("srv-target-exists", at_gandi(srv("sip-udp.ringer.tel."))) == [
        "dns-gandi-_sip._udp.ringer.tel.: its target sip-udp.ringer.tel. has no address record"
    ]
    assert refused("sip-name-is-udp-ingress", *EDGE, at_gandi(record("sip.ringer.tel.", "A", TCP))) == [
        f"dns-gandi-sip.ringer.tel.: it resolves to {TCP}, the UDP ingress has {UDP}"
    ]
    assert silent("sip-name-is-udp-ingress", *EDGE, at_gandi(record("sip.ringer.tel.", "A", UDP)))


def test_each_host_of_a_zone_that_moves_has_to_answer_whole() -> None:
    sip, target = record("sip.ringer.tel.", "A", UDP), record("sip-udp.ringer.tel.", "A", UDP)
    assert refused("sip-name-is-udp-ingress", *EDGE, sip, at_gandi(target)) == [
        "warp-edge-prod: there is no A record of sip at every host of the zone, but a UDP ingress"
    ]
    assert silent("sip-name-is-udp-ingress", *EDGE, sip, at_gandi(sip))
    assert refused("srv-target-exists", at_gandi(srv("sip-udp.ringer.tel.")), target) == [
        "dns-gandi-_sip._udp.ringer.tel.: its target sip-udp.ringer.tel. has no address record"
    ]
    assert silent("srv-target-exists", at_gandi(srv("sip-udp.ringer.tel.")), at_gandi(target))


def test_a_preview_never_takes_two_answers_for_one() -> None:
    unknown = (reserved("udp-ip", UNKNOWN), balancer("UDP", annotations={BY_NAME: "udp-ip"}))
    assert len(refused("sip-name-is-udp-ingress", *unknown, record("sip.ringer.tel.", "A", UDP, TCP))) == 1


def test_names_of_a_stack_of_role_global_lead_to_other_stacks_and_that_is_said() -> None:
    """Its own file says so (`policies/config/global.json`); anywhere else a name without an address is refused."""
    target = srv("sip-udp.us-east1.ringer.tel.")
    assert refused("srv-target-exists", target)
    assert unjudged("srv-target-exists", target, otherStacks=True) == [
        "dns-_sip._udp.ringer.tel.: its target sip-udp.us-east1.ringer.tel. is another stack's name"
    ]
    name = record("sip.ringer.tel.", "A", UDP)
    assert refused("sip-name-is-udp-ingress", THE_STACK, name)
    assert refused("sip-name-is-udp-ingress", THE_STACK, name, otherStacks=True) == []
    assert unjudged("sip-name-is-udp-ingress", THE_STACK, name, otherStacks=True) == [
        "dns-sip.ringer.tel.: the UDP ingress is another stack's"
    ]


def routed(name: str, policy: Any, kind: str = "A") -> Declared:
    return resource(RECORD_SET, f"dns-{name}", name=name, type=kind, routingPolicy=policy, ttl=300.0)


def geo(*data: Any) -> dict[str, Any]:
    return {"geos": [{"location": "us-central1", "rrdatas": [each]} for each in data]}


def failover(primary: Any, backup: Any, check: Any = "projects/p/global/healthChecks/warp-sip-tcp") -> dict[str, Any]:
    backups = [{"location": "us-east1", "healthCheckedTargets": {"externalEndpoints": [backup]}}]
    return {
        "healthCheck": check,
        "primaryBackup": {"primary": {"externalEndpoints": [primary]}, "backupGeos": backups},
    }


def test_a_policy_cannot_lead_the_name_customers_type_past_the_udp_ingress() -> None:
    assert silent("sip-name-is-udp-ingress", *EDGE, routed("sip.ringer.tel.", geo(UDP)))
    assert refused("sip-name-is-udp-ingress", *EDGE, routed("sip.ringer.tel.", geo(UDP, TCP))) == [
        f"dns-sip.ringer.tel.: it resolves to {UDP}, {TCP}, the UDP ingress has {UDP}"
    ]
    for policy in (failover(TCP, UDP), failover(UDP, TCP)):
        assert len(refused("sip-name-is-udp-ingress", *EDGE, routed("sip.ringer.tel.", policy))) == 1
    for unknown in (UNKNOWN, geo(UNKNOWN), {"geos": UNKNOWN}):
        assert unjudged("sip-name-is-udp-ingress", *EDGE, routed("sip.ringer.tel.", unknown)) == [
            "dns-sip.ringer.tel.: rrdatas"
        ]


def test_a_service_with_a_policy_has_targets_too() -> None:
    policy = geo("10 50 5060 sip-udp.ringer.tel.", "10 50 5060 gone.ringer.tel.")
    target = record("sip-udp.ringer.tel.", "A", UDP)
    assert refused("srv-target-exists", routed("_sip._udp.ringer.tel.", policy, "SRV"), target) == [
        "dns-_sip._udp.ringer.tel.: its target gone.ringer.tel. has no address record"
    ]


def test_no_health_check_decides_about_udp() -> None:
    for name in ("sip.ringer.tel.", "SIP-UDP.ringer.tel."):
        assert refused("udp-name-not-probed", routed(name, failover(UDP, TCP))) == [
            f"dns-{name}: its policy uses the health check warp-sip-tcp, which UDP cannot answer"
        ]
        assert silent("udp-name-not-probed", routed(name, geo(UDP, TCP)))
    assert silent("udp-name-not-probed", routed("sip-tcp.ringer.tel.", failover(UDP, TCP)))
    assert silent("udp-name-not-probed", record("sip.ringer.tel.", "A", UDP))
    assert len(refused("udp-name-not-probed", routed("voice.ringer.tel.", failover(UDP, TCP)), labels=["voice"])) == 1
    unknown = routed("sip.ringer.tel.", failover(UDP, TCP, UNKNOWN))
    assert unjudged("udp-name-not-probed", unknown) == ["dns-sip.ringer.tel.: routingPolicy.healthCheck"]
