"""docs/secrets.md lists every secret that the program declares, takes or gives out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import yaml

from settings.secret_texts import SECRETS
from tests.stacks import ROOT, changed
from tests.unit.everything import ADDRESSES, BEFORE, everything
from tests.unit.recording import HIDDEN, Edge, declare
from tests.unit.test_acl_rotation import PASSWORD, Passwords

PAGE = (ROOT / "docs" / "secrets.md").read_text()
SECRET = "kubernetes:core/v1:Secret"


@cache
def edge() -> Edge:
    """With every rotation, so that all that there is beside the first of each is declared too."""
    config = changed(everything(), ("warp-edge:trunkAcl", "signIn"), {"rotation": 2})
    config = changed(config, ("warp-edge:trunkAcl", "enforcement", "tokenRotation"), 2)
    return declare(config, before=BEFORE, cloud=Passwords("warp-sandbox", ADDRESSES))


def hidden(value: Any, path: str = "") -> Iterator[str]:
    """Paths of the values that are secret as a whole."""
    if value == HIDDEN:
        yield path
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from hidden(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for inner in value:
            yield from hidden(inner, path)


def listed() -> set[str]:
    """Resource and property of the page's last table, as `User.password`."""
    rows = re.findall(r"^\| `(\w+)` \| (`.+`) \| ", PAGE[PAGE.index("## Where state and cluster") :], re.MULTILINE)
    return {f"{kind}.{each}" for kind, properties in rows for each in re.findall(r"`([^`]+)`", properties)}


def test_every_generated_secret_is_on_the_page() -> None:
    names = {re.sub(r"-\d+$", "", each.name) for each in edge().of_type(PASSWORD)}
    assert len(names) >= 4
    assert {name for name in names if f"`{name}`" not in PAGE} == set()


def test_every_secret_output_is_on_the_page() -> None:
    found = set(hidden(edge().clear_outputs))
    assert found >= {"database.password", "trunkAcl.readerPassword", "trunkAcl.writerPassword"}
    assert {path for path in found if f"`{path}`" not in PAGE} == set()


def test_every_secret_setting_is_on_the_page() -> None:
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    found = {key for key, each in declared.items() if "secret" in str(each.get("description")).lower()} | set(SECRETS)
    assert {key for key in found if f"`{key}`" not in PAGE} == set()


def test_every_secret_property_in_the_state_is_on_the_page() -> None:
    found = {f"{each.type.rsplit(':', 1)[1]}.{path}" for each in edge().resources for path in hidden(each.clear)}
    assert found - listed() == set()
    assert "Secret.stringData" in found


def test_every_generated_value_in_a_kubernetes_secret_is_on_the_page() -> None:
    """By its variable: under this name a pod has it in its environment."""
    found = {
        key
        for each in edge().of_type(SECRET)
        for key, value in each.inputs.get("stringData", {}).items()
        if "of-" in str(value)
    }
    assert found >= {"WARP_ACL_DB_URL", "WARP_ACL_RPC_TOKEN", "WARP_ACL_RPC_TOKEN_BEFORE"}
    assert {key for key in found if f"`{key}`" not in PAGE} == set()


def test_every_rehearsal_that_the_page_names_is_there() -> None:
    files = set(re.findall(r"`(tests/[\w/]+\.py)`", PAGE))
    assert files
    assert {file for file in files if not (ROOT / file).is_file()} == set()
