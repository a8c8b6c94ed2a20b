"""Thousands of invalid configurations: never a traceback, always a readable message."""

from __future__ import annotations

import json
import unicodedata
from itertools import cycle
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as some

from settings import Settings, SettingsError
from tests.cases import cases, others
from tests.stacks import Config, as_engine_gives_it, changed, paths, stack_config
from tests.unit.everything import everything

VALID = {stack: stack_config(stack) for stack in ("prod", "sandbox")}
VALID["dated"] = {
    **VALID["prod"],
    "warp-edge:dns": {
        "backend": "both",
        "domain": "ringer.tel",
        "zone": {"name": "ringer-tel"},
        "gandi": {"api": "https://api.gandi.net", "adopt": False, "deadlineSeconds": 60},
    },
    "warp-edge:gandiToken": "",
    "warp-edge:noticeDays": 14,
    "warp-edge:ingress": VALID["prod"]["warp-edge:ingress"]
    | {"announced": {"new": {"protocol": "UDP", "announcedOn": "2026-01-01", "activeOn": "2026-02-01"}}},
    "warp-edge:egress": VALID["prod"]["warp-edge:egress"]
    | {
        "slots": {
            "a": {"state": "active", "announcedOn": "2026-01-01", "activeOn": "2026-02-01"},
            "warp-nat-ip-1": {"state": "active", "replacedBy": ["a"]},
            "warp-nat-ip-2": {"state": "draining", "activeOn": "2026-01-01", "drainedOn": "2026-02-01"},
            "warp-nat-ip-3": {
                "state": "announced",
                "announcedOn": "2026-01-01",
                "activeOn": "2026-01-02",
                "noticeOverride": {"reason": "r"},
            },
        }
    },
}
Path = tuple[str, ...]
Place = tuple[str, Path]
PLACES = [(stack, path) for stack, config in VALID.items() for path in paths(config)]
VALID["everything"] = everything()
PLACES += [("everything", path) for path in paths(VALID["everything"]) if path not in set(paths(VALID["sandbox"]))]
UNREADABLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
# Characters of a line: a key of four levels, each cut to length, or a value, or one of our own sentences.
LINE = 300

ALL_CHARACTERS = some.characters(exclude_categories=())  # control characters and halves of characters as well
any_text = some.one_of(
    some.text(ALL_CHARACTERS, max_size=12),
    some.text("x\n\x1b[31m\u202e\u2028\ud800{}'\"%", max_size=12),
    some.integers(100, 3000).map(lambda length: "x" * length),
)
numbers = some.one_of(
    some.integers(-2, 70_000),
    some.integers(-(10**400), 10**400),
    some.floats(allow_nan=True, allow_infinity=True),
    some.sampled_from([-(2**63), 2**63, 10**4000, 1e308, 5e-324, -0.0]),
)
anything = some.recursive(
    some.one_of(some.none(), some.booleans(), numbers, any_text),
    lambda inner: some.one_of(some.lists(inner, max_size=4), some.dictionaries(any_text, inner, max_size=4)),
    max_leaves=8,
)


def survive(config: dict[str, str], secret_keys: tuple[str, ...] = ()) -> SettingsError | None:
    try:
        Settings.parse(config, secret_keys)
    except SettingsError as error:
        assert_readable(error)
        return error
    return None


def assert_readable(error: SettingsError) -> None:
    lines = str(error).split("\n")
    assert error.problems
    assert len(lines) == 1 + 3 * len(error.problems), "a value broke the message into more lines"
    for line in lines:
        assert not {unicodedata.category(character) for character in line} & UNREADABLE, line.encode("unicode_escape")
        assert len(line) <= LINE
    for problem in error.problems:
        assert problem.key.startswith(("warp-edge:", "gcp:project"))
        assert problem.key != "warp-edge:", "which setting?"
        assert all((problem.value, problem.wrong, problem.remedy))


def without(config: Config, path: tuple[str, ...]) -> Config:
    head, *rest = path
    if rest:
        return {**config, head: without(config[head], tuple(rest))}
    return {key: value for key, value in config.items() if key != head}


def is_group(place: Place) -> bool:
    stack, path = place
    inner: Any = VALID[stack]
    for step in path:
        inner = inner[step]
    return isinstance(inner, dict)


GROUPS = [place for place in PLACES if is_group(place)]
AT_ONCE = 20  # places that one generated case fills, one after another; many more are too large for Hypothesis


@pytest.mark.parametrize("start", range(0, len(PLACES), AT_ONCE))
def test_any_value_in_every_place(start: int) -> None:
    """The first that a place gets is null, the others are drawn for it."""

    @others(start)
    @cases(5, least=2)
    @given(some.fixed_dictionaries(dict.fromkeys(PLACES[start : start + AT_ONCE], anything)))
    def survives(values: dict[Place, Any]) -> None:
        for (stack, path), value in values.items():
            note(f"in {'.'.join(path)}")
            survive(as_engine_gives_it(changed(VALID[stack], path, value)))

    survives()


