"""`SipIngress`: what it refuses, how a Service holds its address, and what it waits for."""

from __future__ import annotations

import pulumi
import pytest

from components.load_balancer import ServicePort, explain_pending, load_balancer_spec
from engine.refusal import RefusedError
from settings.ingress import Ingress
from tests.stacks import Config, changed, stack_config, without_site
from tests.unit.cloud import SUBNETWORK, Cloud
from tests.unit.recording import Declared, Edge, declare, declare_once, run

SANDBOX = without_site(stack_config("sandbox"))

ADDRESS = "gcp:compute/address:Address"
SERVICE = "kubernetes:core/v1:Service"
BY_NAME = "networking.gke.io/load-balancer-ip-addresses"


def services(edge: Edge) -> dict[str, Declared]:
    """The ingress's own, by name."""
    return {name: each for name, each in edge.physical(SERVICE).items() if each.name.startswith("ingress-")}


def with_ingress(setting: str, value: object, config: Config | None = None) -> Config:
    return changed(config or SANDBOX, ("warp-edge:ingress", setting), value)


def ingress_settings() -> Ingress:
    listener = {"service": "s", "address": "a", "ports": {"sip": 5060}}
    other = {"service": "t", "address": "b", "ports": {"sip": 5060}}
    return Ingress.model_validate({"udp": listener, "tcp": other})


@pytest.mark.parametrize(
    "ports",
    [
        [ServicePort("sip", 5060, "UDP"), ServicePort("sip-tcp", 5060, "TCP")],
        [ServicePort("sip", 5060, "TCP"), ServicePort("sips", 5061, "TCP"), ServicePort("rtp", 4000, "UDP")],
    ],
)
def test_a_service_that_mixes_protocols_cannot_be_declared(ports: list[ServicePort]) -> None:
    with pytest.raises(RefusedError) as refused:
        load_balancer_spec(ingress_settings(), ports)
    assert str(refused.value) == (
        "a LoadBalancer Service with the protocols TCP and UDP cannot be declared\n"
        "  -> declare one Service per protocol"
    )


def test_a_load_balancer_without_ports_cannot_be_declared() -> None:
    with pytest.raises(RefusedError, match="with the protocols none cannot be declared"):
        load_balancer_spec(ingress_settings(), [])


@pytest.mark.parametrize("protocol", ["UDP", "TCP"])
def test_one_protocol_is_fine_on_any_number_of_ports(protocol: str) -> None:
    ports = [ServicePort(f"p{port}", port, protocol) for port in (5060, 5061, 8443)]  # type: ignore[arg-type]
    declared: list[object] = []
    run(lambda: declared.append(load_balancer_spec(ingress_settings(), ports)))
    assert declared


def test_a_refusal_is_shown_by_the_engine_without_a_traceback() -> None:
    assert issubclass(RefusedError, pulumi.RunError)


def test_a_new_service_holds_its_address_by_name() -> None:
    edge = declare_once(SANDBOX)
    for service, address in (
        ("kamailio-sip-udp", "kamailio-sip-udp-ip"),
        ("kamailio-sip-tcp", "kamailio-sip-tcp-ip"),
    ):
        inputs = edge.physical(SERVICE)[service].inputs
        assert inputs["metadata"]["annotations"][BY_NAME] == address
        assert inputs["spec"]["loadBalancerClass"] == "networking.gke.io/l4-regional-external"
        assert "loadBalancerIP" not in inputs["spec"], "two ways at once are reported as a conflict"


def test_an_older_service_keeps_holding_it_by_load_balancer_ip() -> None:
    cloud = Cloud(addresses={"kamailio-sip-udp-ip": "198.51.100.7"})
    edge = declare(with_ingress("pinning", "loadBalancerIP"), cloud=cloud)
    inputs = edge.named("ingress-udp").inputs
    assert inputs["spec"]["loadBalancerIP"] == "198.51.100.7"
    assert "loadBalancerClass" not in inputs["spec"], "it is immutable: the Service would be made anew"
    assert BY_NAME not in inputs["metadata"]["annotations"]


def ipv6_edge() -> Edge:
    return declare_once(with_ingress("ipv6Subnetwork", SUBNETWORK))


def test_ipv6_reserves_a_second_address_beside_each() -> None:
    reserved = ipv6_edge().physical(ADDRESS)
    for name in ("kamailio-sip-udp-ip-ipv6", "kamailio-sip-tcp-ip-ipv6"):
        inputs = reserved[name].inputs
        assert (inputs["ipVersion"], inputs["ipv6EndpointType"], inputs["subnetwork"]) == ("IPV6", "NETLB", SUBNETWORK)
        assert inputs["addressType"] == "EXTERNAL"
    assert len(reserved) == 7


def test_ipv6_makes_each_load_balancer_dual_stack_on_both_addresses() -> None:
    inputs = ipv6_edge().named("ingress-udp").inputs
    assert inputs["spec"]["ipFamilyPolicy"] == "RequireDualStack"
    assert inputs["spec"]["ipFamilies"] == ["IPv4", "IPv6"]
    assert inputs["metadata"]["annotations"][BY_NAME] == "kamailio-sip-udp-ip,kamailio-sip-udp-ip-ipv6"


def test_without_ipv6_the_families_are_left_to_the_cluster() -> None:
    spec = declare_once(SANDBOX).named("ingress-udp").inputs["spec"]
    assert not {"ipFamilies", "ipFamilyPolicy"} & set(spec)


