"""Kubernetes Services: the API server's refusals, field ownership, load balancers and waiting."""

from __future__ import annotations

import re
import threading
import time
from typing import Any

import pytest

from local_cloud import LocalCloudError, faults, hand
from local_cloud.cloud import Cloud
from tests.local_cloud.plugin import UNKNOWN, Invalid, Plugin, Props, Refused, Resource

SERVICE = "kubernetes:core/v1:Service"
ADDRESS = "gcp:compute/address:Address"
PINNED = "networking.gke.io/load-balancer-ip-addresses"
CLASS = "networking.gke.io/l4-regional-external"
WAIT = {"pulumi.com/waitFor": "jsonpath={.status.loadBalancer.ingress[0].ip}", "pulumi.com/timeoutSeconds": "1"}


def service(
    name: str = "sip", *, annotations: Props | None = None, ports: list[Props] | None = None, **spec: Any
) -> Props:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "warp-core", "annotations": annotations or {}},
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": "kamailio"},
            "ports": ports or [{"name": "sip", "port": 5060, "protocol": "UDP"}],
            **spec,
        },
    }


def pinned(name: str = "sip", address: str = "sip-ip", *, annotations: Props | None = None, **more: Any) -> Props:
    found = {PINNED: address, **WAIT, **(annotations or {})}
    return service(name, annotations=found, **{"loadBalancerClass": CLASS, **more})


@pytest.fixture
def address(gcp: Plugin) -> Resource:
    return gcp.create(ADDRESS, "sip", {"name": "sip-ip"})


def ingress(resource: Resource) -> str:
    return str(resource.outputs["status"]["loadBalancer"]["ingress"][0]["ip"])


def test_a_manual_change_moves_a_load_balancer_by_its_spec_and_not_by_its_status(
    gcp: Plugin, kubernetes: Plugin, address: Resource, cloud: Cloud
) -> None:
    other = gcp.create(ADDRESS, "other", {"name": "other-ip"})
    made = kubernetes.create(SERVICE, "sip", pinned())
    with (
        cloud.change("hand") as tx,
        pytest.raises(LocalCloudError, match=r'put it back; change .* metadata\.annotations\["networking'),
    ):
        hand.change(tx, SERVICE, made.id, "status.loadBalancer.ingress[0].ip", other.outputs["address"])
    with cloud.change("hand") as tx:
        hand.change(tx, SERVICE, made.id, f'metadata.annotations["{PINNED}"]', "other-ip")
    read = kubernetes.read(made)
    assert read is not None
    assert ingress(read) == other.outputs["address"]


def test_a_pinned_address_is_given_and_is_in_use_until_the_service_goes(
    gcp: Plugin, kubernetes: Plugin, address: Resource
) -> None:
    made = kubernetes.create(SERVICE, "sip", pinned())
    assert made.id == "warp-core/sip"
    assert ingress(made) == address.outputs["address"]
    assert made.outputs["status"]["loadBalancer"]["ingress"][0]["ipMode"] == "VIP"
    with pytest.raises(Refused, match=r"is already being used by '.*/forwardingRules/a[0-9a-f]{32}'"):
        gcp.delete(address)
    kubernetes.delete(made)
    gcp.delete(address)


def test_an_address_on_a_load_balancer_is_refused_to_a_nat(gcp: Plugin, kubernetes: Plugin, address: Resource) -> None:
    kubernetes.create(SERVICE, "sip", pinned())
    gcp.create("gcp:compute/router:Router", "router", {"name": "warp-router", "network": "default"})
    nat = {"name": "nat", "router": "warp-router", "natIpAllocateOption": "MANUAL_ONLY", "natIps": [address.id]}
    nat["sourceSubnetworkIpRangesToNat"] = "ALL_SUBNETWORKS_ALL_IP_RANGES"
    with pytest.raises(Refused, match="resourceInUseByAnotherResource"):
        gcp.create("gcp:compute/routerNat:RouterNat", "nat", nat)


