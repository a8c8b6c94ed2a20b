"""Dedicated customers: what is declared, who gets it published, and what cannot be removed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.dedicated_ingress import refuse_dedicated_cut
from engine.record import DedicatedUse
from engine.refusal import RefusedError
from plan.import_ids import import_ids
from settings import Settings, SettingsError
from tests.stacks import Config, as_engine_gives_it, changed, stack_config, without_site, without_tls
from tests.unit.cloud import LIVE_ADDRESSES, Cloud
from tests.unit.recording import Declared, Edge, declare, declare_once

SANDBOX = without_tls(without_site(stack_config("sandbox")))

ADDRESS = "gcp:compute/address:Address"
SERVICE = "kubernetes:core/v1:Service"
RECORD = "gcp:dns/recordSet:RecordSet"
ACME = {"ban": "100001", "targetPort": 15060, "tcp": {}, "dnsName": "acme"}
BETA = {"ban": "100002", "trunk": "main", "targetPort": 15064}
RESERVED = {"sip-acme-udp-ip": "34.1.2.3", "sip-acme-tcp-ip": "34.1.2.4", "sip-beta-udp-ip": "34.1.2.5"}


def with_dedicated(customers: dict[str, Any], **more: Any) -> Config:
    config = SANDBOX | {"warp-edge:quotas": {"staticAddresses": 20}, "warp-edge:dedicated": customers}
    return config | {f"warp-edge:{key}": value for key, value in more.items()}


def edge_of(customers: dict[str, Any], **more: Any) -> Edge:
    return declare(with_dedicated(customers, **more), cloud=Cloud("warp-sandbox", LIVE_ADDRESSES | RESERVED))


def settings_of(config: Config) -> Settings:
    return Settings.parse(as_engine_gives_it(config))


def refusals(config: Config) -> list[tuple[str, str, str]]:
    with pytest.raises(SettingsError) as error:
        settings_of(config)
    return [(each.key, each.wrong, each.remedy) for each in error.value.problems]


@pytest.fixture(scope="module")
def edge() -> Edge:
    return edge_of({"acme": ACME, "beta": BETA})


def own(edge: Edge, token: str) -> dict[str, Declared]:
    return {name: each for name, each in edge.physical(token).items() if each.name.startswith("dedicated-")}


# --- what is declared -------------------------------------------------------------------------------------------------


def test_each_customer_has_addresses_and_services_of_its_own(edge: Edge) -> None:
    assert set(own(edge, ADDRESS)) == set(RESERVED)
    services = own(edge, SERVICE)
    assert set(services) == {"sip-acme-udp", "sip-acme-tcp", "sip-beta-udp"}
    for name, service in services.items():
        assert service.inputs["metadata"]["annotations"]["networking.gke.io/load-balancer-ip-addresses"] == f"{name}-ip"
        assert service.inputs["spec"]["externalTrafficPolicy"] == "Local"
        assert service.inputs["spec"]["loadBalancerClass"] == "networking.gke.io/l4-regional-external"
        assert service.error_hooks == ["explain-pending"]


def test_each_port_leads_to_a_port_of_the_pods_that_is_no_other_customers(edge: Edge) -> None:
    """Behind kube-proxy nothing else identifies the dialled address."""
    targets = {
        name: {port["port"]: port["targetPort"] for port in service.inputs["spec"]["ports"]}
        for name, service in own(edge, SERVICE).items()
    }
    assert targets == {
        "sip-acme-udp": {5060: 15060},
        "sip-acme-tcp": {5060: 15060, 5061: 15061, 8080: 15062, 8443: 15063},
        "sip-beta-udp": {5060: 15064},
    }


def test_the_proxies_get_a_socket_for_every_port_with_the_address_that_callers_dial(edge: Edge) -> None:
    published = edge.named("acl-enforcement-fragments").inputs["data"]["dedicated.cfg"]
    assert [line for line in published.splitlines() if line.startswith("listen=")] == [
        "listen=udp:WARP_DEDICATED_LISTEN:15060 advertise 34.1.2.3:5060",
        "listen=tcp:WARP_DEDICATED_LISTEN:15060 advertise 34.1.2.4:5060",
        "listen=tls:WARP_DEDICATED_LISTEN:15061 advertise 34.1.2.4:5061",
        "listen=tcp:WARP_DEDICATED_LISTEN:15062 advertise 34.1.2.4:8080",
        "listen=tls:WARP_DEDICATED_LISTEN:15063 advertise 34.1.2.4:8443",
        "listen=udp:WARP_DEDICATED_LISTEN:15064 advertise 34.1.2.5:5060",
    ]


def test_the_database_gets_the_customer_of_each_address(edge: Edge) -> None:
    assert edge.named("trunk-acl-rows").inputs["dedicated"] == {
        "sip-acme-udp-ip": {"ban": "100001", "address": "34.1.2.3", "service": "sip-acme-udp"},
        "sip-acme-tcp-ip": {"ban": "100001", "address": "34.1.2.4", "service": "sip-acme-tcp"},
        "sip-beta-udp-ip": {"ban": "100002", "address": "34.1.2.5", "service": "sip-beta-udp", "trunk": "main"},
    }


def test_a_customers_own_name_leads_to_its_own_addresses(edge: Edge) -> None:
    found = {(each.inputs["name"], each.inputs["type"]): each.inputs["rrdatas"] for each in edge.of_type(RECORD)}
    assert {key: data for key, data in found.items() if "acme" in key[0]} == {
        ("acme.ringer.tel.", "A"): ["34.1.2.3"],
        ("acme-tcp.ringer.tel.", "A"): ["34.1.2.4"],
        ("_sip._udp.acme.ringer.tel.", "SRV"): ["10 50 5060 acme.ringer.tel."],
        ("_sip._tcp.acme.ringer.tel.", "SRV"): ["10 50 5060 acme-tcp.ringer.tel."],
        ("_sips._tcp.acme.ringer.tel.", "SRV"): ["10 50 5061 acme-tcp.ringer.tel."],
    }


def test_a_customer_may_have_tcp_alone() -> None:
    edge = edge_of({"acme": ACME | {"udp": None}})
    assert set(own(edge, SERVICE)) == {"sip-acme-tcp"}
    names = {each.inputs["name"]: each.inputs["rrdatas"] for each in edge.of_type(RECORD)}
    assert names["acme.ringer.tel."] == ["34.1.2.4"]
    assert names["_sip._tcp.acme.ringer.tel."] == ["10 50 5060 acme.ringer.tel."]


def test_addresses_and_load_balancers_are_protected_where_the_edge_is() -> None:
    edge = edge_of({"acme": ACME}, protect=True)
    assert all(each.protect for token in (ADDRESS, SERVICE) for each in own(edge, token).values())


def test_what_the_engine_gets_grows_linearly_with_the_customers() -> None:
    """Each customer adds as many resources and as many dependencies as the one before: 500 cost 50 times 10."""

    def reported(count: int) -> tuple[int, int]:
        customers = {
            f"customer-{each}": {"ban": f"{200_000 + each}", "targetPort": 15_000 + 4 * each} for each in range(count)
        }
        config = with_dedicated(customers, quotas={"staticAddresses": 40})
        resources = declare(config, cloud=Cloud("warp-sandbox", LIVE_ADDRESSES)).resources
        return len(resources), sum(len(each.dependencies) for each in resources)

    few, more, many = reported(2), reported(7), reported(12)
    assert (more[0] - few[0], more[1] - few[1]) == (many[0] - more[0], many[1] - more[1])
    # An address and a Service each. Of dependencies: the Service on its address, the rows and the sockets on all.
    assert (more[0] - few[0], more[1] - few[1]) == (5 * 2, 5 * 3)


def test_a_stack_without_dedicated_customers_declares_what_it_did_before() -> None:
    edge = declare_once(SANDBOX)
    assert not [each for each in edge.resources if "dedicated" in each.name.lower() or "Dedicated" in each.type]
    assert "dedicated" not in edge.named("trunk-acl-rows").inputs
    assert "dedicated.cfg" not in edge.named("acl-enforcement-fragments").inputs["data"]
    assert "dedicated" not in edge.outputs["monthlyCost"]
    assert not [each for each in edge.outputs["ipInventory"]["addresses"] if "customer" in each]


def test_everything_of_a_dedicated_customer_can_be_adopted() -> None:
    settings = settings_of(with_dedicated({"acme": ACME}))
    prefix = "projects/warp-sandbox/regions/us-central1/addresses"
    found = import_ids(settings)
    assert {name: each for name, each in found.items() if name.startswith("dedicated-")} == {
        "dedicated-acme-udp-address": f"{prefix}/sip-acme-udp-ip",
        "dedicated-acme-udp": "warp-core/sip-acme-udp",
        "dedicated-acme-tcp-address": f"{prefix}/sip-acme-tcp-ip",
        "dedicated-acme-tcp": "warp-core/sip-acme-tcp",
    }


# --- publication ----------------------------------------------------------------------------


def test_the_inventory_says_whose_each_address_is(edge: Edge) -> None:
    inventory = edge.outputs["ipInventory"]
    assert {each["address"]: each["customer"] for each in inventory["addresses"] if "customer" in each} == {
        "34.1.2.3": "100001",
        "34.1.2.4": "100001",
        "34.1.2.5": "100002",
    }
    ways = [each for each in inventory["endpoints"] if each.get("customer") == "100001"]
    assert [(each["server"], each["port"], each["transport"]) for each in ways] == [
        ("acme.ringer.tel", 5060, "UDP"),
        ("acme-tcp.ringer.tel", 5060, "TCP"),
        ("acme-tcp.ringer.tel", 5061, "TLS"),
        ("acme-tcp.ringer.tel", 8080, "WS"),
        ("acme-tcp.ringer.tel", 8443, "WSS"),
    ]


@pytest.mark.parametrize("output", ["customerEndpoints", "vendorWhitelist"])
def test_public_outputs_have_no_dedicated_addresses(edge: Edge, output: str) -> None:
    assert edge.outputs[output] == declare_once(SANDBOX).outputs[output]


def test_each_customer_has_a_price(edge: Edge) -> None:
    """live-edge.md, "Monthly cost": an address 2.92, a LoadBalancer 18.00; a further forwarding rule 0.01 x 730."""
    cost = edge.outputs["monthlyCost"]
    assert cost["dedicated"] == {
        "100001": {"addresses": 2, "loadBalancers": 2, "plan": 41.84, "list": 14.6},
        "100002": {"addresses": 1, "loadBalancers": 1, "plan": 20.92, "list": 7.3},
    }
    counted = {item["item"]: item["count"] for item in cost["plan"]["items"]}
    assert (counted["static addresses"], counted["LoadBalancers"]) == (5 + 3, 2 + 3)


# --- what drains ------------------------------------------------------------------------------------------------------


def test_nothing_leads_to_an_address_that_drains_and_it_is_held() -> None:
    draining = {"ban": "100001", "targetPort": 15060, "drainedOn": "2026-03-01"}
    edge = edge_of({"acme": draining, "beta": BETA})
    assert "sip-acme-udp-ip" in own(edge, ADDRESS)
    assert "sip-acme-udp" in own(edge, SERVICE)
    assert set(edge.named("trunk-acl-rows").inputs["dedicated"]) == {"sip-beta-udp-ip"}
    listed = {each["name"]: each for each in edge.outputs["ipInventory"]["addresses"]}
    assert (listed["sip-acme-udp-ip"]["status"], listed["sip-acme-udp-ip"]["drainedOn"]) == ("draining", "2026-03-01")
    assert [each["customer"] for each in edge.outputs["ipInventory"]["endpoints"] if "customer" in each] == ["100002"]


RETIRED = {
    "address": "34.1.2.3", "purpose": "Dedicated ingress (UDP)", "kind": "LoadBalancer", "direction": "inbound",
    "customer": "100001", "drainedOn": "2026-03-01", "retiredOn": "2026-03-09",
}  # fmt: skip


def cut(config: Config, before: dict[str, DedicatedUse]) -> str:
    settings = settings_of(config)
    try:
        refuse_dedicated_cut(settings.dedicated_listeners, before, settings.retired)
    except RefusedError as refused:
        return str(refused)
    return ""


@pytest.mark.parametrize(
    ("use", "leads"),
    [
        (DedicatedUse("100001"), "the row of BAN 100001 still refers"),
        (DedicatedUse(None, ("acme.ringer.tel",)), "the name acme.ringer.tel still refers"),
        (
            DedicatedUse("100001", ("acme.ringer.tel",)),
            "the name acme.ringer.tel and the row of BAN 100001 still refer",
        ),
    ],
)
def test_an_address_that_something_leads_to_cannot_go_whatever_legacy_says(use: DedicatedUse, leads: str) -> None:
    config = with_dedicated({}, legacy={"sip-acme-udp-ip": RETIRED})
    assert cut(config, {"sip-acme-udp-ip": use}).startswith(
        f"dedicated address sip-acme-udp-ip cannot be removed: {leads} to it"
    )


@pytest.mark.parametrize("missing", ["customer", "drainedOn", "retiredOn", None])
def test_a_drained_address_goes_only_with_a_word_to_its_customer(missing: str | None) -> None:
    retired = {key: value for key, value in RETIRED.items() if key != missing}
    if missing == "customer":
        del retired["drainedOn"]
    legacy = {"sip-acme-udp-ip": retired} if missing != "retiredOn" else {}
    said = cut(with_dedicated({}, legacy=legacy), {"sip-acme-udp-ip": DedicatedUse()})
    assert (
        said.startswith("dedicated address sip-acme-udp-ip cannot be removed without an entry")
        if missing
        else said == ""
    )


def test_an_address_cannot_become_another_customers_while_calls_are_billed_by_it() -> None:
    config = with_dedicated({"acme": {"ban": "100009", "targetPort": 15060}})
    said = cut(config, {"sip-acme-udp-ip": DedicatedUse("100001")})
    assert said.startswith(
        "dedicated address sip-acme-udp-ip belongs to BAN 100001 and cannot be assigned to BAN 100009"
    )
    assert cut(config, {"sip-acme-udp-ip": DedicatedUse()}) == "", "after it was drained it may"


def test_an_address_under_another_name_is_one_that_goes() -> None:
    config = with_dedicated({"acme": {"ban": "100001", "targetPort": 15060, "udp": {"address": "other"}}})
    assert "sip-acme-udp-ip cannot be removed" in cut(config, {"sip-acme-udp-ip": DedicatedUse("100001")})


def test_no_customer_gets_anothers_address_as_a_replacement() -> None:
    retired = {key: value for key, value in RETIRED.items() if key not in ("customer", "drainedOn")}
    config = with_dedicated({"beta": BETA}, legacy={"old": retired | {"replacedBy": ["sip-beta-udp-ip"]}})
    ((key, wrong, _),) = refusals(config)
    assert (key, wrong) == (
        "warp-edge:legacy",
        "'old' is replaced by sip-beta-udp-ip, which is dedicated to BAN 100002: it would be published to others",
    )
    assert settings_of(changed(config, ("warp-edge:legacy", "old", "customer"), "100002"))


FILE = "gcp:storage/bucketObject:BucketObject"
SUCCESSOR = {"acme-2": {"ban": "100001", "targetPort": 15064}, "beta": BETA | {"targetPort": 15068}}
SUCCESSOR_IP = "34.1.2.7"


@pytest.fixture(scope="module", params=["without a site", "with a site"])
def replaced(request: pytest.FixtureRequest) -> Edge:
    """Customer 100001's address was retired; the same customer's living one took over."""
    legacy = {"sip-acme-udp-ip": RETIRED | {"address": "34.1.2.66", "replacedBy": ["sip-acme-2-udp-ip"]}}
    site = {"inventorySite": stack_config("sandbox")["warp-edge:inventorySite"]}
    config = with_dedicated(SUCCESSOR, legacy=legacy, **(site if request.param == "with a site" else {}))
    edge = declare(config, cloud=Cloud("warp-sandbox", LIVE_ADDRESSES | RESERVED | {"sip-acme-2-udp-ip": SUCCESSOR_IP}))
    assert bool(edge.of_type(FILE)) == (request.param == "with a site")
    return edge


def test_the_inventory_names_what_replaced_a_customers_retired_address(replaced: Edge) -> None:
    listed = {each["name"]: each for each in replaced.outputs["ipInventory"]["addresses"]}
    retired = listed["sip-acme-udp-ip"]
    assert (retired["address"], retired["status"], retired["customer"]) == ("34.1.2.66", "retired", "100001")
    assert retired["replacedBy"] == [SUCCESSOR_IP] == [listed["sip-acme-2-udp-ip"]["address"]]


def test_nothing_that_all_may_read_has_a_customers_retired_address_or_what_replaced_it(replaced: Edge) -> None:
    public = {key: json.dumps(replaced.outputs[key]) for key in ("vendorWhitelist", "customerEndpoints")}
    public |= {each.inputs["name"]: each.inputs["content"] for each in replaced.of_type(FILE)}
    own = ("34.1.2.66", SUCCESSOR_IP, RESERVED["sip-beta-udp-ip"], "sip-acme", "100001", "100002")
    assert [(name, word) for name, text in public.items() for word in own if word in text] == []


# --- what the settings refuse -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("customers", "wrong"),
    [
        ({"a": BETA, "b": BETA | {"targetPort": 15067}}, "targetPort 15067 of b takes the pods' ports up to 15070, and"
         " 15067 is a's"),
        ({"a": BETA | {"targetPort": 5058}}, "targetPort 5058 of a takes the pods' ports up to 5061, and 5060 is the"
         " shared ingress's"),
        ({"a": BETA | {"targetPort": 9089}}, "targetPort 9089 of a takes the pods' ports up to 9092, and 9090 is the"
         " internal Service's"),
        ({"a": BETA | {"targetPort": 9060}}, "targetPort 9060 of a takes the pods' ports up to 9063, and 9061 is the"
         " reloader's"),
        ({"a": BETA, "b": ACME | {"udp": {"address": "sip-a-udp-ip"}}}, "reserved address sip-a-udp-ip of b is a's"),
        ({"a": BETA, "b": ACME | {"tcp": {"service": "sip-a-udp"}}}, "Service sip-a-udp of b is a's"),
        ({"a": BETA | {"udp": {"address": "warp-nat-ip-1"}}}, "reserved address warp-nat-ip-1 of a is the egress's"),
        ({"a": BETA | {"udp": {"address": "kamailio-sip-udp-ip"}}}, "reserved address kamailio-sip-udp-ip of a is the"
         " shared ingress's"),
        ({"a": BETA | {"udp": {"service": "kamailio-internal"}}}, "Service kamailio-internal of a is the internal"
         " Service's"),
        ({"a": BETA | {"dnsName": "sip"}}, "DNS name sip of a is the shared ingress's"),
        ({"a": ACME | {"dnsName": "b" * 63}}, f"the DNS name {'b' * 63}-tcp has more than 63 letters"),
        ({"a": BETA | {"dnsName": "b-tcp"}, "b": ACME | {"dnsName": "b"}}, "DNS name b-tcp of b is a's"),
    ],
)  # fmt: skip
def test_no_two_share_what_only_one_can_have(customers: dict[str, Any], wrong: str) -> None:
    ((key, said, _),) = refusals(with_dedicated(customers))
    assert (key, said) == ("warp-edge:dedicated", wrong)


def test_a_region_among_several_keeps_its_own_name() -> None:
    config = with_dedicated({"a": BETA | {"dnsName": "us-central1"}})
    assert settings_of(config), "the domain's names are this stack's alone"
    among = changed(changed(config, ("warp-edge:dns", "scope"), "region"), ("warp-edge:dns", "zone", "manage"), True)
    ((_, said, _),) = refusals(among)
    assert said == "DNS name us-central1 of a is the region's"


@pytest.mark.parametrize(
    ("customer", "key", "wrong"),
    [
        ({"ban": "100 001", "targetPort": 15060}, "warp-edge:dedicated.acme.ban", "not a valid name here"),
        ({"ban": "1\nlisten=udp:0.0.0.0:1", "targetPort": 15060}, "warp-edge:dedicated.acme.ban",
         "not a valid name here"),
        ({"ban": "100001"}, "warp-edge:dedicated.acme.targetPort", "this setting is required"),
        ({"ban": "100001", "targetPort": 65_533}, "warp-edge:dedicated.acme.targetPort", "too large"),
        ({"ban": "100001", "targetPort": 80}, "warp-edge:dedicated.acme.targetPort", "too small"),
        ({"ban": "100001", "targetPort": 15060, "udp": None}, "warp-edge:dedicated.acme.tcp", "neither UDP nor TCP"),
        ({"ban": "100001", "targetPort": 15060, "dnsName": "a", "drainedOn": "2026-01-01"},
         "warp-edge:dedicated.acme.dnsName", "it drains, but this name still resolves to it"),
        ({"ban": "100001", "targetPort": 15060, "activeOn": "2026-01-02", "drainedOn": "2026-01-01"},
         "warp-edge:dedicated.acme.drainedOn", "dates out of order: activeOn is 2026-01-02"),
    ],
)  # fmt: skip
def test_a_wrong_customer_is_reported_by_its_key(customer: dict[str, Any], key: str, wrong: str) -> None:
    ((found, said, _),) = refusals(with_dedicated({"acme": customer}))
    assert (found, said) == (key, wrong)


def test_two_entries_may_be_of_one_customer() -> None:
    edge = edge_of({"acme": ACME, "acme-2": BETA | {"ban": "100001"}})
    assert edge.outputs["monthlyCost"]["dedicated"]["100001"]["addresses"] == 3


@pytest.mark.parametrize("acl", [{"manage": False}, {"manage": True}])
def test_dedicated_addresses_without_enforcement_are_refused(acl: dict[str, Any]) -> None:
    ((key, wrong, remedy),) = refusals(with_dedicated({"acme": ACME}, trunkAcl=acl))
    assert key == "warp-edge:dedicated"
    assert wrong.startswith("the SIP proxies would not know the customers of these addresses")
    assert remedy == "set trunkAcl.manage: true and trunkAcl.enforcement: {}"


# --- quotas -----------------------------------------------------------------------------------------------------------


def test_quotas_are_checked_before_anything_is_declared_and_reported_at_once() -> None:
    config = with_dedicated({"acme": ACME, "beta": BETA}, quotas={"staticAddresses": 7, "forwardingRules": 4})
    ((key, wrong, remedy),) = refusals(config)
    assert key == "warp-edge:quotas"
    assert wrong == "this stack alone needs 8 static addresses (allowed: 7) and 5 forwarding rules (allowed: 4)"
    assert "set quotas.staticAddresses and forwardingRules; other use by the project also counts" in remedy
    assert settings_of(changed(config, ("warp-edge:quotas",), {"staticAddresses": 8, "forwardingRules": 5}))


def test_a_new_projects_quota_is_the_default() -> None:
    """docs.cloud.google.com/compute/resource-usage: 8 static addresses in a region; the live edge has five."""
    eight = with_dedicated({"acme": ACME, "beta": BETA})
    del eight["warp-edge:quotas"]
    assert settings_of(eight)
    nine = changed(eight, ("warp-edge:dedicated", "beta", "tcp"), {})
    assert refusals(nine)[0][1] == "this stack alone needs 9 static addresses (allowed: 8)"


def test_without_dedicated_customers_only_a_configured_quota_is_checked() -> None:
    slots = {f"warp-nat-ip-{number}": {"state": "active"} for number in range(1, 40)}
    config = changed(SANDBOX, ("warp-edge:egress", "slots"), slots)
    assert settings_of(config)
    assert refusals(config | {"warp-edge:quotas": {"staticAddresses": 40}})[0][1] == (
        "this stack alone needs 41 static addresses (allowed: 40)"
    )