def test_ipv6_addresses_are_in_the_names_and_in_the_inventory() -> None:
    cloud = Cloud(
        addresses={"kamailio-sip-udp-ip-ipv6": "2001:db8::5060", "kamailio-sip-tcp-ip-ipv6": "2001:db8::5061"}
    )
    edge = declare(with_ingress("ipv6Subnetwork", SUBNETWORK), cloud=cloud)
    records = [each.inputs for each in edge.of_type("gcp:dns/recordSet:RecordSet")]
    assert {record["name"]: record["rrdatas"] for record in records if record["type"] == "AAAA"} == {
        "sip.ringer.tel.": ["2001:db8::5060"],
        "sip-udp.ringer.tel.": ["2001:db8::5060"],
        "sip-tcp.ringer.tel.": ["2001:db8::5061"],
    }
    listed = {each["name"]: each["address"] for each in edge.outputs["ipInventory"]["addresses"]}
    assert listed["kamailio-sip-udp-ip-ipv6"] == "2001:db8::5060"


def test_customers_are_informed_of_ipv6_and_it_is_paid_for() -> None:
    cloud = Cloud(addresses={"kamailio-sip-udp-ip-ipv6": "2001:db8::5060"})
    outputs = declare(with_ingress("ipv6Subnetwork", SUBNETWORK), cloud=cloud).outputs
    reported = outputs["customerEndpoints"]
    assert "primary    [2001:db8::5060]:5060 (UDP)" in reported["text"]
    assert "UDP/TCP to [2001:db8::5060]:5060" in reported["text"]
    assert "2001:db8::5060" in [rule["to"] for rule in reported["firewall"]["outbound"]]
    counted = {item["item"]: item["count"] for item in outputs["monthlyCost"]["plan"]["items"]}
    assert (counted["static addresses"], counted["LoadBalancers"]) == (7, 4)


def test_up_waits_for_the_address_alone_and_not_for_ever() -> None:
    edge = declare(with_ingress("addressTimeoutSeconds", 45))
    for name in ("ingress-udp", "ingress-tcp"):
        annotations = edge.named(name).inputs["metadata"]["annotations"]
        assert annotations["pulumi.com/waitFor"] == "jsonpath={.status.loadBalancer.ingress[0].ip}"
        assert annotations["pulumi.com/timeoutSeconds"] == "45"
    internal = edge.named("ingress-internal").inputs["metadata"]["annotations"]
    assert internal == {"pulumi.com/skipAwait": "true"}, "pods that are not there yet must not hold it back"


@pytest.mark.parametrize(("setting", "taken"), [(True, "true"), (False, None)])
def test_fields_of_kubectl_are_taken_over_only_when_asked(setting: bool, taken: str | None) -> None:
    edge = declare(with_ingress("takeOverFields", setting))
    for service in services(edge).values():
        assert service.inputs["metadata"]["annotations"].get("pulumi.com/patchForce") == taken


def test_source_ranges_become_the_clouds_firewall() -> None:
    open_to_all = declare_once(SANDBOX).named("ingress-tcp").inputs["spec"]
    assert "loadBalancerSourceRanges" not in open_to_all
    ranges = ["192.0.2.0/24", "2001:db8::/32"]
    spec = declare(with_ingress("sourceRanges", ranges)).named("ingress-tcp").inputs["spec"]
    assert spec["loadBalancerSourceRanges"] == ranges


def test_affinity_and_selector_are_settings() -> None:
    config = with_ingress("affinitySeconds", 3600, with_ingress("selector", {"role": "proxy"}))
    spec = declare(config).named("ingress-udp").inputs["spec"]
    assert spec["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 3600}}
    assert spec["selector"] == {"role": "proxy"}


def test_the_internal_service_can_be_left_out() -> None:
    config = without_site(stack_config("sandbox"))
    del config["warp-edge:ingress"]["internal"]
    assert set(services(declare(config))) == {"kamailio-sip-udp", "kamailio-sip-tcp"}


def test_every_service_goes_to_the_cluster_of_the_settings() -> None:
    edge = declare_once(SANDBOX)
    assert {each.provider.split("::")[-2] for each in edge.of_type(SERVICE)} == {"cluster"}


def test_a_load_balancer_that_does_not_come_up_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "error", said.append)
    failed = pulumi.ErrorHookArgs(
        urn="urn:pulumi:prod::warp-edge::kubernetes:core/v1:Service::ingress-udp",
        id="",
        name="ingress-udp",
        type=SERVICE,
        new_inputs={"metadata": {"name": "kamailio-sip-udp", "namespace": "warp-core"}},
        old_inputs=None,
        old_outputs=None,
        failed_operation="create",
        errors=["timed out"],
    )
    assert explain_pending(failed) is False, "it must not try again by itself"
    (text,) = said
    for words in (
        "LoadBalancer Service warp-core/kamailio-sip-udp: create failed",
        "kubectl --namespace warp-core describe service kamailio-sip-udp",
        "quota of forwarding rules",
        "gcloud compute addresses list",
    ):
        assert words in text


def test_the_explanation_is_bound_to_both_load_balancers_and_to_nothing_else() -> None:
    edge = declare_once(SANDBOX)
    assert {each.name: each.error_hooks for each in edge.resources if each.error_hooks} == {
        "ingress-udp": ["explain-pending"],
        "ingress-tcp": ["explain-pending"],
    }
