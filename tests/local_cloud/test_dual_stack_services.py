"""Kubernetes Services with an IPv4 and an IPv6 address."""

from __future__ import annotations

import pytest

from tests.local_cloud.plugin import Plugin, Props, Refused, Resource
from tests.local_cloud.test_services import ADDRESS, SERVICE, address, pinned

__all__ = ["address"]  # a fixture

DUAL: Props = {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv4", "IPv6"]}


@pytest.fixture
def beside(gcp: Plugin) -> Resource:
    """A reserved IPv6 address."""
    subnetwork = {"ipCidrRange": "10.9.0.0/24", "stackType": "IPV4_IPV6", "ipv6AccessType": "EXTERNAL"}
    gcp.create("gcp:compute/subnetwork:Subnetwork", "dual", {"name": "dual", "network": "default", **subnetwork})
    return gcp.create(
        ADDRESS,
        "sip-ipv6",
        {"name": "sip-ip-ipv6", "ipVersion": "IPV6", "ipv6EndpointType": "NETLB", "subnetwork": "dual"},
    )


def points(resource: Resource) -> list[str]:
    return [each["ip"] for each in resource.outputs["status"]["loadBalancer"]["ingress"]]


def test_a_dual_stack_service_has_both_addresses_that_its_annotation_names(
    gcp: Plugin, kubernetes: Plugin, address: Resource, beside: Resource
) -> None:
    made = kubernetes.create(SERVICE, "sip", pinned(address="sip-ip, sip-ip-ipv6", **DUAL))
    assert points(made) == [address.outputs["address"], beside.outputs["address"]]
    assert len(made.outputs["spec"]["clusterIPs"]) == 2
    for reserved in (address, beside):
        with pytest.raises(Refused, match="already being used by"):
            gcp.delete(reserved)
    # Once removed from it, the IPv6 address is free, and the IPv4 one unchanged.
    alone = kubernetes.update(made, pinned())
    assert points(alone) == [address.outputs["address"]]
    gcp.delete(beside)


def test_ipv6_is_added_to_a_service_in_place(kubernetes: Plugin, address: Resource, beside: Resource) -> None:
    made = kubernetes.create(SERVICE, "sip", pinned())
    both = pinned(address="sip-ip,sip-ip-ipv6", **DUAL)
    assert not kubernetes.diff(made, both).replaces
    assert points(kubernetes.update(made, both)) == [address.outputs["address"], beside.outputs["address"]]


def test_a_family_without_a_named_address_gets_an_ephemeral_one_that_stays(
    kubernetes: Plugin, address: Resource
) -> None:
    made = kubernetes.create(SERVICE, "sip", pinned(**DUAL))
    first, second = points(made)
    assert first == address.outputs["address"]
    assert ":" in second
    ports = [{"name": "sip", "port": 5070, "protocol": "UDP"}]
    assert points(kubernetes.update(made, pinned(ports=ports, **DUAL))) == [first, second]


@pytest.mark.parametrize(
    ("named", "families", "words"),
    [
        ("sip-ip,sip-ip-ipv6", {}, "sip-ip-ipv6 is IPv6, and the Service has IPv4"),
        ("sip-ip,other-ip", DUAL, "names more than one IPv4 address"),
        ("sip-ip,nowhere", DUAL, 'address "nowhere" was not found'),
    ],
)
def test_names_that_do_not_go_together_leave_it_pending(
    gcp: Plugin, kubernetes: Plugin, address: Resource, beside: Resource, named: str, families: Props, words: str
) -> None:
    gcp.create(ADDRESS, "other", {"name": "other-ip"})
    with pytest.raises(Refused) as refused:
        kubernetes.create(SERVICE, "sip", pinned(address=named, **families))
    assert words in "\n".join(refused.value.reasons)
