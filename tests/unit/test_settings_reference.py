"""What people read about the settings agrees with the models: `Pulumi.yaml`, `docs/settings.md`, the stacks."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from settings import Settings, SettingsError
from settings.all_regions import GlobalSettings
from settings.secret_texts import SECRETS
from tests.stacks import ROOT, Config, as_engine_gives_it, stack_config
from tests.unit.commands import called
from tests.unit.test_settings import LEAST

DECLARED: dict[str, Config] = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
NEEDED = {"region", "cluster", "ingress", "egress", "dns", "database"}
ROLE_GLOBAL = {"regions", "routing"}
OPTIONAL = {
    "role", "shared", "protect", "labels", "noticeDays", "contact", "inventorySite", "legacy", "cost", "trunkAcl",
    "dedicated", "protection", "quotas", "tls", "alerts", "alertTokens",
}  # fmt: skip
REFERENCE = (ROOT / "docs" / "settings.md").read_text()
# Their keys are people's own.
FREE = ("warp-edge:labels", "warp-edge:legacy", "warp-edge:regions")


def test_pulumi_yaml_declares_exactly_the_keys_that_the_settings_read() -> None:
    assert set(DECLARED) - set(SECRETS) == NEEDED | OPTIONAL | ROLE_GLOBAL
    of_region = {field.alias for field in Settings.model_fields.values()}
    of_global = {field.alias for field in GlobalSettings.model_fields.values()}
    assert of_region == NEEDED | OPTIONAL | {"gcp:project"}
    assert of_region | of_global == set(DECLARED) - set(SECRETS) | {"gcp:project"}
    assert of_global - of_region == ROLE_GLOBAL


def test_no_stack_must_say_what_only_stacks_of_the_other_role_have() -> None:
    """The engine refuses a stack without a value for whatever Pulumi.yaml declares without a default."""
    assert all("default" in declared for declared in DECLARED.values())
    required = {field.alias for field in Settings.model_fields.values() if field.is_required()}
    assert required == NEEDED | {"gcp:project"}


@pytest.mark.parametrize("name", sorted(NEEDED))
def test_what_pulumi_yaml_gives_for_a_needed_setting_is_nothing_said(name: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.parse(as_engine_gives_it(LEAST | {f"warp-edge:{name}": DECLARED[name]["default"]}))
    (problem,) = refused.value.problems
    assert (problem.key, problem.wrong) == (f"warp-edge:{name}", "this setting is required")


@pytest.mark.parametrize("name", sorted({*OPTIONAL, *DECLARED} - NEEDED - ROLE_GLOBAL))
def test_the_default_of_pulumi_yaml_is_the_models_own(name: str) -> None:
    silent = Settings.parse(as_engine_gives_it(LEAST))
    said = Settings.parse(as_engine_gives_it(LEAST | {f"warp-edge:{name}": DECLARED[name]["default"]}))
    assert said == silent


def test_pulumi_yaml_has_the_types_of_the_settings() -> None:
    kinds = {name: declared["type"] for name, declared in DECLARED.items()}
    assert kinds == dict.fromkeys(NEEDED | OPTIONAL | ROLE_GLOBAL, "object") | {
        "region": "string",
        "role": "string",
        "shared": "string",
        "protect": "boolean",
        "noticeDays": "integer",
        "gandiToken": "string",
        "tlsDnsToken": "string",
        "tlsHmacKey": "string",
    }
    assert all(declared["description"] for declared in DECLARED.values())


def test_the_reference_is_what_the_models_say() -> None:
    assert called("settings").stdout == REFERENCE, "run: python -m settings > docs/settings.md"


def test_the_reference_shows_what_every_setting_means() -> None:
    rows = [line.strip("| ").split(" | ") for line in REFERENCE.splitlines() if line.startswith("| `")]
    assert len(rows) > 80
    for key, kind, *_, meaning in rows:
        assert kind.strip(), key
        assert meaning.strip(), key


def test_the_reference_shows_defaults_as_the_live_edge_has_them() -> None:
    for row in (
        "| `warp-edge:dns.ttlSeconds` | integer | `300` |",
        "| `warp-edge:ingress.affinitySeconds` | integer | `10800` |",
        "| `warp-edge:protect` | boolean | `true` |",
        "| `warp-edge:database.sslMode` | `ENCRYPTED_ONLY` or ",
        "| `warp-edge:egress.slots.*.state` | `announced` or `active` or `draining` | **required** |",
        "| `warp-edge:cost.staticAddress` | number | `2.92` |",
    ):
        assert row in REFERENCE


def keys_of(key: str, value: Any) -> list[str]:
    inner = [] if key in FREE or not isinstance(value, dict) else [f"{key}.{name}" for name in value]
    return [key, *inner]


@pytest.mark.parametrize("stack", ["prod", "prod-us-east1", "global", "sandbox"])
def test_every_key_of_a_stacks_yaml_is_in_the_reference(stack: str) -> None:
    for top, value in stack_config(stack).items():
        for key in keys_of(top, value) if top.startswith("warp-edge:") else ():
            assert f"| `{key}` |" in REFERENCE
