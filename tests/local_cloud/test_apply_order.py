"""The order of a keyed list after an apply: the plugin compares by index, so a wrong order is a permanent diff."""

from __future__ import annotations

import pytest

from local_cloud.kubernetes.apply import KUBECTL, apply, leaves, merged_order, with_owners
from local_cloud.values import Props


@pytest.mark.parametrize(
    ("live", "given", "merged"),
    [
        ("ab", "ab", "ab"),
        ("ab", "ba", "ba"),
        ("", "ba", "ba"),
        ("axb", "ba", "xba"),
        ("axby", "ba", "xbya"),
        ("abc", "cab", "cab"),
        ("xa", "na", "xna"),
        ("ax", "an", "axn"),
        ("abx", "b", "abx"),
    ],
)
def test_what_is_applied_keeps_its_order_and_what_others_have_its_neighbours(
    live: str, given: str, merged: str
) -> None:
    """As structured-merge-diff 4.6.0 merges lists (from its source)."""
    assert "".join(merged_order(list(live), list(given))) == merged


def service(*ports: tuple[str, int]) -> Props:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kamailio-internal", "namespace": "warp-core"},
        "spec": {"ports": [{"name": name, "port": port, "protocol": "TCP"} for name, port in ports]},
    }


def test_ports_of_a_manually_created_service_keep_the_applied_order() -> None:
    by_hand = service(("metrics", 9090), ("http", 8000), ("debug", 9999))
    live = with_owners(by_hand, {KUBECTL: leaves(by_hand)})
    after = apply(live, service(("http", 8000), ("metrics", 9090)))
    assert [port["name"] for port in after["spec"]["ports"]] == ["http", "debug", "metrics"]
