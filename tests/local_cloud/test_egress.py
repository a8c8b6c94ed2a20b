"""Addresses, routers and NAT: the cloud's refusals, and the plugin's plans."""

from __future__ import annotations

import pytest

from local_cloud.cloud import Cloud
from tests.local_cloud.plugin import UNKNOWN, Invalid, Plugin, Props, Refused, Resource

ADDRESS = "gcp:compute/address:Address"
ROUTER = "gcp:compute/router:Router"
NAT = "gcp:compute/routerNat:RouterNat"
REGION = "projects/warp-sandbox/regions/us-central1"
LINK = "https://www.googleapis.com/compute/v1/"


def address(gcp: Plugin, name: str, **more: object) -> Resource:
    return gcp.create(ADDRESS, name, {"name": name, **more})


def nat_inputs(*active: str, **more: object) -> Props:
    return {
        "name": "warp-nat",
        "router": "warp-router",
        "natIpAllocateOption": "MANUAL_ONLY",
        "natIps": [f"{REGION}/addresses/{name}" for name in active],
        "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES",
        **more,
    }


def links(*names: str) -> list[str]:
    return [f"{REGION}/addresses/{name}" for name in names]


@pytest.fixture
def router(gcp: Plugin) -> Resource:
    return gcp.create(ROUTER, "router", {"name": "warp-router", "network": "default"})


@pytest.fixture
def slots(gcp: Plugin, router: Resource) -> dict[str, Resource]:
    return {name: address(gcp, name) for name in ("slot-1", "slot-2", "slot-3")}


@pytest.fixture
def nat(gcp: Plugin, slots: dict[str, Resource]) -> Resource:
    return gcp.create(NAT, "nat", nat_inputs(*slots, drainNatIps=[]))


def test_an_address_comes_from_the_clouds_network_and_is_full_of_what_google_reports(gcp: Plugin) -> None:
    made = address(gcp, "sip-udp", labels={"app": "warp"})
    assert made.id == f"{REGION}/addresses/sip-udp"
    assert made.outputs["address"].startswith("127.93.")
    assert made.outputs["selfLink"] == LINK + made.id
    assert made.outputs["networkTier"] == "PREMIUM"
    assert made.outputs["labels"] == {"app": "warp"}
    assert made.secrets == {"effectiveLabels", "pulumiLabels"}


def test_the_plugins_attribution_label_is_added_unless_switched_off(gcp: Plugin) -> None:
    with_label = gcp.another(project="warp-sandbox", region="us-central1")
    made = with_label.create(ADDRESS, "one", {"name": "one", "labels": {"app": "warp"}})
    assert made.outputs["labels"] == {"app": "warp"}
    assert made.outputs["effectiveLabels"] == {"app": "warp", "goog-pulumi-provisioned": "true"}
    assert "goog-pulumi-provisioned" not in address(gcp, "two", labels={"app": "warp"}).outputs["effectiveLabels"]


def test_the_ninth_address_of_a_new_project_is_over_quota_and_the_quota_can_be_raised(
    gcp: Plugin, cloud: Cloud
) -> None:
    for number in range(8):
        address(gcp, f"slot-{number}")
    with pytest.raises(
        Refused, match=r"Quota 'STATIC_ADDRESSES' exceeded. Limit: 8.0 in region us-central1\., quotaEx"
    ):
        address(gcp, "slot-8")
    with cloud.change("hand") as tx:
        tx.set_quota("STATIC_ADDRESSES", 9)
    address(gcp, "slot-8")


def test_a_name_that_is_taken_answers_409(gcp: Plugin) -> None:
    address(gcp, "sip")
    with pytest.raises(
        Refused, match=rf"Error creating Address: googleapi: Error 409: .*{REGION}/addresses/sip' already"
    ):
        address(gcp, "sip")


@pytest.mark.parametrize("name", ["Sip", "1sip", "sip_udp", "sip-", "s" * 64])
def test_a_name_outside_rfc_1035_is_refused_in_googles_words(gcp: Plugin, name: str) -> None:
    with pytest.raises(Invalid, match=r"Must be a match of regex '\(\?:\[a-z\]"):
        address(gcp, name)


@pytest.mark.parametrize("labels", [{"App": "x"}, {"app": "X"}, {"1app": "x"}, {"app": "x y"}, {"app": "x" * 64}])
def test_labels_outside_googles_syntax_are_refused(gcp: Plugin, labels: dict[str, str]) -> None:
    with pytest.raises(Refused, match="violates format constraints"):
        address(gcp, "sip", labels=labels)


def test_a_label_of_underscores_is_judged_at_once(gcp: Plugin) -> None:
    with pytest.raises(Refused):
        address(gcp, "sip", labels={"app": "_" * 60 + "A"})


