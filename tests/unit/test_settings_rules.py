"""Rules that span settings: they name what they need, and hold in whatever order the settings are declared."""

from __future__ import annotations

from inspect import signature
from typing import Any

import pytest
from pydantic import ValidationError, create_model

from settings import Settings, SettingsError
from settings.all_regions import GlobalSettings
from settings.base import Section
from settings.problems import refuse
from settings.rules import Given, broken, rule
from settings.stack import Stack
from tests.stacks import as_engine_gives_it, changed, stack_config

NOTICE, CLUSTER, EGRESS = "warp-edge:noticeDays", "warp-edge:cluster", "warp-edge:egress"


class Backwards(Stack):
    """The settings of a region, the last one first."""

    elsewhere = Settings.elsewhere
    rules = Settings.rules


OWN = [name for name in Settings.model_fields if name not in Stack.model_fields]
BACKWARDS: type[Stack] = create_model(
    "BACKWARDS",
    __base__=Backwards,
    **{name: (Settings.model_fields[name].annotation, Settings.model_fields[name]) for name in reversed(OWN)},
)  # type: ignore[call-overload]


def problems(model: type[Stack], config: dict[str, Any]) -> set[tuple[str, str]]:
    try:
        model.parse(as_engine_gives_it(config))
    except SettingsError as error:
        return {(each.key, each.wrong) for each in error.problems}
    return set()


@pytest.mark.parametrize("model", [Settings, GlobalSettings])
def test_a_rule_needs_settings_that_there_are(model: type[Stack]) -> None:
    needed = {name for rule in model.rules for name in signature(rule).parameters}
    assert needed <= {*model.model_fields, "given"}
    assert len(model.rules) == len(set(model.rules)) > len(Stack.rules)


@pytest.mark.parametrize(
    ("place", "value", "about"),
    [
        ((CLUSTER, "location"), "us-west1", "warp-edge:cluster"),
        ((EGRESS, "slots"), {"kamailio-sip-udp-ip": {"state": "active"}}, "warp-edge:egress"),
        (
            ("warp-edge:trunkAcl",),
            {"manage": True, "reach": {"access": "connector", "iamUser": "a@b.tel"}},
            "warp-edge:trunkAcl",
        ),
        (("warp-edge:dedicated",), {"acme": {"ban": "1", "targetPort": 15000, "udp": {}}}, "warp-edge:dedicated"),
        (("warp-edge:quotas",), {"staticAddresses": 1}, "warp-edge:quotas"),
    ],
)
def test_the_order_of_the_settings_makes_no_difference(place: tuple[str, ...], value: Any, about: str) -> None:
    config = changed(stack_config("prod"), place, value)
    assert list(BACKWARDS.model_fields)[-len(OWN) :] == OWN[::-1]
    found = problems(Settings, config)
    assert about in {key for key, _ in found}
    assert found == problems(BACKWARDS, config)


def test_a_wrong_setting_hides_only_what_is_held_against_it() -> None:
    config = changed(stack_config("prod"), (NOTICE,), "x")
    config = changed(config, (CLUSTER, "location"), "us-west1")
    assert {key for key, _ in problems(Settings, config)} == {NOTICE, CLUSTER}


def test_what_one_rule_refuses_is_wrong_for_the_next() -> None:
    def first(region: str) -> None:
        raise refuse(f"{region} is closed", "take another")

    def about_the_same(region: str) -> None:
        raise refuse("it is far away as well", "take another")

    def needs_it(cluster: str, region: str) -> None:
        raise refuse("not in this region", "take another")

    def stands_alone(cluster: str, given: Given) -> None:
        raise refuse(f"{cluster} {given.config['x']}", "take another")

    given = Given({"x": "y"}, frozenset(), {"region": "r", "cluster": "c"})
    found = list(broken((first, about_the_same, needs_it, stands_alone), given))
    assert [(name, refusal["wrong"]) for name, refusal in found] == [("region", "r is closed"), ("cluster", "c y")]


class Group(Section):
    least: int
    most: int
    used: int

    @rule
    def _not_too_many(cls, used: int, most: int) -> None:
        if used > most:
            raise refuse("above the most", "use less")

    @rule
    def _enough(cls, used: int, least: int = 5) -> None:
        if used < least:
            raise refuse(f"below {least}", "use more")


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"least": 1, "most": 9, "used": 9}, []),
        ({"least": 1, "most": 9, "used": 10}, ["above the most"]),
        ({"least": 3, "most": 9, "used": 2}, ["below 3"]),
        # Of an invalid field a rule takes its default; without one it is not asked.
        ({"least": "x", "most": "x", "used": 4}, ["int_type", "int_type", "below 5"]),
        ({"least": "x", "most": "x", "used": 10}, ["int_type", "int_type"]),
    ],
)
def test_a_rule_within_a_group_runs_where_the_fields_that_it_names_are_valid(
    given: dict[str, Any], wrong: list[str]
) -> None:
    found = []
    try:
        assert Group.model_validate(given).used == given["used"]
    except ValidationError as error:
        found = [each["ctx"]["wrong"] if "ctx" in each else each["type"] for each in error.errors()]
    assert found == wrong
