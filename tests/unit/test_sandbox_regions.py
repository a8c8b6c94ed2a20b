"""The stacks of `make up-regions`: their settings are such as the program takes, and together they are one edge."""

from __future__ import annotations

from sandbox.regions import GLOBAL, PREMIUM, STACKS, settings_of
from settings import Settings
from settings.all_regions import GlobalSettings
from tests.stacks import as_engine_gives_it, written_config


def test_each_stack_has_settings_that_the_program_takes() -> None:
    shipped = written_config("sandbox")
    first, second, shared = (settings_of(stack, shipped) for stack in STACKS)
    one, two = Settings.parse(as_engine_gives_it(first)), Settings.parse(as_engine_gives_it(second))
    both = GlobalSettings.parse(as_engine_gives_it(shared))
    assert {name: each.stack for name, each in both.regions.items()} == {
        one.region: f"organization/warp-edge/{STACKS[0]}",
        two.region: f"organization/warp-edge/{STACKS[1]}",
    }
    assert [each.priority for each in both.regions.values()] == [10, 20]
    assert not (one.ingress.address_names | set(one.egress.slots)) & (two.ingress.address_names | set(two.egress.slots))
    assert set(one.dedicated) == set(PREMIUM)
    assert [each.dns.zone and each.dns.zone.manage for each in (one, two, both)] == [True, False, False]
    assert STACKS[-1] == GLOBAL, "it reads what the others published"
    assert shipped == written_config("sandbox"), "what is shipped stays as it is"