def test_unknown_inputs_and_unknown_types_are_refused_by_name(gcp: Plugin, router: Resource) -> None:
    with pytest.raises(Invalid, match='An argument named "adress" is not expected here'):
        address(gcp, "sip", adress="x")
    with pytest.raises(Invalid, match='An argument named "filtr" is not expected here'):
        gcp.create(NAT, "nat", nat_inputs(logConfig={"enable": True, "filter": "ALL", "filtr": "ALL"}))
    with pytest.raises(Refused, match="the local cloud has no resource type gcp:compute/instance:Instance"):
        gcp.create("gcp:compute/instance:Instance", "vm", {"name": "vm"})
    with pytest.raises(Refused, match="the local cloud has no function gcp:compute/getImage:getImage"):
        gcp.invoke("gcp:compute/getImage:getImage")


def test_an_address_in_use_cannot_be_deleted_and_its_user_is_named(
    gcp: Plugin, slots: dict[str, Resource], nat: Resource
) -> None:
    with pytest.raises(Refused, match=r"is already being used by '.*/routers/warp-router', resourceInUseByAnotherRes"):
        gcp.delete(slots["slot-1"])
    seen = gcp.read(slots["slot-1"])
    assert seen is not None
    assert seen.outputs["users"] == [f"{LINK}{REGION}/routers/warp-router"]
    gcp.delete(nat)
    gcp.delete(slots["slot-1"])
    assert gcp.read(slots["slot-1"]) is None


def test_a_router_with_a_gateway_cannot_be_deleted(gcp: Plugin, router: Resource, nat: Resource) -> None:
    with pytest.raises(Refused, match="is already being used by"):
        gcp.delete(router)


def test_a_nat_answers_404_to_raw_addresses_and_to_dangling_links(gcp: Plugin, slots: dict[str, Resource]) -> None:
    with pytest.raises(Refused, match="Error 404"):
        gcp.create(NAT, "nat", nat_inputs() | {"natIps": [slots["slot-1"].outputs["address"]]})
    with pytest.raises(Refused, match=r"Error 404: The resource '.*/addresses/missing' was not found"):
        gcp.create(NAT, "nat", nat_inputs("slot-1", "missing"))


def test_a_nat_refuses_an_address_of_another_region(gcp: Plugin, slots: dict[str, Resource]) -> None:
    far = address(gcp, "far", region="europe-west1")
    with pytest.raises(Refused, match="Cross-region references"):
        gcp.create(NAT, "nat", nat_inputs("slot-1") | {"natIps": [*links("slot-1"), far.id]})


def test_two_gateways_cannot_share_an_address(gcp: Plugin, nat: Resource) -> None:
    with pytest.raises(Refused, match="resourceInUseByAnotherResource"):
        gcp.create(NAT, "second", nat_inputs("slot-1") | {"name": "second"})


def test_a_gateway_needs_an_active_address_and_refuses_one_in_both_lists(gcp: Plugin, nat: Resource) -> None:
    with pytest.raises(Refused, match="At least one active address"):
        gcp.update(nat, nat_inputs(drainNatIps=links("slot-1", "slot-2", "slot-3")))
    both = nat_inputs("slot-1", drainNatIps=links("slot-1"))
    for operation in (gcp.diff, gcp.update):  # the plugin refuses it in the preview
        with pytest.raises(Refused, match=r"cannot be drained if still set in nat_ips \[slot-1\]"):
            operation(nat, both)


def test_a_new_gateway_refuses_drained_addresses(gcp: Plugin, slots: dict[str, Resource]) -> None:
    with pytest.raises(Refused, match="A new NAT gateway cannot have drained addresses"):
        gcp.create(NAT, "nat", nat_inputs("slot-1", drainNatIps=links("slot-2")))


def test_only_an_address_that_was_active_can_be_drained(gcp: Plugin, slots: dict[str, Resource]) -> None:
    made = gcp.create(NAT, "nat", nat_inputs("slot-1", drainNatIps=[]))
    with pytest.raises(Refused, match=r'drain_nat_ip "slot-2" was not previously set in nat_ips \[slot-1\]'):
        gcp.diff(made, nat_inputs("slot-1", drainNatIps=links("slot-2")))
    with pytest.raises(Refused, match="was not previously set"):
        gcp.update(made, nat_inputs("slot-1", drainNatIps=links("slot-2")))


def test_drain_in_one_update_and_remove_in_the_next_frees_the_address(
    gcp: Plugin, slots: dict[str, Resource], nat: Resource
) -> None:
    drained = gcp.update(nat, nat_inputs("slot-1", "slot-2", drainNatIps=links("slot-3")))
    assert drained.outputs["drainNatIps"] == [LINK + link for link in links("slot-3")]
    gcp.update(drained, nat_inputs("slot-1", "slot-2", drainNatIps=[]))
    gcp.delete(slots["slot-3"])


