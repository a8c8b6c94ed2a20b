"""What `EdgeAlerts` declares, in the cloud that refuses and forgets what Google does: a second update is empty."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.tokens import (
    ALERT_POLICY,
    DASHBOARD,
    EDGE_ALERTS,
    NOTIFICATION_CHANNEL,
    UPTIME_CHECK,
    within,
)
from local_cloud.cloud import Cloud
from tests.local_cloud.plugin import Plugin
from tests.unit.cloud import Cloud as Answers
from tests.unit.everything import ADDRESSES, BEFORE, everything
from tests.unit.recording import Declared, declare

GOOGLES = (NOTIFICATION_CHANNEL, UPTIME_CHECK, ALERT_POLICY, DASHBOARD)


@pytest.fixture(scope="module")
def declared() -> list[Declared]:
    edge = declare(everything(), before=BEFORE, cloud=Answers("warp-sandbox", ADDRESSES))
    return [each for each in edge.resources if within(each.urn, EDGE_ALERTS)]


def test_it_is_made_at_once_and_settles(declared: list[Declared], gcp: Plugin, cloud: Cloud) -> None:
    """In the order of dependencies, and with the channels' names as this cloud generates them."""
    names: dict[str, str] = {}
    for token in GOOGLES:
        for each in (one for one in declared if one.type == token):
            inputs = with_names(each.inputs, names)
            made = gcp.create(token, each.name, inputs)
            if token == NOTIFICATION_CHANNEL:
                names["projects/warp-sandbox/notificationChannels/1"] = made.outputs["name"]
            assert gcp.diff(made, inputs).changes == {}, each.name
            again = gcp.read(made)
            assert again is not None
            assert gcp.diff(again, inputs).changes == {}, f"{each.name} after a refresh"
    with cloud.view() as tx:
        assert len(tx.all(ALERT_POLICY)) == 29 - 2  # no replica
        assert len(tx.all(UPTIME_CHECK)) == 2


def with_names(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: with_names(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        # A channel of another program is not in this cloud.
        return [
            names.get(each, each) if isinstance(each, str) else with_names(each, names)
            for each in value
            if each != "projects/warp-sandbox/notificationChannels/7"
        ]
    return value


def test_the_dashboard_has_no_default_value(declared: list[Declared]) -> None:
    (board,) = [json.loads(each.inputs["dashboardJson"]) for each in declared if each.type == DASHBOARD]
    tiles = board["mosaicLayout"]["tiles"]
    assert len(tiles) > 10
    assert {(tile.get("xPos", 0), tile.get("yPos", 0)) for tile in tiles} == {
        (6 * (number % 2), 4 * (number // 2)) for number in range(len(tiles))
    }
    for value in leaves(board):
        assert value not in ("", 0, False, None, [], {}, "ALIGN_NONE")


def leaves(value: Any) -> list[Any]:
    """Every value at any depth, empty groups and lists too."""
    if isinstance(value, dict | list) and value:
        inner = value.values() if isinstance(value, dict) else value
        return [leaf for each in inner for leaf in leaves(each)]
    return [value]
