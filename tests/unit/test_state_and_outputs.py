"""State names, inputs and outputs of this repository's stacks are what they were (tests.unit.state_goldens)."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest

from tests.stacks import ROOT
from tests.unit.state_goldens import FOLDER, PROVIDER, SHIPPED, STACKS, class_of_provider, of, stood_up, written


@cache
def now(stack: str) -> dict[str, Any]:
    return of(stood_up(stack))


def kept(stack: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{stack}.json").read_text(encoding="utf-8"))
    return found


def test_every_stack_of_this_repository_is_kept() -> None:
    shipped = {file.name.split(".")[1] for file in ROOT.glob("Pulumi.*.yaml")}
    assert shipped == set(SHIPPED)
    assert set(STACKS) == {file.stem for file in FOLDER.iterdir()}


@pytest.mark.parametrize("stack", STACKS)
def test_no_name_in_the_state_changes(stack: str) -> None:
    """Type, logical name and the chain of parents; and of a dynamic provider its module and class."""
    assert names(now(stack)) == names(kept(stack))


@pytest.mark.parametrize("stack", STACKS)
def test_no_resource_and_no_component_changes(stack: str) -> None:
    assert now(stack)["resources"] == kept(stack)["resources"]
    assert now(stack)["components"] == kept(stack)["components"]


@pytest.mark.parametrize("stack", STACKS)
def test_what_is_published_is_the_same_byte_for_byte(stack: str) -> None:
    assert written(now(stack)["outputs"]) == written(kept(stack)["outputs"])


def test_a_file_is_written_as_it_is_compared() -> None:
    """So that making the files anew changes nothing that did not change."""
    assert written(now("global")) == (FOLDER / "global.json").read_text(encoding="utf-8")


def test_the_kept_names_of_providers_are_those_of_stacks_that_exist() -> None:
    found = {
        each["inputs"][PROVIDER]
        for stack in STACKS
        for each in kept(stack)["resources"].values()
        if PROVIDER in each["inputs"]
    }
    assert found == {
        "components.gandi.provider:GandiRecordSetProvider",
        "components.trunk_acl.provider:TrunkAclProvider",
    }
    assert class_of_provider("gASVGgAAAAAAAACMCGJ1aWx0aW5zlIwGb2JqZWN0lJOUKYGULg==") == "builtins:object"


def names(of_a_stack: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    return {urn: (each["parent"], each["inputs"].get(PROVIDER)) for urn, each in of_a_stack["resources"].items()}
