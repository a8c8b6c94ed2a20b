"""A plan compared with the state: the bridge's rules one by one, beyond what the recordings cover."""

from __future__ import annotations

from typing import Any

import pytest

from local_cloud.differences import compare, settled_by_the_way
from local_cloud.planning import plan
from local_cloud.shapes import Shape
from local_cloud.values import Props, path_text

SHAPE = Shape.parse(
    """
    root: name! tags[] peers<> rules<> steps[] check{} when{}& kept<>~ note=none flag:bool=false labels{}
    rules: port:int* text! note
    steps: run* env
    check: port:int path
    when: age:int- state~
    """
)


def changes(prior: Props, given: Props) -> dict[str, str]:
    found = compare(SHAPE, prior, plan(SHAPE, prior, given))
    return {path_text(one.path): one.kind + ("!" if one.replace else "") for one in found}


STATE: Props = {"name": "a", "note": "none", "flag": False}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"tags": ["a", "b", "c"]}, {"tags": ["b", "c"]}, {"tags[0]": "delete"}),
        ({"tags": ["a", "c"]}, {"tags": ["a", "b", "c"]}, {"tags[1]": "add"}),
        ({"tags": ["a"]}, {"tags": ["b"]}, {"tags[0]": "update"}),
        ({"tags": ["a"]}, {"tags": []}, {"tags": "delete"}),
        ({"tags": []}, {"tags": ["a"]}, {"tags": "add"}),
        ({"peers": ["a", "b"]}, {"peers": ["b", "a"]}, {}),
        ({"peers": ["a", "b"]}, {"peers": ["b"]}, {"peers[0]": "delete"}),
        (
            {"steps": [{"run": "a"}]},
            {"steps": [{"run": "b"}, {"run": "a"}]},
            {"steps[0].run": "update", "steps[1]": "add"},
        ),
        ({"check": {"port": 1}}, {}, {"check": "delete"}),
        ({"check": {"port": 1}}, {"check": {"port": 1, "path": "/"}}, {"check.path": "add"}),
        ({"labels": {"a-b": "1"}}, {"labels": {"a-b": "2"}}, {"labels.a-b": "update"}),
        ({"name": "a"}, {"name": "b"}, {"name": "update!"}),
    ],
)
def test_a_difference_is_reported_where_it_is(before: Props, after: Props, expected: dict[str, str]) -> None:
    assert changes({**STATE, **before}, {"name": "a", **after}) == expected


def test_an_element_of_a_set_that_changes_goes_and_comes_with_all_it_forces() -> None:
    """`text!` is unchanged, but the old element is removed: Terraform replaces, and no single path explains it."""
    full = {"rules": [{"port": 1, "text": "t", "note": "n"}]}
    found = changes({**STATE, **full}, {"name": "a", "rules": [{"port": 2, "text": "t", "note": "n"}]})
    assert found == {"rules[0].port": "update", "__meta": "update!"}


def test_an_element_that_leaves_something_out_cannot_be_found_in_the_inputs() -> None:
    full = {"rules": [{"port": 1, "text": "", "note": "n"}]}
    assert changes({**STATE, **full}, {"name": "a", "rules": [{"port": 1, "text": ""}]}) == {"rules": "update"}


def test_a_default_that_the_state_lacks_is_a_change_and_an_empty_value_of_its_own_is_none() -> None:
    assert changes({"name": "a"}, {"name": "a"}) == {"note": "add", "flag": "add"}
    assert changes({**STATE, "check": None, "tags": None, "labels": None}, {"name": "a", "tags": []}) == {}


def test_what_a_plan_adds_to_any_other_change() -> None:
    state: Props = {**STATE, "check": {"port": 1, "path": None}, "when": {"age": None, "state": "on"}, "kept": None}
    given: Any = {"name": "b", "check": {"port": 1}, "when": {"state": "on"}}
    added = settled_by_the_way(SHAPE, state, plan(SHAPE, state, given))
    assert {path_text(one.path): one.kind for one in added} == {"check.path": "add", "when.age": "add", "kept": "add"}
    changed = {**given, "when": {"age": 3, "state": "on"}}
    added = settled_by_the_way(SHAPE, state, plan(SHAPE, state, changed))
    assert "when.age" not in {path_text(one.path) for one in added}, "a changed set of one is reported itself"
