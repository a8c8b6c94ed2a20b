"""A cloud with many resources is as fast as one with few: the reads for one more do not depend on the number."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from local_cloud import cloud as cloud_module
from local_cloud.cloud import Cloud
from tests.local_cloud.plugin import Plugin, Refused
from tests.local_cloud.test_services import ADDRESS, SERVICE, ingress, pinned

MANY = 24


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Number of resources read from the cloud's file since the last call."""
    count = 0
    plain = cloud_module._body

    def counted(text: str) -> object:
        nonlocal count
        count += 1
        return plain(text)

    def since() -> int:
        nonlocal count
        found, count = count, 0
        return found

    monkeypatch.setattr(cloud_module, "_body", counted)
    return since


def test_one_more_dedicated_address_costs_as_much_whether_many_are_there_or_few(
    cloud: Cloud, gcp: Plugin, kubernetes: Plugin, read: Callable[[], int]
) -> None:
    with cloud.change("hand") as tx:
        tx.set_quota("STATIC_ADDRESSES", MANY)
    costs, given = [], set()
    for number in range(MANY):
        read()
        address = gcp.create(ADDRESS, "sip", {"name": f"sip-{number}-ip"})
        service = kubernetes.create(SERVICE, f"sip-{number}", pinned(f"sip-{number}", f"sip-{number}-ip"))
        gcp.read(address)
        kubernetes.diff(service, pinned(f"sip-{number}", f"sip-{number}-ip", sessionAffinity="ClientIP"))
        costs.append(read())
        given.add(ingress(service))
    assert len(given) == MANY
    assert set(costs) == {costs[0]}


def test_what_many_resources_need_apart_is_still_apart(cloud: Cloud, gcp: Plugin, kubernetes: Plugin) -> None:
    with cloud.change("hand") as tx:
        tx.set_quota("STATIC_ADDRESSES", 3)
    made = []
    for number in range(3):
        gcp.create(ADDRESS, "sip", {"name": f"sip-{number}-ip"})
        made.append(kubernetes.create(SERVICE, f"sip-{number}", pinned(f"sip-{number}", f"sip-{number}-ip")))
    specs = [one.outputs["spec"] for one in made]
    assert len({spec["clusterIP"] for spec in specs}) == 3
    assert len({port["nodePort"] for spec in specs for port in spec["ports"]}) == 3
    with pytest.raises(Refused, match=r"Quota 'STATIC_ADDRESSES' exceeded\. Limit: 3\.0 in region us-central1"):
        gcp.create(ADDRESS, "sip", {"name": "one-more"})