@pytest.mark.parametrize("start", range(0, len(GROUPS), AT_ONCE))
def test_any_key_in_every_group(start: int) -> None:
    @others(start)
    @cases(5, least=2)
    @given(some.fixed_dictionaries(dict.fromkeys(GROUPS[start : start + AT_ONCE], some.tuples(any_text, anything))))
    def survives(more: dict[Place, tuple[str, Any]]) -> None:
        for (stack, path), (name, value) in more.items():
            note(f"in {'.'.join(path)}")
            survive(as_engine_gives_it(changed(VALID[stack], (*path, name), value)))

    survives()


@cases(100)
@given(any_text, anything)
def test_any_setting_beside_the_others(name: str, value: Any) -> None:
    survive(as_engine_gives_it(VALID["prod"] | {f"warp-edge:{name}": value}))


def test_each_part_gone() -> None:
    for stack, path in PLACES:
        survive(as_engine_gives_it(without(VALID[stack], path)))


@cases(400)
@given(some.sampled_from(PLACES), any_text, some.sampled_from(PLACES))
def test_any_text_in_place_of_a_group_with_another_group_gone(place: Place, text: str, gone: Place) -> None:
    stack, path = place
    config = as_engine_gives_it(without(VALID[gone[0]], gone[1]))
    survive(config | {path[0]: text})
    survive(as_engine_gives_it(VALID[stack]) | {f"warp-edge:{text}": text})


@cases(500)
@given(some.lists(some.tuples(some.sampled_from(PLACES), anything), min_size=2, max_size=6))
def test_many_wrong_values_at_once(changes: list[tuple[Place, Any]]) -> None:
    config = VALID["prod"]
    for (_, path), value in changes:
        if path in set(paths(config)):
            config = changed(config, path, value)
    survive(as_engine_gives_it(config))


@pytest.mark.parametrize("depth", [100, 190, 250, 500, 900, 990, 5_000, 200_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("key", ["warp-edge:dns", "warp-edge:labels", "warp-edge:protect", "gcp:project"])
def test_groups_in_groups_without_end(key: str, opening: str, closing: str, depth: int) -> None:
    config = as_engine_gives_it(VALID["prod"])
    error = survive(config | {key: opening * depth + "1" + closing * depth})
    assert error
    assert {problem.key.partition(".")[0] for problem in error.problems} == {key}


@pytest.mark.parametrize(
    "text", ['{"a": NaN}', '{"a": Infinity}', '{"a": 1e999}', '"\\ud800"', "\ud800", "", "null", "[", "\x00", "{}}"]
)
@pytest.mark.parametrize("key", sorted(key for key in VALID["prod"] if key.startswith("warp-edge:")))
def test_text_that_is_no_json_or_hardly(key: str, text: str) -> None:
    config = as_engine_gives_it(VALID["prod"])
    error = survive(config | {key: text})
    assert error
    assert {problem.key.partition(".")[0] for problem in error.problems} == {key}, "another setting is blamed"


SECRET = "hunter2"


def test_a_secret_value_is_never_shown_wherever_it_stands() -> None:
    refused = 0
    odd = cycle((f"{SECRET} \ud800", f"{SECRET}\n", f"{SECRET} {'9' * 80}", [SECRET]))
    for (stack, path), value in ((place, value) for place in PLACES for value in (SECRET, next(odd))):
        config = as_engine_gives_it(changed(VALID[stack], path, value))
        error = survive(config, (path[0],))
        if error and path[0].startswith("warp-edge:"):
            assert SECRET not in str(error), (stack, path, value)
            refused += 1
    assert refused > len(PLACES), "hardly anything was refused, so that hardly anything could be shown"


def test_a_value_that_is_not_secret_is_shown() -> None:
    config = as_engine_gives_it(changed(VALID["prod"], ("warp-edge:dns", "domain"), SECRET))
    shown = survive(config, ("warp-edge:egress",))
    hidden = survive(config, ("warp-edge:dns",))
    assert shown
    assert f"warp-edge:dns.domain = '{SECRET}'" in str(shown)
    assert hidden
    assert "warp-edge:dns.domain = [secret]" in str(hidden)


def test_a_message_is_short_however_much_was_written() -> None:
    flood = json.dumps({"domain": "x" * 1_000_000, "y" * 1_000_000: "z" * 1_000_000, "zone": "w" * 1_000_000})
    error = survive(as_engine_gives_it(VALID["prod"]) | {"warp-edge:dns": flood})
    assert error
    assert len(error.problems) == 3
    assert len(str(error)) < 1_000