def test_without_a_pinned_address_one_comes_from_the_network_and_stays(kubernetes: Plugin) -> None:
    made = kubernetes.create(SERVICE, "sip", service(annotations=WAIT))
    assert ingress(made).startswith("127.93.")
    changed = service(annotations=WAIT, externalTrafficPolicy="Local")
    assert ingress(kubernetes.update(made, changed)) == ingress(made)


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        (
            service(
                annotations=WAIT,
                ports=[{"name": "u", "port": 5060, "protocol": "UDP"}, {"name": "t", "port": 5060, "protocol": "TCP"}],
            ),
            "mixed protocol is not supported for LoadBalancer: this Service has TCP and UDP",
        ),
        (pinned(address="missing"), 'address "missing" was not found in projects/warp-sandbox/regions/us-central1'),
        (pinned(loadBalancerClass=None), "needs a backend service-based load balancer"),
        (pinned(loadBalancerIP="127.93.9.9"), "conflict: annotation .* spec.loadBalancerIP is 127.93.9.9"),
        (service(annotations=WAIT, loadBalancerIP="127.93.9.9"), "neither static nor assigned to the LB"),
    ],
)
def test_a_load_balancer_that_cannot_be_made_stays_pending_and_its_wait_ends_with_the_reason(
    kubernetes: Plugin, address: Resource, inputs: Props, reason: str
) -> None:
    started = time.monotonic()
    with pytest.raises(Refused) as refused:
        kubernetes.create(SERVICE, "sip", inputs)
    assert time.monotonic() - started < 5
    assert str(refused.value) == (
        "resource warp-core/sip was successfully created, but the Kubernetes API server reported that it failed to "
        "fully initialize or become live: timed out waiting for the condition"
    )
    assert refused.value.id == "warp-core/sip"  # the engine keeps it in the state
    assert refused.value.outputs["metadata"]["name"] == "sip"
    reasons = "\n".join(refused.value.reasons)
    assert re.search(f"SyncLoadBalancerFailed.*{reason}", reasons)


def test_the_annotation_for_backend_services_will_do_instead_of_the_class(
    kubernetes: Plugin, address: Resource
) -> None:
    inputs = pinned(loadBalancerClass=None, annotations={"cloud.google.com/l4-rbs": "enabled"})
    assert ingress(kubernetes.create(SERVICE, "sip", inputs)) == address.outputs["address"]


def test_a_reserved_address_serves_one_service_only(kubernetes: Plugin, address: Resource) -> None:
    kubernetes.create(SERVICE, "sip", pinned())
    with pytest.raises(Refused) as refused:
        kubernetes.create(SERVICE, "second", pinned("second"))
    assert "in-use and would result in a conflict" in "\n".join(refused.value.reasons)


def test_an_address_of_another_region_is_not_found(gcp: Plugin, kubernetes: Plugin) -> None:
    gcp.create(ADDRESS, "far", {"name": "far-ip", "region": "europe-west1"})
    with pytest.raises(Refused) as refused:
        kubernetes.create(SERVICE, "sip", pinned(address="far-ip"))
    assert "was not found in projects/warp-sandbox/regions/us-central1" in "\n".join(refused.value.reasons)


def test_a_wait_ends_as_soon_as_the_cause_is_gone(kubernetes: Plugin, cloud: Cloud) -> None:
    with cloud.change("hand") as tx:
        faults.add(tx, "lb-pending", "", "", None, 0)

    def put_right() -> None:
        time.sleep(0.5)
        with cloud.change("hand") as tx:
            faults.clear(tx)

    helper = threading.Thread(target=put_right)
    helper.start()
    made = kubernetes.create(SERVICE, "sip", service(annotations={**WAIT, "pulumi.com/timeoutSeconds": "20"}))
    helper.join()
    assert ingress(made)


def test_without_wait_for_a_service_waits_for_ready_pods_and_skip_await_does_not(
    kubernetes: Plugin, cloud: Cloud
) -> None:
    with cloud.change("hand") as tx:
        tx.set_setting("pods", "not-ready")
    with pytest.raises(Refused, match="'sip' timed out waiting to be Ready") as refused:
        kubernetes.create(SERVICE, "sip", service(annotations={"pulumi.com/timeoutSeconds": "1"}))
    assert "Service does not target any Pods" in "\n".join(refused.value.reasons)
    kubernetes.create(SERVICE, "two", service("two", annotations={"pulumi.com/skipAwait": "true"}))
    kubernetes.create(SERVICE, "three", service("three", annotations=WAIT))  # waits for the address only
    with cloud.change("hand") as tx:
        tx.set_setting("pods", "ready")
    kubernetes.create(SERVICE, "four", service("four"))


def test_the_resources_own_timeout_bounds_the_wait(kubernetes: Plugin, cloud: Cloud) -> None:
    with cloud.change("hand") as tx:
        faults.add(tx, "lb-pending", "", "", None, 0)
    started = time.monotonic()
    with pytest.raises(Refused):
        kubernetes.create(SERVICE, "sip", service(), timeout=1)
    assert time.monotonic() - started < 5


