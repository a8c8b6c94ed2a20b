"""The settings of a stack of role `global`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from settings import Settings, SettingsError
from settings.all_regions import GlobalSettings
from tests.cases import cases
from tests.stacks import Config, as_engine_gives_it, changed, paths, stack_config, written_config
from tests.unit.test_global_stack import REGIONS
from tests.unit.test_settings_hostile import anything, assert_readable


def parse(**shares: Any) -> GlobalSettings:
    config = written_config("global")
    config[REGIONS] = {name.replace("_", "-"): share for name, share in shares.items()}
    return GlobalSettings.parse(as_engine_gives_it(config))


ONE, TWO = {"stack": "o/p/one"}, {"stack": "o/p/two"}


@pytest.mark.parametrize(
    ("shares", "wrong"),
    [
        ({}, "this setting is required"),
        ({"us_central1": ONE | {"state": "drained"}}, "no region is active"),
        ({"us_central1": ONE, "us_east1": ONE | {"priority": 20}}, "two regions have the same stack o/p/one"),
        ({"us_central1": ONE, "us_east1": TWO}, "us-central1 and us-east1 have the same priority"),
        ({"us_central1": ONE | {"weight": 1}, "us_east1": TWO}, "have the same priority"),
        ({"us_central1": ONE | {"weight": 0}, "us_east1": TWO | {"weight": 0}}, "all weights of one priority are 0"),
        ({"us_central1": {"stack": "one"}}, "not a valid name here"),
        ({"US": ONE}, "not a valid name here"),
        ({"us_central1": ONE | {"state": "idle"}}, "not one of the known values"),
        ({"us_central1": ONE | {"priority": 65_536}}, "too large"),
    ],
)
def test_implausible_shares_are_refused(shares: dict[str, Any], wrong: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse(**shares)
    assert wrong in str(refused.value)
    assert "warp-edge:regions" in str(refused.value)


def test_sharing_is_possible_with_explicit_weights() -> None:
    assert len(parse(us_central1=ONE | {"weight": 50}, us_east1=TWO | {"weight": 50}).regions) == 2


def test_a_ttl_below_what_hosts_accept_is_refused_for_shared_names_too() -> None:
    config = changed(written_config("global"), ("warp-edge:dns", "ttlSeconds"), 60)
    with pytest.raises(SettingsError, match="below 300 s"):
        GlobalSettings.parse(as_engine_gives_it(config))


def test_who_owns_the_zone_is_said_where_several_stacks_have_names_in_it() -> None:
    zone = {"domain": "ringer.tel", "backend": "cloud-dns", "zone": {"name": "z"}}
    for model, config in (
        (GlobalSettings, written_config("global") | {"warp-edge:dns": zone}),
        (Settings, stack_config("prod") | {"warp-edge:dns": zone | {"scope": "region"}}),
        (Settings, stack_config("prod-us-east1") | {"warp-edge:dns": zone | {"scope": "region"}}),
    ):
        with pytest.raises(SettingsError, match="one of them has to own it"):
            model.parse(as_engine_gives_it(config))
        for manage in (True, False):
            said = changed(config, ("warp-edge:dns", "zone", "manage"), manage)
            assert model.parse(as_engine_gives_it(said))


def test_settings_of_the_other_role_are_refused_but_not_the_engines_empty_defaults() -> None:
    empty: Config = {f"warp-edge:{name}": {} for name in ("cluster", "ingress", "egress", "database", "legacy", "cost")}
    assert GlobalSettings.parse(as_engine_gives_it(written_config("global") | empty | {"warp-edge:region": ""}))
    with pytest.raises(SettingsError, match="warp-edge:egress"):
        GlobalSettings.parse(as_engine_gives_it(written_config("global") | {"warp-edge:egress": {"nat": "n"}}))
    assert Settings.parse(as_engine_gives_it(stack_config("prod") | {REGIONS: {}}))
    with pytest.raises(SettingsError, match=REGIONS):
        Settings.parse(as_engine_gives_it(stack_config("prod") | {REGIONS: {"us-east1": ONE}}))


def test_a_stack_of_another_role_is_one_problem_and_not_as_many_as_there_are_settings() -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.parse(as_engine_gives_it(written_config("global")))
    (problem,) = refused.value.problems
    assert (problem.key, problem.value) == ("warp-edge:role", "'global'")


def test_a_role_that_does_not_exist_is_refused() -> None:
    for role in ("both", "Global"):
        with pytest.raises(SettingsError, match=rf"'{role}'\n.*no such role\n.*use region or global") as refused:
            Settings.parse(as_engine_gives_it(written_config("global") | {"warp-edge:role": role}))
        assert len(refused.value.problems) == 1, "what else is wrong depends on the role"


@cases(40, least=5)
@given(some.fixed_dictionaries(dict.fromkeys(paths(written_config("global")), anything)))
def test_any_value_in_every_place_is_reported_in_words(values: dict[tuple[str, ...], Any]) -> None:
    for path, value in values.items():
        try:
            GlobalSettings.parse(as_engine_gives_it(changed(written_config("global"), path, value)))
        except SettingsError as error:
            assert_readable(error)