def test_a_drain_list_left_out_is_kept_so_the_address_stays_in_use(
    gcp: Plugin, slots: dict[str, Resource], nat: Resource
) -> None:
    drained = gcp.update(nat, nat_inputs("slot-1", "slot-2", drainNatIps=links("slot-3")))
    without = nat_inputs("slot-1", "slot-2")
    assert gcp.diff(drained, without).changes == {}
    gcp.update(drained, without)
    with pytest.raises(Refused, match="resourceInUseByAnotherResource"):
        gcp.delete(slots["slot-3"])


def test_more_than_300_addresses_or_50_gateways_are_refused(gcp: Plugin, router: Resource, cloud: Cloud) -> None:
    with pytest.raises(Refused, match="At most 300 addresses per gateway"):
        gcp.create(NAT, "nat", nat_inputs(*(f"slot-{number}" for number in range(301))))
    for number in range(50):
        with cloud.change("hand") as tx:
            tx.put(
                NAT, f"{REGION}/routers/warp-router/nat-{number}", {"name": f"nat-{number}", "router": "warp-router"}
            )
    with pytest.raises(Refused, match="At most 50 NAT gateways per router"):
        gcp.create(NAT, "nat", nat_inputs() | {"natIpAllocateOption": "AUTO_ONLY", "natIps": None})


@pytest.mark.parametrize(
    ("ports", "words"),
    [
        ({"enableDynamicPortAllocation": True, "enableEndpointIndependentMapping": True}, "cannot be enabled together"),
        ({"enableDynamicPortAllocation": True, "minPortsPerVm": 100}, "power of two between 32 and 32768"),
        ({"enableDynamicPortAllocation": True, "minPortsPerVm": 65536}, "power of two between 32 and 32768"),
        ({"enableDynamicPortAllocation": True, "maxPortsPerVm": 131072}, "power of two between 64 and 65536"),
        (
            {"enableDynamicPortAllocation": True, "minPortsPerVm": 128, "maxPortsPerVm": 64},
            "greater than minPortsPerVm",
        ),
        ({"maxPortsPerVm": 128}, "only with dynamic port allocation"),
        ({"minPortsPerVm": 1}, "between 2 and 57344"),
        ({"natIpAllocateOption": "AUTO_ONLY"}, "only with natIpAllocateOption MANUAL_ONLY"),
    ],
)
def test_port_settings_that_do_not_go_together_are_refused(gcp: Plugin, ports: Props, words: str) -> None:
    inputs = {**nat_inputs("slot-1"), **ports}
    gcp.check(NAT, "nat", inputs)  # the plugin plans it
    with pytest.raises(Refused, match=words):
        gcp.create(NAT, "nat", inputs)


def test_a_kept_setting_counts_when_port_settings_are_judged(gcp: Plugin, slots: dict[str, Resource]) -> None:
    made = gcp.create(NAT, "nat", nat_inputs("slot-1", enableEndpointIndependentMapping=True))
    with pytest.raises(Refused, match="cannot be enabled together"):
        gcp.update(made, nat_inputs("slot-1", enableDynamicPortAllocation=True))


def test_relative_and_full_links_are_the_same(gcp: Plugin, nat: Resource) -> None:
    assert nat.outputs["natIps"] == [LINK + link for link in links("slot-1", "slot-2", "slot-3")]
    assert gcp.diff(nat, nat_inputs("slot-3", "slot-2", "slot-1", drainNatIps=[])).changes == {}
    assert gcp.diff(nat, nat_inputs("slot-1", "slot-2", drainNatIps=[])).changes == {"natIps[2]": "delete"}


def test_an_input_left_out_goes_back_to_its_default_unless_the_cloud_decides_it(gcp: Plugin, slots: Props) -> None:
    log = {"enable": True, "filter": "ERRORS_ONLY"}
    made = gcp.create(NAT, "nat", nat_inputs("slot-1", udpIdleTimeoutSec=120, minPortsPerVm=256, logConfig=log))
    assert gcp.diff(made, nat_inputs("slot-1")).changes == {"udpIdleTimeoutSec": "update", "logConfig": "delete"}
    after = gcp.update(made, nat_inputs("slot-1")).outputs
    assert (after["udpIdleTimeoutSec"], after["logConfig"], after["minPortsPerVm"]) == (30, None, 256)


def test_what_forces_a_new_gateway_and_that_it_is_deleted_first(gcp: Plugin, nat: Resource) -> None:
    for change in ({"type": "PRIVATE"}, {"endpointTypes": ["ENDPOINT_TYPE_SWG"]}, {"initialNatIps": links("slot-1")}):
        difference = gcp.diff(nat, {**nat_inputs("slot-1", "slot-2", "slot-3", drainNatIps=[]), **change})
        assert difference.replaces, change
        assert difference.delete_before_replace
    renamed = gcp.diff(nat, nat_inputs("slot-1", "slot-2", "slot-3", drainNatIps=[]) | {"name": "other"})
    assert renamed.replaces
    assert renamed.delete_before_replace, "the program set the name: old and new cannot coexist"