TCP = {"port": 5060, "protocol": "TCP"}


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (
            service(ports=[{"name": "a", **TCP}, {"name": "a", "port": 1}]),
            r'spec.ports\[1\].name: Duplicate value: "a"',
        ),
        (
            service(ports=[{"name": "a", **TCP}, {"name": "b", **TCP}]),
            r"\.spec\.ports: duplicate entries for key \[port=5060,protocol=\"TCP\"\]",
        ),
        (service(ports=[{"name": "a", **TCP}, {"port": 1}]), r"spec.ports\[1\].name: Required value"),
        (service(ports=[{"name": "Sip", **TCP}]), r'spec.ports\[0\].name: Invalid value: "Sip"'),
        (service(ports=[{"port": 70000}]), r"spec.ports\[0\].port: Invalid value: 70000"),
        (service(ports=[{"port": 1, "protocol": "TLS"}]), r'spec.ports\[0\].protocol: Unsupported value: "TLS"'),
        (service(ports=[{**TCP, "nodePort": 80}]), "The range of valid ports is 30000-32767"),
        (service("Sip"), r'metadata.name: Invalid value: "Sip": a DNS-1035 label'),
        (service("1sip"), "a DNS-1035 label"),
        (service(type="Balancer"), r'spec.type: Unsupported value: "Balancer"'),
        (service(externalTrafficPolicy="Near"), r'spec.externalTrafficPolicy: Unsupported value: "Near"'),
        (service(type="ClusterIP", externalTrafficPolicy="Local"), "may only be set for externally-accessible"),
        (service(sessionAffinity="Cookie"), r'spec.sessionAffinity: Unsupported value: "Cookie"'),
        (service(sessionAffinityConfig={"clientIP": {"timeoutSeconds": 90000}}), "less than or equal to 86400"),
        (service(loadBalancerSourceRanges=["10.0.0.1"]), r"loadBalancerSourceRanges\[0\]: Invalid value"),
        (service(loadBalancerIP="sip.ringer.tel"), "must be a valid IP address"),
        (service(annotations={"pulumi.com/timeoutSeconds": "soon"}), "is not a number of seconds: soon"),
        (service(annotations={"pulumi.com/waitFor": "an address"}), "is not a jsonpath"),
    ],
)
def test_the_api_server_refuses_in_the_preview_already(kubernetes: Plugin, inputs: Props, words: str) -> None:
    with pytest.raises(Refused, match=words):
        kubernetes.create(SERVICE, "sip", inputs, preview=True)
    with pytest.raises(
        Refused, match=r"was not successfully created by the Kubernetes API server: Service .* is invalid"
    ):
        kubernetes.create(SERVICE, "sip", inputs)


def test_fields_that_do_not_exist_are_refused_by_name(kubernetes: Plugin) -> None:
    with pytest.raises(Invalid, match=r"\.spec\.loadBalancerIp: field not declared in schema"):
        kubernetes.create(SERVICE, "sip", service(loadBalancerIp="127.93.0.1"))
    with pytest.raises(Invalid, match=r"\.spec\.ports\[0\]\.number: field not declared in schema"):
        kubernetes.create(SERVICE, "sip", service(ports=[{"number": 5060}]))
    with pytest.raises(Refused, match="the local cloud has no resource type kubernetes:core/v1:Pod"):
        kubernetes.create("kubernetes:core/v1:Pod", "pod", service())


def test_an_object_needs_its_namespace_and_cannot_be_made_twice(kubernetes: Plugin) -> None:
    lost = service(annotations=WAIT)
    lost["metadata"]["namespace"] = "nowhere"
    kubernetes.create(SERVICE, "sip", lost, preview=True)  # it may be created in the same run
    with pytest.raises(Refused, match='namespaces "nowhere" not found'):
        kubernetes.create(SERVICE, "sip", lost)
    kubernetes.create(SERVICE, "sip", service(annotations=WAIT))
    kubernetes.create(SERVICE, "sip", service(annotations=WAIT), preview=True)  # it may replace the existing one
    with pytest.raises(Refused, match='services "sip" already exists'):
        kubernetes.create(SERVICE, "sip", service(annotations=WAIT))


def test_what_replaces_a_service_and_what_the_api_server_never_changes(kubernetes: Plugin) -> None:
    made = kubernetes.create(SERVICE, "sip", service(annotations=WAIT))
    assert kubernetes.diff(made, service("other", annotations=WAIT)).changes == {"metadata.name": "update_replace"}
    fixed = kubernetes.diff(made, service(annotations=WAIT, clusterIP="10.2.40.99"))
    assert fixed.changes == {"spec.clusterIP": "add_replace"}
    assert fixed.delete_before_replace
    # The plugin's Diff does not query the cluster; the dry run of the update does.
    classed = service(annotations=WAIT, loadBalancerClass=CLASS)
    assert kubernetes.diff(made, classed).changes == {"spec.loadBalancerClass": "add"}
    with pytest.raises(Refused, match=r"spec.loadBalancerClass: Invalid value: .*may not change once set"):
        kubernetes.update(made, classed, preview=True)


def test_a_field_no_longer_named_goes_back_to_its_default(kubernetes: Plugin) -> None:
    two = [{"name": "sip", **TCP}, {"name": "sips", "port": 5061, "protocol": "TCP"}]
    made = kubernetes.create(SERVICE, "sip", service(annotations=WAIT, sessionAffinity="ClientIP", ports=two))
    assert made.outputs["spec"]["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}
    less = service(annotations=WAIT, ports=two[:1])
    assert kubernetes.diff(made, less).changes == {"spec.sessionAffinity": "delete", "spec.ports[1]": "delete"}
    after = kubernetes.update(made, less).outputs["spec"]
    assert after["sessionAffinity"] == "None"
    assert [port["port"] for port in after["ports"]] == [5060]


def test_local_traffic_gets_a_health_check_port(kubernetes: Plugin) -> None:
    made = kubernetes.create(SERVICE, "sip", service(annotations=WAIT, externalTrafficPolicy="Local"))
    assert made.outputs["spec"]["healthCheckNodePort"] in range(30000, 32768)


def test_previews_with_unknown_values_are_let_through(kubernetes: Plugin) -> None:
    inputs = service(annotations={PINNED: UNKNOWN})
    assert kubernetes.create(SERVICE, "sip", inputs, preview=True).outputs["metadata"]["annotations"][PINNED] == UNKNOWN
    made = kubernetes.create(SERVICE, "sip", service(annotations=WAIT))
    assert kubernetes.diff(made, {**service(), "metadata": UNKNOWN}).changes == {"metadata": "update"}


def test_a_preview_of_an_update_changes_nothing(kubernetes: Plugin, cloud: Cloud) -> None:
    made = kubernetes.create(SERVICE, "sip", service(annotations=WAIT))
    with cloud.view() as tx:
        before = tx.everything()
    previewed = kubernetes.update(made, service(annotations=WAIT, externalTrafficPolicy="Local"), preview=True)
    assert previewed.outputs["spec"]["externalTrafficPolicy"] == "Local"
    with cloud.view() as tx:
        assert tx.everything() == before


def test_a_pending_service_is_reported_by_refresh_too(kubernetes: Plugin, cloud: Cloud) -> None:
    made = kubernetes.create(SERVICE, "sip", service(annotations=WAIT))
    with cloud.change("hand") as tx:
        faults.add(tx, "lb-pending", "", "", None, 0)
    with pytest.raises(Refused) as refused:
        kubernetes.read(made)
    assert refused.value.id == "warp-core/sip"


def test_namespaces_config_maps_secrets_and_deployments(kubernetes: Plugin) -> None:
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "extra"}}
    namespace = kubernetes.create("kubernetes:core/v1:Namespace", "extra", space)
    assert namespace.id == "extra"
    metadata = {"name": "settings", "namespace": "extra"}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1"}}
    made = kubernetes.create("kubernetes:core/v1:ConfigMap", "settings", config)
    edited = kubernetes.diff(made, {**config, "data": {"a": "2"}})
    assert edited.changes == {"data.a": "update_replace"}
    assert edited.delete_before_replace
    hidden = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"key": "word"}}
    secret = kubernetes.create("kubernetes:core/v1:Secret", "settings", hidden)
    assert "data" in secret.secrets
    assert secret.inputs["data"] == secret.outputs["data"] == {"key": "d29yZA=="}
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "x", "image": "x:1"}]}}
    spec = {"selector": {"matchLabels": {"app": "x"}}, "template": template}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
    assert kubernetes.create("kubernetes:apps/v1:Deployment", "x", deployment).outputs["status"]["readyReplicas"] == 1
    kubernetes.delete(namespace)
    assert kubernetes.read(made) is None


def test_an_object_without_a_name_gets_one_that_stays(kubernetes: Plugin) -> None:
    inputs = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"}}
    made = kubernetes.create("kubernetes:core/v1:ConfigMap", "settings", inputs)
    assert made.id.startswith("default/settings-")
    assert kubernetes.diff(made, inputs).changes == {}