def test_an_address_is_replaced_by_everything_but_its_labels(gcp: Plugin) -> None:
    made = address(gcp, "sip", description="one")
    assert gcp.diff(made, {"name": "sip", "description": "two"}).changes == {"description": "update_replace"}
    labels = gcp.diff(made, {"name": "sip", "description": "one", "labels": {"app": "warp"}})
    assert labels.changes == {"labels.app": "add", "effectiveLabels.app": "add", "pulumiLabels.app": "add"}
    assert gcp.diff(made, {"name": "sip", "description": "one", "addressType": "EXTERNAL"}).changes == {}


def test_ignored_changes_are_not_reported(gcp: Plugin) -> None:
    made = address(gcp, "sip", description="one")
    assert gcp.diff(made, {"name": "sip", "description": "two"}, ignore=["description"]).changes == {}


def test_a_preview_writes_nothing_and_leaves_unknown_what_the_cloud_decides(gcp: Plugin, cloud: Cloud) -> None:
    with cloud.view() as tx:
        before = tx.log()
    previewed = gcp.create(ADDRESS, "sip", {"name": "sip"}, preview=True)
    assert previewed.outputs["address"] == UNKNOWN
    assert previewed.outputs["region"] == "us-central1"
    with cloud.view() as tx:
        assert tx.log() == before


def test_unknown_links_survive_check_diff_and_preview(gcp: Plugin, nat: Resource) -> None:
    inputs = nat_inputs("slot-1", drainNatIps=[]) | {"natIps": [*links("slot-1"), UNKNOWN]}
    assert gcp.check(NAT, "nat", inputs)["natIps"] == inputs["natIps"]
    assert gcp.create(NAT, "nat", inputs, preview=True).outputs["natIps"] == inputs["natIps"]
    assert "natIps[1]" in gcp.diff(nat, inputs).changes


def test_refresh_shows_a_manual_change_and_the_next_plan_corrects_it(gcp: Plugin, nat: Resource, cloud: Cloud) -> None:
    inputs = nat_inputs("slot-1", "slot-2", "slot-3", drainNatIps=[], udpIdleTimeoutSec=60)
    nat = gcp.update(nat, inputs)
    with cloud.change("hand") as tx:
        body = tx.get(NAT, f"{REGION}/routers/warp-router/warp-nat")
        assert body is not None
        tx.update(NAT, f"{REGION}/routers/warp-router/warp-nat", {**body, "udpIdleTimeoutSec": 90})
    seen = gcp.read(nat)
    assert seen is not None
    assert seen.inputs["udpIdleTimeoutSec"] == 90
    assert seen.inputs["natIps"] == inputs["natIps"]
    assert gcp.diff(seen, inputs).changes == {"udpIdleTimeoutSec": "update"}


def test_internal_addresses_come_from_their_subnetwork(gcp: Plugin) -> None:
    made = address(gcp, "inside", addressType="INTERNAL", subnetwork="default")
    assert made.outputs["address"].startswith("10.128.0.")
    with pytest.raises(Refused, match=r"outside the subnetwork CIDR range 10.128.0.0/20"):
        address(gcp, "outside", addressType="INTERNAL", subnetwork="default", address="10.1.2.3")


def test_an_ipv6_address_needs_a_subnetwork_that_has_ipv6(gcp: Plugin) -> None:
    wanted = {"ipVersion": "IPV6", "ipv6EndpointType": "NETLB"}
    with pytest.raises(Refused, match="must have an external IPv6 range"):
        address(gcp, "six", subnetwork="default", **wanted)
    gcp.create("gcp:compute/network:Network", "net", {"name": "sip", "autoCreateSubnetworks": False})
    dual = {"ipCidrRange": "10.9.0.0/24", "stackType": "IPV4_IPV6", "ipv6AccessType": "EXTERNAL"}
    gcp.create("gcp:compute/subnetwork:Subnetwork", "dual", {"name": "dual", "network": "sip", **dual})
    assert address(gcp, "six", subnetwork="dual", **wanted).outputs["address"].startswith("2001:db8:")


def test_a_router_needs_its_network(gcp: Plugin) -> None:
    with pytest.raises(Refused, match="Error 404: The resource 'nowhere' was not found"):
        gcp.create(ROUTER, "router", {"name": "r", "network": "nowhere"})


def test_a_resource_without_a_name_gets_one_that_stays(gcp: Plugin) -> None:
    made = gcp.create(ADDRESS, "sip", {})
    assert made.inputs["name"].startswith("sip-")
    assert gcp.diff(made, {}).changes == {}
